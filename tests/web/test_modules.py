"""The page's modules one by one, run in the browser that they are written for."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
THIN = "\u202f"
Call = Callable[..., object]


@pytest.fixture
def call(page: Page, url: str) -> Call:
    """Call an exported function of a module, or a method of the formatters for Berlin and the euro."""
    page.goto(url)

    def run(module: str, name: str, *arguments: object) -> object:
        return page.evaluate(
            """async ([module, name, args]) => {
              const all = await import(`/static/${module}.js`);
              const words = { locale: "en-GB", timeZone: "Europe/Berlin", currency: "EUR" };
              return (all[name] ?? all.makeFormat(words)[name])(...args);
            }""",
            [module, name, list(arguments)],
        )

    return run


WRITTEN: list[tuple[str, list[object], str]] = [
    ("power", [850], f"850{THIN}W"),
    ("power", [1500], f"1.5{THIN}kW"),
    ("power", [2_345_678], f"2.35{THIN}MW"),
    ("power", [-2000], f"-2.0{THIN}kW"),
    ("power", [None], "–"),
    ("powerKw", [0], f"0.0{THIN}kW"),
    ("powerKw", [None], "–"),
    ("energy", ["12.3456789"], f"12.35{THIN}kWh"),
    ("energy", ["123456789012345678.123456", 6], f"123,456,789,012,345,678.123456{THIN}kWh"),
    ("money", ["0.1"], "€0.10"),
    ("money", ["1234567890123456.78"], "€1,234,567,890,123,456.78"),
    ("money", ["500", "JPY"], "JP¥500"),
    ("money", [None], "–"),
    ("priceKwh", ["0.3999"], "€0.3999/kWh"),
    ("time", ["2026-07-01T12:00:00Z"], "14:00"),
    ("time", ["2026-01-01T23:00:00Z"], "00:00"),
    ("timeSeconds", ["not a time"], "–"),
    ("dayTime", ["2026-03-02T21:00:00Z", "2026-03-02T17:30:00Z"], "22:00"),
    ("dayTime", ["2026-03-03T05:00:00Z", "2026-03-02T17:30:00Z"], "Tue 3 Mar, 06:00"),
    ("duration", [59], f"under 1{THIN}min"),
    ("duration", [3900], f"1{THIN}h 05{THIN}min"),
    ("duration", [None], "–"),
    ("codeWords", ["register_reset"], "Register reset"),
    ("chargingWords", [None], "Running"),
    ("chargingWords", ["suspended_evse"], "Paused by the station"),
]


def test_numbers_and_instants_are_written_for_people(call: Call) -> None:
    """Units always stand beside numbers, amounts keep all their digits, what is missing is a dash."""
    shown = {(name, str(arguments)): call("format", name, *arguments) for name, arguments, _ in WRITTEN}
    assert shown == {(name, str(arguments)): text for name, arguments, text in WRITTEN}


def test_the_axis_ends_at_a_round_number(call: Call) -> None:
    """1, 2, 2.5 or 5 times a power of ten, never below the largest value."""
    ends = {0: 1000, 7: 10, 1000: 1000, 1001: 2000, 2400: 2500, 4_900_000: 5_000_000}
    assert {value: call("chart", "niceCeiling", value) for value in ends} == ends


def test_the_stream_is_read_the_same_however_it_is_cut(page: Page, url: str) -> None:
    """Events, ids, several data lines, comments and all three line ends survive any chunking."""
    page.goto(url)
    stream = (
        "retry: 2000\n\n: hello\n\nid: a-1\nevent: overview\ndata: {\ndata: }\n\ndata:old\r\r"
        "id:2\r\ndata:x\r\n\r\nevent: lonely\n\ndata\n\n"
    )
    answers = page.evaluate(
        """async ([stream, sizes]) => {
          const { makeParser } = await import("/static/live.js");
          return sizes.map((size) => {
            const seen = [];
            const parse = makeParser(({ id, name, data }) => seen.push([id, name, data]), () => seen.push("comment"));
            for (let at = 0; at < stream.length; at += size) parse(stream.slice(at, at + size));
            return seen;
          });
        }""",
        [stream, [1, 2, 3, 7, 1000]],
    )
    events = [["a-1", "overview", "{\n}"], [None, "message", "old"], ["2", "message", "x"], [None, "message", ""]]
    assert answers == [["comment", *events]] * 5
