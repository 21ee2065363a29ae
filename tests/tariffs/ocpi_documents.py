"""The tariffs of the OCPI texts (examples/*.json of ocpi/ocpi), as documents with exact numbers.

Keys that no price needs (`country_code`, alternative texts, `last_updated`) are those of the files, shortened.
"""

from collections.abc import Mapping
from decimal import Decimal

Document = dict[str, object]

WEEK = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
WEEKEND = ["SATURDAY", "SUNDAY"]


def per(kind: str, price: str, step_size: int = 1, vat: str | None = None) -> Document:
    """Build a price component."""
    taxed: Document = {} if vat is None else {"vat": Decimal(vat)}
    return {"type": kind, "price": Decimal(price), **taxed, "step_size": step_size}


def when(restrictions: Mapping[str, object], *components: Document) -> Document:
    """Build an element with restrictions."""
    return {"price_components": list(components), "restrictions": dict(restrictions)}


def always(*components: Document) -> Document:
    """Build an element without restrictions."""
    return {"price_components": list(components)}


def eur(tariff_id: str, *elements: Document, **more: object) -> Document:
    """Build a tariff of OCPI 2.2 or later in EUR."""
    owner = {"country_code": "DE", "party_id": "ALL"}
    return {**owner, "id": tariff_id, "currency": "EUR", "elements": list(elements), **more}


def limit(excl_vat: str, incl_vat: str) -> Document:
    """Build OCPI 2.2.1's Price of a limit."""
    return {"excl_vat": Decimal(excl_vat), "incl_vat": Decimal(incl_vat)}


def as_2_3_0(document: Document) -> Document:
    """Write a 2.2.1 tariff as the 2.3.0 texts do: `tax_included`, and limits before and after taxes."""
    changed = {**document, "tax_included": "NO"}
    for key in ("min_price", "max_price"):
        if isinstance(sides := document.get(key), dict):
            changed[key] = {"before_taxes": sides["excl_vat"], "after_taxes": sides["incl_vat"]}
    return changed


def as_2_1_1(document: Document) -> Document:
    """Write a tariff as 2.1.1 does: without owner and without VAT."""
    return {key: item for key, item in document.items() if key not in ("country_code", "party_id")}


START_FEE = per("FLAT", "0.50", 1, "20")
ENERGY_25 = per("ENERGY", "0.25", 1, "10")
SESSION = always(START_FEE, ENERGY_25)

TARIFF_1 = eur("12", always(per("TIME", "2.00", 60, "10")))
TARIFF_2 = eur("12", always(per("TIME", "1.90", 300, "5.2")), type="AD_HOC_PAYMENT")
TARIFF_3 = eur("13", always(START_FEE, per("ENERGY", "0.25", 100, "10")), type="PROFILE_CHEAP")
TARIFF_3_REAL = eur("13", always(START_FEE, per("ENERGY", "0.22", 100, "10")), type="PROFILE_CHEAP")
TARIFF_5 = eur("15", always(per("FLAT", "0", 0)))
TARIFF_6 = eur("16", SESSION, max_price=limit("10", "11"), end_date_time="2019-06-30T23:59:59Z")
TARIFF_8 = eur("16", always(ENERGY_25))
TARIFF_9 = eur("17", SESSION)
TARIFF_10 = eur("18", always(START_FEE, ENERGY_25, per("PARKING_TIME", "2.00", 900, "20")))
TARIFF_11 = eur("19", always(per("FLAT", "0.40", 1, "25"), per("TIME", "1.90", 300, "5.2")), type="AD_HOC_PAYMENT")
TARIFF_12 = eur("20", always(ENERGY_25), min_price=limit("0.50", "0.55"))
TARIFF_13 = eur("21", always(per("TIME", "3.00", 60, "10"), per("PARKING_TIME", "5.00", 300, "20")))
TARIFF_PUT = eur("12", always(per("TIME", "2.00", 300, "10")))

TARIFF_4 = eur(
    "14",
    always(per("FLAT", "2.50", 1, "15")),
    when({"max_current": 32}, per("TIME", "1.00", 900, "20")),
    when({"min_current": 32, "day_of_week": WEEK}, per("TIME", "2.00", 600, "20")),
    when({"min_current": 32, "day_of_week": WEEKEND}, per("TIME", "1.25", 600, "20")),
    when({"start_time": "09:00", "end_time": "18:00", "day_of_week": WEEK}, per("PARKING_TIME", "5.00", 300, "10")),
    when(
        {"start_time": "10:00", "end_time": "17:00", "day_of_week": ["SATURDAY"]},
        per("PARKING_TIME", "6.00", 300, "10"),
    ),
    type="REGULAR",
)
TARIFF_14 = eur(
    "22",
    when(
        {"start_time": "00:00", "end_time": "17:00"},
        per("TIME", "1.20", 1800), per("PARKING_TIME", "1.00", 900),
    ),
    when(
        {"start_time": "17:00", "end_time": "20:00"},
        per("TIME", "2.40", 900), per("PARKING_TIME", "1.00", 900),
    ),
    when({"start_time": "20:00", "end_time": "00:00"}, per("TIME", "2.40", 900)),
)  # fmt: skip


def first_hour_free(second_rate_from_s: int) -> Document:
    """Build tariff_7 of OCPI 2.2: the file changes the rate after three hours, the prose after four."""
    return eur(
        "52",
        when({"min_duration": 0, "max_duration": 3600}, per("PARKING_TIME", "0", 60)),
        when({"min_duration": 3600, "max_duration": second_rate_from_s}, per("PARKING_TIME", "2.00", 60)),
        when({"min_duration": second_rate_from_s}, per("PARKING_TIME", "3.00", 60)),
        when({"max_kwh": 1}, per("ENERGY", "0", 1)),
        when({"min_kwh": 1}, per("ENERGY", "0.20", 1)),
    )


RESERVED, EXPIRED = {"reservation": "RESERVATION"}, {"reservation": "RESERVATION_EXPIRES"}
TARIFF_15 = eur("20", when(RESERVED, per("TIME", "5.00", 60, "20")), SESSION)
TARIFF_16 = eur("20", when(RESERVED, per("FLAT", "2.00", 1, "20"), per("TIME", "5.00", 300, "20")), SESSION)
TARIFF_17 = eur(
    "20", when(EXPIRED, per("FLAT", "4.00", 1, "20")), when(RESERVED, per("TIME", "2.00", 600, "20")), SESSION
)
TARIFF_18 = eur(
    "20", when(EXPIRED, per("TIME", "6.00", 600, "20")), when(RESERVED, per("TIME", "3.00", 600, "20")), SESSION
)

MAX_POWER = eur(
    "1",
    when({"max_power": 16}, per("ENERGY", "0.20", 1, "20")),
    when({"max_power": 32}, per("ENERGY", "0.35", 1, "20")),
    always(per("ENERGY", "0.50", 1, "20")),
)
MAX_DURATION = eur(
    "2",
    when({"max_duration": 1800}, per("ENERGY", "0", 1, "20")),
    when({"max_duration": 3600}, per("ENERGY", "0.25", 1, "20")),
    always(per("ENERGY", "0.40", 1, "20")),
)
MIN_MAX_DURATION = eur(
    "21",
    when({"max_duration": 1800}, per("ENERGY", "0.20", 1, "20")),
    when({"min_duration": 1800, "max_duration": 3600}, per("ENERGY", "0.30", 1, "20")),
    when({"min_duration": 3600}, per("ENERGY", "0.40", 1, "20")),
)

CANADA = {"country_code": "CA", "party_id": "FLO", "id": "12", "currency": "CAD"}
TARIFF_19: Document = {**CANADA, "elements": [always(per("TIME", "2.00", 1))], "tax_included": "NO"}
TARIFF_20: Document = {**CANADA, "elements": [always(per("TIME", "2.10", 1))], "tax_included": "YES"}

SIMPLE_2_1_1 = as_2_1_1(eur("12", always(per("TIME", "2.00", 300))))
PATCHED_2_1_1 = as_2_1_1(eur("12", always(per("TIME", "2.50", 300))))
FREE_2_1_1 = as_2_1_1(eur("12", always(per("FLAT", "0", 0))))
COMPLEX_2_1_1 = as_2_1_1(
    eur(
        "11",
        always(per("FLAT", "2.50", 1)),
        when({"max_power": 32}, per("TIME", "1.00", 900)),
        when({"min_power": 32, "day_of_week": WEEK}, per("TIME", "2.00", 600)),
        when({"min_power": 32, "day_of_week": WEEKEND}, per("TIME", "1.25", 600)),
        when({"start_time": "09:00", "end_time": "18:00", "day_of_week": WEEK}, per("PARKING_TIME", "5.00", 300)),
        when(
            {"start_time": "10:00", "end_time": "17:00", "day_of_week": ["SATURDAY"]}, per("PARKING_TIME", "6.00", 300)
        ),
    )
)


def cdr_example(year: int, place: Document, tariff: Document, total_cost: object) -> Document:
    """Build cdr_example.json without what no price needs: 21:39:09 to 23:37:32 and a volume of 1.973 h."""
    end_key = "stop_date_time" if "country_code" not in place else "end_date_time"
    return {
        **place,
        "id": "12345",
        "start_date_time": f"{year}-06-29T21:39:09Z",
        end_key: f"{year}-06-29T23:37:32Z",
        "currency": "EUR",
        "tariffs": [tariff],
        "charging_periods": [
            {
                "start_date_time": f"{year}-06-29T21:39:09Z",
                "dimensions": [{"type": "TIME", "volume": Decimal("1.973")}],
            }
        ],
        "total_cost": total_cost,
        "total_energy": Decimal("15.342"),
        "total_time": Decimal("1.973"),
    }
