"""The CDR as our own record: the form of OCPI 2.2.1, volumes that add up, the same total from the CDR alone."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.tariffs.building import (
    CHARGING,
    ENERGY,
    FLAT,
    PARKED,
    PARKING,
    RESERVED,
    TIME,
    at,
    component,
    element,
    stays,
    tariff,
)

from voltway.tariffs.engine import price
from voltway.tariffs.model import IdleRule
from voltway.tariffs.ocpi import (
    CDR_CSV_COLUMNS,
    CdrHead,
    CdrLocation,
    CdrToken,
    cdr_csv_row,
    cdr_document,
    dumps,
    loads,
    parse_cdr,
)
from voltway.tariffs.reprice import reprice

START = at("2026-03-02T09:00")
CITY = tariff(
    element(component(FLAT, "0.5", 1, "19")),
    element(component(ENERGY, "0.39", 1, "19"), component(PARKING, "6", 1, "19")),
    element(component(TIME, "0.60")),
    idle=IdleRule(grace_s=900, cap=Decimal(5)),
)


def head(ended_at: datetime, **more: object) -> CdrHead:
    """Build what a CDR says beside its price."""
    place = CdrLocation(
        "L1",
        "Street 1",
        "Berlin",
        "DEU",
        "52.5",
        "13.4",
        "E1",
        "DE*ALL*E1",
        "1",
        "IEC_62196_T2",
        "SOCKET",
        "AC_3_PHASE",
    )
    token = CdrToken("DE", "ALL", "04AABB", "RFID", "DE-ALL-C1")
    return CdrHead("C1", "DE", "ALL", "S1", START, ended_at, token, "WHITELIST", place, ended_at, **more)  # type: ignore[arg-type]  # optional fields


def repriced(document: object) -> Fraction:
    """Price a CDR as a partner does: its own tariffs, periods and times, nothing else."""
    return reprice(parse_cdr(loads(dumps(document)))).priced.total.excl_vat


@pytest.mark.parametrize("idle_min", [0, 10, 37, 65, 90, 300])
def test_a_partner_with_the_cdr_alone_gets_the_same_total(idle_min: int) -> None:
    """Billing note 26: grace and cap become periods of a second tariff without idle prices."""
    periods = stays(
        "2026-03-02T09:00", (60, "10.123", CHARGING), (idle_min / 2, "0", PARKED), (idle_min / 2, "0", PARKED)
    )
    priced = price(CITY, [period for period in periods if period.start < period.end], time_zone="UTC")
    document = cdr_document(head(periods[-1].end), priced, CITY)
    assert repriced(document) == priced.total.excl_vat
    assert len(document["tariffs"]) == (2 if idle_min else 1)  # type: ignore[arg-type]  # a list


def test_volumes_add_up_to_the_totals() -> None:
    """Times with four decimals (note 27) whose rounding does not pile up, energies with their meter's digits."""
    periods = stays("2026-03-02T09:00", *[(7 + 1 / 60, "0.333333", CHARGING)] * 9)
    document = cdr_document(head(periods[-1].end), price(CITY, periods, time_zone="UTC"), CITY)
    found = document["charging_periods"]
    assert isinstance(found, list)
    for dimension, total in (("ENERGY", document["total_energy"]), ("TIME", document["total_time"])):
        volumes = [item["volume"] for period in found for item in period["dimensions"] if item["type"] == dimension]
        assert sum(volumes) == total
        places = 4 if dimension == "TIME" else 6
        assert all(volume == round(volume, places) for volume in volumes)


def test_a_cdr_has_the_fields_of_2_2_1_and_its_row_of_csv() -> None:
    """Nothing unknown is null; the CSV row has every column, without exponents."""
    periods = stays("2026-03-02T08:45", (15, "0", RESERVED), (60, "10", CHARGING))
    priced = price(CITY, periods, time_zone="UTC")
    document = cdr_document(head(periods[-1].end, remark="EVDisconnected", extra={"signed_data": {}}), priced, CITY)
    assert "meter_id" not in document
    assert document["signed_data"] == {}
    assert document["total_cost"] == {"excl_vat": Decimal(5), "incl_vat": Decimal("5.836")}
    row = cdr_csv_row(document)
    assert tuple(row) == CDR_CSV_COLUMNS
    assert (row["total_cost_excl_vat"], row["total_energy_kwh"], row["tariff_ids"]) == ("5", "10", "T1")
    assert cdr_csv_row({"id": "C2"})["total_cost_excl_vat"] == ""
