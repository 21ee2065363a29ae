"""Hypothesis strategies for OCPI documents of all three versions: valid, and written as partners write them.

Null for what is optional, keys that no version knows at every level, instants with any offset or none, numbers with
exponents (exact_json reads them as Decimal), empty lists and objects.
"""

from decimal import Decimal

from hypothesis import strategies as st

from voltway.tariffs.model import WEEKDAYS, OcpiVersion

Documents = st.SearchStrategy[dict[str, object]]

VERSIONS = st.sampled_from(OcpiVersion)
_LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.decimals("-1", "1", places=3)


def _objects(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.text(max_size=3), inner, max_size=2)


_ANYTHING = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=2) | _objects(inner), max_leaves=4)
UNKNOWN = st.dictionaries(st.text("xyz~/", min_size=1, max_size=3).map("x_{}".format), _ANYTHING, max_size=2)
AMOUNTS: st.SearchStrategy[object] = st.one_of(
    st.integers(0, 999), st.decimals("0", "99", places=4), st.sampled_from([Decimal("1E-3"), Decimal("2.50E+1")])
)
_INSTANTS = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00Z",
        "2025-12-31T19:00:00-0500",
    ]
)
_TIMES = st.sampled_from(["00:00", "07:30", "23:59"])
_DATES = st.sampled_from(["2026-02-28", "2028-02-29", "9999-12-31"])
_DAYS = st.lists(st.sampled_from(WEEKDAYS), max_size=3)


def _fields(required: dict[str, st.SearchStrategy[object]], **optional: st.SearchStrategy[object]) -> Documents:
    """Build an object: optional keys missing, null or there, and unknown ones beside them."""
    maybe = {key: st.none() | strategy for key, strategy in optional.items()}
    known = st.fixed_dictionaries(required, optional=maybe)
    return st.builds(lambda one, other: {**other, **one}, known, UNKNOWN)


def _components(version: OcpiVersion) -> Documents:
    vat = {} if version is OcpiVersion.V2_1_1 else {"vat": AMOUNTS}
    steps: st.SearchStrategy[object] = st.integers(0, 900) | st.sampled_from([Decimal("1.0"), Decimal("3E+2")])
    timed = _fields(
        {"type": st.sampled_from(["ENERGY", "TIME", "PARKING_TIME"]), "price": AMOUNTS, "step_size": steps}, **vat
    )
    flat = _fields({"type": st.just("FLAT"), "price": AMOUNTS}, step_size=steps, **vat)
    return timed | flat


def _restrictions(version: OcpiVersion) -> Documents:
    later = {} if version is OcpiVersion.V2_1_1 else {"reservation": st.just("RESERVATION"), "min_current": AMOUNTS}
    return _fields(
        {},
        start_time=_TIMES,
        end_time=_TIMES,
        start_date=_DATES,
        end_date=_DATES,
        min_kwh=AMOUNTS,
        max_power=AMOUNTS,
        max_duration=st.integers(0, 2**63),
        day_of_week=_DAYS,
        **later,
    )


def _limits(version: OcpiVersion) -> Documents:
    first, second = ("before_taxes", "after_taxes") if version is OcpiVersion.V2_3_0 else ("excl_vat", "incl_vat")
    return _fields({first: AMOUNTS}, **{second: AMOUNTS})


def tariffs(version: OcpiVersion) -> Documents:
    """Generate tariffs of a version; all that `parse_tariff` accepts in it."""
    element = _fields(
        {"price_components": st.lists(_components(version), min_size=1, max_size=3)},
        restrictions=_restrictions(version),
    )
    required: dict[str, st.SearchStrategy[object]] = {
        "id": st.text("T-1 é", min_size=1, max_size=36),
        "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
        "elements": st.lists(element, min_size=1, max_size=3),
    }
    optional: dict[str, st.SearchStrategy[object]] = {"last_updated": _INSTANTS, "energy_mix": UNKNOWN}
    if version is not OcpiVersion.V2_1_1:
        required["country_code"] = st.just("DE")
        limit = st.sampled_from(["min_price", "max_price"])
        optional |= {"type": st.just("REGULAR"), "start_date_time": _INSTANTS, "end_date_time": _INSTANTS}
        one = st.builds(lambda key, value: {key: value}, limit, st.none() | _limits(version))
    else:
        one = st.just({})
    if version is OcpiVersion.V2_3_0:
        required["tax_included"] = st.sampled_from(["YES", "NO", "N/A"])
        optional["preauthorize_amount"] = AMOUNTS
    return st.builds(lambda document, more: document | more, _fields(required, **optional), one)


def cdrs(version: OcpiVersion) -> Documents:
    """Generate CDRs of a version with their tariffs, totals and what pricing does not need."""
    dimension = _fields({"type": st.sampled_from(["ENERGY", "TIME", "PARKING_TIME", "MAX_POWER"]), "volume": AMOUNTS})
    period = _fields({"start_date_time": _INSTANTS, "dimensions": st.lists(dimension, max_size=3)}, tariff_id=_TIMES)
    end = "stop_date_time" if version is OcpiVersion.V2_1_1 else "end_date_time"
    required: dict[str, st.SearchStrategy[object]] = {
        "start_date_time": _INSTANTS,
        end: st.sampled_from(["2026-01-02T00:00:00Z", "2026-01-02T05:00:00+01:00"]),
        "currency": st.just("EUR"),
        "charging_periods": st.lists(period, min_size=1, max_size=3),
    }
    if version is not OcpiVersion.V2_1_1:
        required["country_code"] = st.just("DE")
    if version is OcpiVersion.V2_3_0:
        required["total_cost"] = st.fixed_dictionaries({"before_taxes": AMOUNTS})
    return _fields(
        required,
        tariffs=st.lists(tariffs(version), max_size=2),
        total_energy=AMOUNTS,
        total_time_cost=_ANYTHING,
        cdr_location=UNKNOWN,
        time_zone=st.just("Europe/Berlin"),
        credit=st.booleans(),
    )
