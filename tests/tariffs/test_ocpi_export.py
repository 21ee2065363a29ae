"""Tariffs in the words of another OCPI version: the same price there, or a reason why there is none."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, CHARGING, PARKED, RESERVED, stays
from tests.tariffs.generated_documents import VERSIONS, tariffs

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.engine import price
from voltway.tariffs.model import Dimension, IdleRule, OcpiVersion, Restrictions, Tariff
from voltway.tariffs.ocpi import CannotExport, dumps, exported, loads, parse_tariff, unknown_keys

OLD, MIDDLE, NEW = OcpiVersion.V2_1_1, OcpiVersion.V2_2_1, OcpiVersion.V2_3_0
HEAD = '"country_code":"DE","party_id":"ALL","id":"T","currency":"EUR",'

NET = parse_tariff(
    loads(
        "{"
        + HEAD
        + '"type":"REGULAR","min_price":{"excl_vat":1,"incl_vat":1.19},"max_price":{"excl_vat":50},"elements":['
        '{"price_components":[{"type":"ENERGY","price":0.39,"vat":19,"step_size":1,"x":1}]}],"colour":"blue",'
        '"last_updated":"2026-01-01T00:00:00Z"}'
    )
)
GROSS = parse_tariff(
    loads(
        "{" + HEAD + '"tax_included":"YES","max_price":{"before_taxes":50,"after_taxes":60},"preauthorize_amount":80,'
        '"elements":[{"price_components":[{"type":"ENERGY","price":0.4641,"vat":19,"step_size":1},'
        '{"type":"FLAT","price":1},{"type":"TIME","price":2,"vat":0,"step_size":60}]}]}'
    )
)
UNTAXED = parse_tariff(
    loads(
        "{" + HEAD + '"tax_included":"N/A","elements":[{"price_components":['
        '{"type":"ENERGY","price":0.5,"vat":19,"step_size":1}]}]}'
    )
)
PLAIN = parse_tariff(
    loads(
        '{"id":"T","currency":"EUR","elements":[{"price_components":[{"type":"TIME","price":2.00,"step_size":300}],'
        '"restrictions":{"day_of_week":["MONDAY"]}}],"last_updated":"2015-06-29T20:39:09Z"}'
    )
)


@pytest.mark.parametrize(
    ("tariff", "version", "written"),
    [
        pytest.param(
            NET,
            NEW,
            '{"country_code":"DE","party_id":"ALL","id":"T","currency":"EUR","type":"REGULAR","tax_included":"NO","min_price":{"before_taxes":1,"after_taxes":1.19},'
            '"max_price":{"before_taxes":50},"elements":[{"price_components":[{"type":"ENERGY","price":0.39,"vat":19,'
            '"step_size":1,"x":1}]}],"colour":"blue",'
            '"last_updated":"2026-01-01T00:00:00Z"}',
            id="2.2.1 to 2.3.0: PriceLimit and tax_included",
        ),
        pytest.param(
            GROSS,
            MIDDLE,
            "{" + HEAD + '"max_price":{"excl_vat":50,"incl_vat":60},"elements":[{"price_components":['
            '{"type":"ENERGY","price":0.39,"vat":19,"step_size":1},{"type":"FLAT","price":1,"step_size":0},'
            '{"type":"TIME","price":2,"vat":0,"step_size":60}]}]}',
            id="2.3.0 with tax to 2.2.1: net prices, no preauthorize_amount (billing note 31)",
        ),
        pytest.param(
            UNTAXED,
            MIDDLE,
            "{" + HEAD + '"elements":[{"price_components":[{"type":"ENERGY","price":0.5,"step_size":1}]}]}',
            id="2.3.0 N/A to 2.2.1: no VAT",
        ),
        pytest.param(
            UNTAXED,
            OLD,
            '{"id":"T","currency":"EUR","elements":[{"price_components":[{"type":"ENERGY","price":0.5,"step_size":1}]}]}',
            id="2.3.0 N/A to 2.1.1",
        ),
        pytest.param(
            PLAIN,
            MIDDLE,
            '{"country_code":"NL","party_id":"TNM","id":"T","currency":"EUR","elements":[{"price_components":['
            '{"type":"TIME","price":2.00,"step_size":300}],"restrictions":{"day_of_week":["MONDAY"]}}],'
            '"last_updated":"2015-06-29T20:39:09Z"}',
            id="2.1.1 to 2.2.1 needs a party",
        ),
    ],
)
def test_a_tariff_in_another_version(tariff: Tariff, version: OcpiVersion, written: str) -> None:
    """Golden documents: every key is one of that version or of nobody's, and the price is the same."""
    document = exported(tariff, version, country_code="NL", party_id="TNM")
    assert dumps(document) == written
    assert set(unknown_keys(document, version)) <= {"/colour", "/elements/0/price_components/0/x"}


@pytest.mark.parametrize("tariff", [NET, GROSS, UNTAXED, PLAIN])
def test_a_tariff_in_its_own_version_is_its_document(tariff: Tariff) -> None:
    """Nothing is rewritten where nothing has to be."""
    assert tariff.document is not None
    assert dumps(exported(tariff, tariff.ocpi_version)) == dumps(tariff.document)


def _with(base: Tariff = PLAIN, **changes: object) -> Tariff:
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of the table


_PARKING = replace(PLAIN.elements[0].components[0], dimension=Dimension.PARKING_TIME)
_PARKED = replace(PLAIN.elements[0], components=(_PARKING,), restrictions=None)
_FREE = replace(_PARKED, components=(replace(_PARKING, price=Decimal(0)),))
_RESERVED = loads(
    "{" + HEAD + '"elements":[{"price_components":[{"type":"TIME","price":1,"step_size":1}],'
    '"restrictions":{"reservation":"RESERVATION","min_current":1,"max_current":2}}],'
    '"start_date_time":"2026-01-01T00:00:00Z","end_date_time":"2027-01-01T00:00:00Z"}'
)


@pytest.mark.parametrize(
    ("tariff", "version", "pointers"),
    [
        pytest.param(_with(elements=(_PARKED,), idle=IdleRule(60)), OLD, ["/extension/idle"], id="grace"),
        pytest.param(_with(elements=(_PARKED,), idle=IdleRule(0, Decimal(5))), OLD, ["/extension/idle"], id="cap"),
        pytest.param(
            _with(elements=(_PARKED,), idle=IdleRule(exempt=(Restrictions(),))), OLD, ["/extension/idle"], id="exempt"
        ),
        pytest.param(_with(price_lock=True), OLD, ["/extension/price_lock"], id="a locked weekday"),
        pytest.param(PLAIN, MIDDLE, ["/country_code", "/party_id"], id="nobody's tariff"),
        pytest.param(
            NET,
            OLD,
            ["/min_price", "/max_price", "/elements/0/price_components/0/vat"],
            id="2.1.1 has no limits and no VAT",
        ),
        pytest.param(
            parse_tariff(_RESERVED),
            OLD,
            [
                *("/start_date_time", "/end_date_time"),
                *(f"/elements/0/restrictions/{key}" for key in ("min_current", "max_current", "reservation")),
            ],
            id="2.1.1 has no validity, currents and reservations",
        ),
        pytest.param(
            parse_tariff(loads(dumps(GROSS.document).replace("0.4641", "0.39"))),
            MIDDLE,
            ["/elements/0/price_components/0/price"],
            id="0.39 with 19 % is no decimal number without it",
        ),
        pytest.param(
            parse_tariff(loads(dumps(GROSS.document)), ocpi_version=MIDDLE), MIDDLE, [], id="2.3.0's keys in 2.2.1"
        ),
    ],
)
def test_what_a_version_cannot_say_has_a_reason(tariff: Tariff, version: OcpiVersion, pointers: list[str]) -> None:
    """Issue 4, §1: export only when a round trip gives the same price."""
    if not pointers:
        assert dumps(exported(tariff, version)["elements"]).count('"price":0.39,') == 1
        return
    with pytest.raises(CannotExport) as caught:
        exported(tariff, version)
    assert [fault.pointer for fault in caught.value.faults] == pointers
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.code == "cannot_export"


@pytest.mark.parametrize(
    "tariff",
    [
        pytest.param(_with(elements=(_PARKED,), idle=IdleRule()), id="a rule that says nothing"),
        pytest.param(_with(elements=(_FREE,), idle=IdleRule(60)), id="idle time is free anyway"),
        pytest.param(_with(idle=IdleRule(60)), id="idle time is not priced"),
        pytest.param(_with(elements=(_PARKED, _FREE), price_lock=True), id="nothing hangs on the clock"),
    ],
)
def test_an_extension_that_changes_no_price_does_not_stop_the_export(tariff: Tariff) -> None:
    """Grace needs idle prices to matter, a price lock needs clocks."""
    assert exported(tariff, OLD)["id"] == "T"


def test_net_only_leaves_vat_and_validity_to_others() -> None:
    """A CDR of 2.1.1 is without VAT, and its tariff is chosen already."""
    tariff = parse_tariff(loads(dumps(GROSS.document).replace('"max_price"', '"x_price"')))
    assert dumps(exported(replace(tariff, start_date_time=None), OLD, net_only=True)) == (
        '{"id":"T","currency":"EUR","elements":[{"price_components":[{"type":"ENERGY","price":0.39,"step_size":1},'
        '{"type":"FLAT","price":1,"step_size":0},{"type":"TIME","price":2,"step_size":60}]}],'
        '"x_price":{"before_taxes":50,"after_taxes":60}}'
    )


_STAYS = st.lists(
    st.tuples(
        st.integers(1, 600), st.decimals("0", "40", places=3).map(str), st.sampled_from([CHARGING, PARKED, RESERVED])
    ),
    min_size=1,
    max_size=4,
)


@given(st.data(), VERSIONS, VERSIONS, _STAYS)
def test_what_is_exported_bills_the_same(
    data: st.DataObject, own: OcpiVersion, other: OcpiVersion, parts: list[tuple[int, str, object]]
) -> None:
    """Whatever comes out of `exported` gives every session the price that it has with us."""
    tariff = parse_tariff(data.draw(tariffs(own)), ocpi_version=own)
    try:
        document = exported(tariff, other, country_code="DE", party_id="ALL")
    except CannotExport as error:
        assert error.faults  # noqa: PT017  # a reason is what this branch promises
        return
    read = parse_tariff(loads(dumps(document)), ocpi_version=other)
    periods = stays("2026-03-28T20:00", *parts)  # type: ignore[arg-type]  # kinds of periods
    ours, theirs = (price(one, periods, time_zone=BERLIN).total for one in (tariff, read))
    assert theirs.excl_vat == ours.excl_vat
    assert theirs.incl_vat is None or ours.incl_vat is None or theirs.incl_vat == ours.incl_vat
