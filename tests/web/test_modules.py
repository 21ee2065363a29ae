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
    ("percentDown", [99.996], f"99.99{THIN}%"),
    ("percentDown", ["97.000"], f"97{THIN}%"),
    ("percentDown", [None], "–"),
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


def test_the_busiest_hours_are_a_run_around_the_top(call: Call) -> None:
    """Hours near the highest belong to it, those of other days and lesser ones do not; an idle week has none."""
    week: list[list[float | None]] = [[None] * 24 for _ in range(7)]
    assert call("busy", "busiest", week) is None
    week[1][8], week[4][15:20] = 0.5, [0.3, 0.7, 0.75, 0.7, 0.2]
    found = call("busy", "busiest", week)
    assert isinstance(found, dict)
    assert (found["day"], found["begin"], found["end"]) == (4, 16, 19)
    assert round(found["share"], 4) == 0.7167
    week[6][22:24] = [1.0, 0.95]
    found = call("busy", "busiest", week)
    assert isinstance(found, dict)
    assert (found["day"], found["begin"], found["end"]) == (6, 22, 24)


def _port(station: str, minutes: str, outage: str, excluded: str, *, is_met: bool) -> dict[str, object]:
    month = {"month": "2026-03", "minutes": minutes, "outage_minutes": outage, "excluded_minutes": excluded}
    months = [month | {"minutes": "44640", "outage_minutes": "44640"}, month]
    return {"station_id": station, "evse_id": 1, "is_met": is_met, "months": months}


def test_this_months_uptime_weighs_ports_by_their_minutes(call: Call) -> None:
    """Only the last month counts, excluded outage is given back, a port that was not in service is none of them."""
    ports = [
        _port("A", "1000", "100", "50", is_met=True),
        _port("B", "3000", "350", "0", is_met=False),
        _port("C", "0", "0", "0", is_met=False),
    ]
    figures = call("uptime", "monthFigures", {"items": ports})
    assert isinstance(figures, dict)
    assert (figures["ports"], figures["percent"], figures["below"]) == (2, 90.0, 2)
    assert [port["station_id"] for port in figures["worst"]] == ["B", "A"]
    empty = call("uptime", "monthFigures", {"items": []})
    assert empty == {"ports": 0, "percent": None, "below": 0, "worst": []}


def test_addresses_lead_to_their_view(call: Call) -> None:
    """The targets of the skip links belong to a view too; what is not known is the live view."""
    views = {"": "live", "#operations": "operations", "#incidents-title": "operations", "#sessions-title": "live"}
    assert {hash_: call("views", "viewOf", hash_) for hash_ in views} == views


def test_deltas_of_power_that_overtake_the_whole_are_not_lost(page: Page, url: str) -> None:
    """What came while the whole was asked for goes on top of it where it is newer, and only there."""
    page.goto(url)
    sites = page.evaluate(
        """async () => {
          const { applyOperations, beginPower, blankOperations, setPower } =
            await import("/static/operations_store.js");
          const state = blankOperations();
          beginPower(state);
          applyOperations(state, "power", { as_of: "2026-03-02T17:30:01Z", sites: { A: 1 } });
          applyOperations(state, "power", { as_of: "2026-03-02T17:30:03Z", sites: { B: 3 } });
          setPower(state, { as_of: "2026-03-02T17:30:02Z", network_w: 9, sites: { A: 2, B: 2 } });
          applyOperations(state, "power", { as_of: "2026-03-02T17:30:04Z", network_w: 8, sites: { C: 4 } });
          return [state.power.sites, state.power.network_w];
        }"""
    )
    assert sites == [{"A": 2, "B": 3, "C": 4}, 8]
