"""The linter's lenient reading: the parser's where a document is sound, and what is left where it is not."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tariffs import generated_documents as generated

from voltway.tariffs.lint import lint_tariff
from voltway.tariffs.lint_outline import WindowOutline, outline
from voltway.tariffs.model import OcpiVersion, Restrictions
from voltway.tariffs.ocpi import dumps, loads, parse_tariff

DOCUMENTS = generated.VERSIONS.flatmap(lambda version: generated.tariffs(version).map(lambda made: (version, made)))


@given(DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_a_sound_document_is_read_as_the_parser_reads_it(made: tuple[OcpiVersion, dict[str, object]]) -> None:
    """Element by element: components, clock windows, reservations and the validity."""
    version, document = made
    tariff, read = parse_tariff(document, ocpi_version=version), outline(document, {})
    assert (read.begins, read.ends) == (tariff.start_date_time, tariff.end_date_time)
    assert len(read.elements) == len(tariff.elements)
    for mine, parsed in zip(read.elements, tariff.elements, strict=True):
        r = parsed.restrictions or Restrictions()
        assert mine.is_reservation is (r.reservation is not None)
        window = mine.window or WindowOutline("", None, None, None, None, ())
        assert (window.start_time, window.end_time) == (r.start_time, r.end_time)
        assert (window.start_date, window.end_date) == (r.start_date, r.end_date)
        assert window.weekdays == tuple(sorted(set(r.day_of_week)))
        assert [(part.dimension, part.price, part.has_vat) for part in mine.components] == [
            (part.dimension, part.price, part.vat is not None) for part in parsed.components
        ]


@given(DOCUMENTS, st.sampled_from([None, "Europe/Berlin"]))
@settings(max_examples=150, deadline=None)
def test_a_sound_document_has_no_fault_and_stays_as_it_is(
    made: tuple[OcpiVersion, dict[str, object]], time_zone: str | None
) -> None:
    """What `parse_tariff` takes has no error without a rule set, and linting changes nothing in it."""
    version, document = made
    before = dumps(document)
    report = lint_tariff(document, ocpi_version=version, time_zone=time_zone)
    assert report.ok
    assert dumps(document) == before
    assert report == lint_tariff(loads(before), ocpi_version=version, time_zone=time_zone)


def test_what_cannot_be_read_is_none() -> None:
    """The rest of the component, the element and the tariff is there all the same."""
    read = outline(
        {
            "type": 7,
            "start_date_time": "yesterday",
            "elements": [
                "x",
                {
                    "price_components": [
                        {"type": "KWH", "price": "1", "step_size": -1, "vat": "x"},
                        3,
                        {"type": "TIME"},
                    ],
                    "restrictions": {"start_time": "24:00", "end_time": "06:00", "day_of_week": ["MON", "SUNDAY"]},
                },
                {"price_components": 3, "restrictions": []},
            ],
        },
        {"idle": {"exempt": [{"start_date": "2026-02-30", "end_date": "2026-03-01"}]}},
    )
    assert (read.tariff_type, read.begins) == (None, None)
    first, second = read.elements
    assert (first.index, second.index) == (1, 2)
    assert [part.pointer for part in read.components()] == [
        "/elements/1/price_components/0",
        "/elements/1/price_components/2",
    ]
    assert [(part.dimension, part.price, part.has_vat, part.step_size) for part in first.components] == [
        (None, None, True, None),
        ("TIME", None, False, None),
    ]
    assert first.window == WindowOutline("/elements/1/restrictions", None, time(6), None, None, (6,))
    assert second.window is None
    assert read.windows()[1:] == [WindowOutline("/extension/idle/exempt/0", None, None, None, date(2026, 3, 1), ())]


@pytest.mark.parametrize(
    ("start", "end", "wraps"),
    [
        ("22:00", "06:00", True),
        ("22:00", "00:00", False),
        ("06:00", "22:00", False),
        ("06:00", "06:00", False),
        ("22:00", None, False),
        (None, "06:00", False),
    ],
)
def test_a_window_over_midnight(start: str | None, end: str | None, wraps: object) -> None:
    """Billing note 15: 00:00 as an end is the end of its own day."""
    clocks = [time.fromisoformat(text) if text is not None else None for text in (start, end)]
    assert WindowOutline("", clocks[0], clocks[1], None, None, ()).wraps is wraps


@pytest.mark.parametrize(
    ("price", "priced"), [("0", False), ("0.00", False), ("0.01", True), ("-1", True), (None, False)]
)
def test_what_costs_something(price: str | None, priced: object) -> None:
    """Zero and unreadable prices cost nothing."""
    component = {"type": "TIME", "step_size": 1, "price": Decimal(price) if price is not None else None}
    (read,) = outline({"elements": [{"price_components": [component]}]}, {}).components()
    assert read.is_priced is priced
