"""CDRs in the words of OCPI 2.1.1, 2.2.1 and 2.3.0: golden documents, and the same total for whoever reads them."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import (
    BERLIN,
    CHARGING,
    ENERGY,
    FLAT,
    PARKED,
    PARKING,
    RESERVED,
    TIME,
    clock,
    component,
    element,
    stays,
    tariff,
)
from tests.tariffs.test_ocpi_cdr import head

from voltway.tariffs.engine import price
from voltway.tariffs.model import (
    ChargingPeriod,
    IdleRule,
    OcpiVersion,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TaxIncluded,
)
from voltway.tariffs.ocpi import (
    CannotExport,
    CdrHead,
    cdr_document,
    dumps,
    loads,
    parse_cdr,
    unknown_cdr_keys,
)
from voltway.tariffs.priced import Priced
from voltway.tariffs.reprice import Repriced, reprice

OLD, MIDDLE, NEW = OcpiVersion.V2_1_1, OcpiVersion.V2_2_1, OcpiVersion.V2_3_0
CENT = Fraction(1, 10_000)
DAY = (60.0, "10", CHARGING), (30.0, "0", PARKED)

MIXED = replace(
    tariff(
        element(component(FLAT, "0.5", 1, "20"), component(ENERGY, "0.39", 1, "19")),
        element(component(PARKING, "6", 60, "7")),
        element(component(TIME, "0.6")),
    ),
    extra={"country_code": "DE", "party_id": "ALL"},
)


def priced_of(of: Tariff, periods: list[ChargingPeriod]) -> Priced:
    """Price at the place of the CDR."""
    return price(of, periods, time_zone=BERLIN)


def head_of(periods: list[ChargingPeriod]) -> CdrHead:
    """Build the head of a session, with its time zone."""
    made = head(periods[-1].end, remark="EVDisconnected", meter_id="M1")
    return replace(made, started_at=periods[0].start, location=replace(made.location, time_zone=BERLIN))


def written(of: Tariff, periods: list[ChargingPeriod], version: OcpiVersion | None) -> dict[str, object]:
    """Write the CDR of a session."""
    return cdr_document(head_of(periods), priced_of(of, periods), of, ocpi_version=version)


def read(document: dict[str, object]) -> Repriced:
    """Price a CDR as a partner does, from its text alone."""
    return reprice(parse_cdr(loads(dumps(document))))


GOLDEN = {
    OLD: """{"id":"C1","start_date_time":"2026-03-02T09:00:00Z","stop_date_time":"2026-03-02T10:30:00Z",
"auth_id":"DE-ALL-C1","auth_method":"WHITELIST",
"location":{"id":"L1","type":"UNKNOWN","address":"Street 1","city":"Berlin","country":"DEU",
"coordinates":{"latitude":"52.5","longitude":"13.4"},
"evses":[{"uid":"E1","evse_id":"DE*ALL*E1","status":"UNKNOWN","connectors":[{"id":"1","standard":"IEC_62196_T2",
"format":"SOCKET","power_type":"AC_3_PHASE","last_updated":"2026-03-02T10:30:00Z"}],
"last_updated":"2026-03-02T10:30:00Z"}],
"time_zone":"Europe/Berlin","last_updated":"2026-03-02T10:30:00Z"},
"meter_id":"M1","currency":"EUR",
"tariffs":[{"id":"T1","currency":"EUR","elements":[
{"price_components":[{"type":"FLAT","price":0.5,"step_size":1},{"type":"ENERGY","price":0.39,"step_size":1}]},
{"price_components":[{"type":"PARKING_TIME","price":6,"step_size":60}]},
{"price_components":[{"type":"TIME","price":0.6,"step_size":1}]}]}],
"charging_periods":[
{"start_date_time":"2026-03-02T09:00:00Z","dimensions":[{"type":"ENERGY","volume":10},{"type":"TIME","volume":1}]},
{"start_date_time":"2026-03-02T10:00:00Z","dimensions":[{"type":"ENERGY","volume":0},{"type":"PARKING_TIME","volume":0.5}]}],
"total_cost":8,"total_energy":10,"total_time":1.5,"total_parking_time":0.5,
"remark":"EVDisconnected","last_updated":"2026-03-02T10:30:00Z"}""",
    MIDDLE: """{"country_code":"DE","party_id":"ALL","id":"C1","start_date_time":"2026-03-02T09:00:00Z",
"end_date_time":"2026-03-02T10:30:00Z","session_id":"S1",
"cdr_token":{"country_code":"DE","party_id":"ALL","uid":"04AABB","type":"RFID","contract_id":"DE-ALL-C1"},
"auth_method":"WHITELIST",
"cdr_location":{"id":"L1","address":"Street 1","city":"Berlin","country":"DEU",
"coordinates":{"latitude":"52.5","longitude":"13.4"},"evse_uid":"E1","evse_id":"DE*ALL*E1","connector_id":"1",
"connector_standard":"IEC_62196_T2","connector_format":"SOCKET","connector_power_type":"AC_3_PHASE"},
"time_zone":"Europe/Berlin","meter_id":"M1","currency":"EUR",
"tariffs":[{"country_code":"DE","party_id":"ALL","id":"T1","currency":"EUR","elements":[
{"price_components":[{"type":"FLAT","price":0.5,"vat":20,"step_size":1},
{"type":"ENERGY","price":0.39,"vat":19,"step_size":1}]},
{"price_components":[{"type":"PARKING_TIME","price":6,"vat":7,"step_size":60}]},
{"price_components":[{"type":"TIME","price":0.6,"step_size":1}]}]}],
"charging_periods":[
{"start_date_time":"2026-03-02T09:00:00Z","dimensions":[{"type":"ENERGY","volume":10},{"type":"TIME","volume":1}],
"tariff_id":"T1"},
{"start_date_time":"2026-03-02T10:00:00Z","dimensions":[{"type":"ENERGY","volume":0},
{"type":"PARKING_TIME","volume":0.5}],"tariff_id":"T1"}],
"total_cost":{"excl_vat":8,"incl_vat":9.051},"total_fixed_cost":{"excl_vat":0.5,"incl_vat":0.6},
"total_energy":10,"total_energy_cost":{"excl_vat":3.9,"incl_vat":4.641},
"total_time":1.5,"total_time_cost":{"excl_vat":0.6,"incl_vat":0.6},
"total_parking_time":0.5,"total_parking_cost":{"excl_vat":3,"incl_vat":3.21},
"total_reservation_cost":{"excl_vat":0,"incl_vat":0},
"remark":"EVDisconnected","last_updated":"2026-03-02T10:30:00Z"}""",
    NEW: """{"country_code":"DE","party_id":"ALL","id":"C1","start_date_time":"2026-03-02T09:00:00Z",
"end_date_time":"2026-03-02T10:30:00Z","session_id":"S1",
"cdr_token":{"country_code":"DE","party_id":"ALL","uid":"04AABB","type":"RFID","contract_id":"DE-ALL-C1"},
"auth_method":"WHITELIST",
"cdr_location":{"id":"L1","address":"Street 1","city":"Berlin","country":"DEU",
"coordinates":{"latitude":"52.5","longitude":"13.4"},"evse_uid":"E1","evse_id":"DE*ALL*E1","connector_id":"1",
"connector_standard":"IEC_62196_T2","connector_format":"SOCKET","connector_power_type":"AC_3_PHASE"},
"time_zone":"Europe/Berlin","meter_id":"M1","currency":"EUR",
"tariffs":[{"country_code":"DE","party_id":"ALL","id":"T1","currency":"EUR","tax_included":"NO","elements":[
{"price_components":[{"type":"FLAT","price":0.5,"vat":20,"step_size":1},
{"type":"ENERGY","price":0.39,"vat":19,"step_size":1}]},
{"price_components":[{"type":"PARKING_TIME","price":6,"vat":7,"step_size":60}]},
{"price_components":[{"type":"TIME","price":0.6,"step_size":1}]}]}],
"charging_periods":[
{"start_date_time":"2026-03-02T09:00:00Z","dimensions":[{"type":"ENERGY","volume":10},{"type":"TIME","volume":1}],
"tariff_id":"T1"},
{"start_date_time":"2026-03-02T10:00:00Z","dimensions":[{"type":"ENERGY","volume":0},
{"type":"PARKING_TIME","volume":0.5}],"tariff_id":"T1"}],
"total_cost":{"before_taxes":8,"taxes":[{"name":"VAT","percentage":7,"amount":0.21},
{"name":"VAT","percentage":19,"amount":0.741},{"name":"VAT","percentage":20,"amount":0.1}]},
"total_fixed_cost":{"before_taxes":0.5,"taxes":[{"name":"VAT","percentage":20,"amount":0.1}]},
"total_energy":10,"total_energy_cost":{"before_taxes":3.9,"taxes":[{"name":"VAT","percentage":19,"amount":0.741}]},
"total_time":1.5,"total_time_cost":{"before_taxes":0.6,"taxes":[]},
"total_parking_time":0.5,
"total_parking_cost":{"before_taxes":3,"taxes":[{"name":"VAT","percentage":7,"amount":0.21}]},
"total_reservation_cost":{"before_taxes":0,"taxes":[]},
"remark":"EVDisconnected","last_updated":"2026-03-02T10:30:00Z"}""",
}


@pytest.mark.parametrize("version", OcpiVersion)
def test_the_same_session_in_each_version(version: OcpiVersion) -> None:
    """Golden: the keys of the version in the order of its CDR object, a line per object."""
    document = written(MIXED, stays("2026-03-02T09:00", *DAY), version)
    assert dumps(document) == GOLDEN[version].replace("\n", "")
    assert unknown_cdr_keys(document, version) == []
    found = read(document)
    assert found.cdr.ocpi_version is version
    assert found.warnings == ()
    assert found.priced.total.excl_vat == 8


NIGHT = Restrictions(start_time=clock("22:00"), end_time=clock("06:00"))
LOCKED = tariff(
    element(component(ENERGY, "0.2", 1, "19"), component(FLAT, "1", 1), only=NIGHT),
    element(component(ENERGY, "0.5", 1, "19"), component(TIME, "1"), component(PARKING, "3")),
    price_lock=True,
)
WAITING = Restrictions(reservation=Reservation.RESERVATION)
WAITING_AT_NIGHT = replace(NIGHT, reservation=Reservation.RESERVATION)
BOOKED_LOCKED = tariff(
    element(component(TIME, "9"), only=WAITING_AT_NIGHT),
    element(component(TIME, "3"), only=WAITING),
    element(component(ENERGY, "0.2", 1, "19"), only=NIGHT),
    element(component(ENERGY, "0.5", 1, "19")),
    price_lock=True,
)
GRACED = tariff(
    element(component(ENERGY, "0.39", 1, "19"), component(PARKING, "6", 1, "19")),
    idle=IdleRule(grace_s=900, cap=Decimal(5)),
)
BOOKED = tariff(
    element(component(TIME, "2"), component(FLAT, "1"), only=Restrictions(reservation=Reservation.RESERVATION)),
    element(component(ENERGY, "0.5", 1, "19")),
)
LIMITED = tariff(
    element(component(ENERGY, "0.5", 1, "19"), component(TIME, "1", 1, "7")),
    least=PriceLimit(Decimal(2)),
    most=PriceLimit(Decimal(20), Decimal(22)),
)
GROSS = replace(tariff(element(component(ENERGY, "0.4641", 1, "19"))), ocpi_version=NEW, tax_included=TaxIncluded.YES)
UNTAXED = replace(GROSS, tax_included=TaxIncluded.NOT_APPLICABLE)
OVERNIGHT = (90.0, "20", CHARGING), (60.0, "0", PARKED)
RESERVATION = (15.0, "0", RESERVED), (60.0, "10", CHARGING)


@pytest.mark.parametrize("version", [None, *OcpiVersion])
@pytest.mark.parametrize(
    ("of", "start", "parts"),
    [
        pytest.param(LOCKED, "2026-03-02T20:30", OVERNIGHT, id="day price held into the night"),
        pytest.param(LOCKED, "2026-03-02T21:30", OVERNIGHT, id="night price"),
        pytest.param(LOCKED, "2026-03-03T04:30", OVERNIGHT, id="night price held into the day"),
        pytest.param(GRACED, "2026-03-02T09:00", ((60.0, "10", CHARGING), (37.0, "0", PARKED)), id="behind the grace"),
        pytest.param(GRACED, "2026-03-02T09:00", ((60.0, "10", CHARGING), (300.0, "0", PARKED)), id="over the cap"),
        pytest.param(GRACED, "2026-03-02T09:00", ((10.0, "0", PARKED), (60.0, "10", CHARGING)), id="within the grace"),
        pytest.param(BOOKED, "2026-03-02T09:00", ((60.0, "10", CHARGING),), id="reservations had no part"),
        pytest.param(BOOKED, "2026-03-02T08:45", RESERVATION, id="reserved"),
        pytest.param(BOOKED_LOCKED, "2026-03-02T20:50", RESERVATION, id="reserved by day, charged at night, both held"),
        pytest.param(BOOKED_LOCKED, "2026-03-03T04:50", RESERVATION, id="reserved at night, charged by day, both held"),
        pytest.param(LIMITED, "2026-03-02T09:00", ((60.0, "10", CHARGING),), id="limits had no part"),
        pytest.param(LIMITED, "2026-03-02T09:00", ((60.0, "0.5", CHARGING),), id="minimum"),
        pytest.param(LIMITED, "2026-03-02T09:00", ((60.0, "60", CHARGING),), id="maximum"),
        pytest.param(GROSS, "2026-03-02T09:00", ((60.0, "10.005", CHARGING),), id="tax included"),
        pytest.param(UNTAXED, "2026-03-02T09:00", ((60.0, "10.005", CHARGING),), id="no tax applies"),
    ],
)
def test_a_partner_gets_the_same_total(
    of: Tariff, start: str, parts: tuple[tuple[float, str, object], ...], version: OcpiVersion | None
) -> None:
    """Billing note 26: the CDR alone is enough, in each version that can say the price; 2.1.1 is without VAT."""
    periods = stays(start, *parts)  # type: ignore[arg-type]  # kinds of periods
    ours = priced_of(of, periods)
    needs_more = any(period.kind is RESERVED for period in periods) or bool(ours.adjustments)
    if version is OLD and needs_more:
        with pytest.raises(CannotExport):
            written(of, periods, version)
        return
    found = read(written(of, periods, version))
    assert found.priced.total.excl_vat == ours.total.excl_vat
    assert found.priced.total.incl_vat == (None if version is OLD else ours.total.incl_vat)
    assert [warning for warning in found.warnings if warning.code not in ("free_dimension", "unknown_key")] == []


def test_our_own_record_keeps_a_tariff_that_2_2_1_cannot_say() -> None:
    """0.39 with 19 % in it is no decimal number without it: the record has it as it is, 2.2.1 refuses."""
    of = replace(tariff(element(component(ENERGY, "0.39", 1, "19"))), ocpi_version=NEW, tax_included=TaxIncluded.YES)
    periods = stays("2026-03-02T09:00", *DAY)
    found = read(written(of, periods, None))
    assert found.priced.total.incl_vat == Fraction("3.9")
    with pytest.raises(CannotExport):
        written(of, periods, MIDDLE)


def test_a_tariff_without_vat_gives_a_cdr_without_vat() -> None:
    """A tariff of OCPI 2.1.1 has none: nothing is claimed of VAT, and 2.3.0 names no taxes."""
    of = replace(tariff(element(component(ENERGY, "0.5"))), ocpi_version=OLD)
    periods = stays("2026-03-02T09:00", *DAY)
    for version, amount in ((None, {"excl_vat": 5}), (MIDDLE, {"excl_vat": 5}), (NEW, {"before_taxes": 5})):
        document = written(of, periods, version)
        assert document["total_cost"] == amount
        assert read(document).priced.total.excl_vat == 5


@pytest.mark.parametrize(
    ("ours", "theirs"), [("WHITELIST", "WHITELIST"), ("AUTH_REQUEST", "AUTH_REQUEST"), ("COMMAND", "AUTH_REQUEST")]
)
def test_2_1_1_knows_two_ways_to_authorise(ours: str, theirs: str) -> None:
    """OCPI 2.1.1 mod_cdrs, AuthMethod; what is known of the place is written."""
    periods = stays("2026-03-02T09:00", *DAY)
    made = head_of(periods)
    made = replace(made, auth_method=ours, location=replace(made.location, name="Depot", postal_code="10115"))
    document = cdr_document(made, priced_of(MIXED, periods), MIXED, ocpi_version=OLD)
    assert document["auth_method"] == theirs
    assert isinstance(document["location"], dict)
    assert (document["location"]["name"], document["location"]["postal_code"]) == ("Depot", "10115")


def test_a_tariff_without_anything_left_is_free_of_charge() -> None:
    """OCPI's free tariff is a FLAT of 0; a tariff of idle fees alone has nothing else in its grace."""
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(grace_s=600))
    document = written(of, stays("2026-03-02T09:00", (5, "0", PARKED), (30, "0", PARKED)), MIDDLE)
    assert dumps(document["tariffs"]).count('{"type":"FLAT","price":0,"step_size":1}') == 1
    assert read(document).priced.total.excl_vat == Fraction("2.5")


@pytest.mark.parametrize(
    ("of", "parts", "taxes"),
    [
        pytest.param(
            LIMITED,
            (60.0, "60", CHARGING),
            {7: Decimal("0.0243"), 19: Decimal("1.9757")},
            id="maximum: 2 EUR of tax pro rata of 0.07 and 5.70 (billing note 30)",
        ),
        pytest.param(
            replace(LIMITED, min_price=PriceLimit(Decimal(2), Decimal("2.5"))),
            (0.0, "0", CHARGING),
            {None: Decimal("0.5")},
            id="minimum without a base: no rate is known",
        ),
        pytest.param(
            tariff(element(component(ENERGY, "1", 1, "19")), least=PriceLimit(Decimal(2), Decimal("2.5"))),
            (60.0, "0", CHARGING),
            {19: Decimal("0.5")},
            id="minimum without a base: the only rate",
        ),
        pytest.param(tariff(element(component(ENERGY, "1", 1, "0"))), (60.0, "9", CHARGING), {0: 0}, id="zero rate"),
        pytest.param(tariff(element(component(ENERGY, "1"))), (60.0, "9", CHARGING), {}, id="no VAT (billing note 29)"),
        pytest.param(UNTAXED, (60.0, "9", CHARGING), {}, id="no tax applies (2.3.0 N/A)"),
    ],
)
def test_the_taxes_of_2_3_0_add_up(of: Tariff, parts: tuple[float, str, object], taxes: dict[object, object]) -> None:
    """Billing notes 30 and 31: one tax per rate, and before_taxes plus taxes is the rounded total."""
    periods = stays("2026-03-02T09:00", parts)  # type: ignore[arg-type]  # a kind of period
    total = written(of, periods, NEW)["total_cost"]
    assert isinstance(total, dict)
    assert {tax.get("percentage"): tax["amount"] for tax in total["taxes"]} == taxes


_PARTS = st.lists(
    st.tuples(st.integers(1, 400), st.decimals("0", "40", places=3).map(str), st.sampled_from([CHARGING, PARKED])),
    min_size=1,
    max_size=5,
)


@given(st.sampled_from([MIXED, GRACED, LOCKED, LIMITED, GROSS]), _PARTS, st.sampled_from([None, *OcpiVersion]))
def test_any_session_in_any_version_has_the_same_total(
    of: Tariff, parts: list[tuple[int, str, object]], version: OcpiVersion | None
) -> None:
    """Written, read by a stranger and priced again: the same money, and the written totals add up."""
    periods = stays("2026-03-28T23:10", *parts)  # type: ignore[arg-type]  # kinds of periods
    ours = priced_of(of, periods)
    try:
        document = written(of, periods, version)
    except CannotExport:
        assert version is OLD  # only 2.1.1 has no limits
        assert ours.adjustments
        return
    found = read(document)
    assert abs(found.priced.total.excl_vat - ours.total.excl_vat) <= CENT
    claim = found.cdr.claims["total_cost"]
    assert abs(Fraction(claim.excl_vat) - ours.total.excl_vat) <= CENT / 2
    if version is not OLD:
        assert ours.total.incl_vat is not None
        assert claim.incl_vat is not None
        assert abs(Fraction(claim.incl_vat) - ours.total.incl_vat) <= CENT / 2
