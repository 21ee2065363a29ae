"""The live page in a real browser: signing in, the picture, the feed, and what it says when things go wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.web.fake_api import KEY, FakeApi, cdr, changed, live_overview, session
from tests.web.fake_operations import NOW, text

pytestmark = pytest.mark.browser
THIN = "\u202f"


def sign_in(page: Page, url: str) -> None:
    """Open the page, sign in, and wait for the running sessions."""
    page.goto(url)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator("#power .value")).not_to_be_empty()


def row_of(page: Page, session_id: str) -> list[str]:
    """Read the main texts of one session's row."""
    return page.locator(f'#sessions-body tr[data-key="{session_id}"] .main-text').all_text_contents()


def test_a_wrong_key_is_refused_in_words_and_keeps_the_focus(page: Page, url: str) -> None:
    """The error is linked to the field, and the field is where the person goes on."""
    page.goto(url)
    field = page.get_by_label("API key")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#login-error")).to_have_text("Enter an API key.")
    field.fill("vw_wrong")
    field.press("Enter")
    expect(page.locator("#login-error")).to_have_text("This key is not known here, or it has expired.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


def test_signing_in_lasts_over_a_reload_until_signing_out(page: Page, url: str, context: BrowserContext) -> None:
    """The key is asked once, lives in an HttpOnly cookie only, and nothing stays behind after signing out."""
    sign_in(page, url)
    stored = page.evaluate("() => JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
    assert stored == "{}"
    assert [cookie["httpOnly"] for cookie in context.cookies()] == [True]
    page.reload()
    expect(page.locator("#sessions-body tr")).to_have_count(8)
    expect(page.locator("#operator")).to_have_text("Stadtwerke Beispiel")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    expect(page.locator("#sessions-body tr")).to_have_count(0)
    assert context.cookies() == []


def test_a_used_login_link_is_explained_once(page: Page, url: str) -> None:
    """The server answers a spent one-time link with /?login=expired; the page says so and cleans the address."""
    page.goto(f"{url}/?login=expired")
    expect(page.locator("#login-why")).to_contain_text("That link has been used or has expired.")
    assert page.url == f"{url}/"


def test_the_picture_shows_every_figure_with_its_unit_in_the_operators_time_zone(page: Page, url: str) -> None:
    """Decimals come through exactly; times are Berlin's although the browser is in New York."""
    sign_in(page, url)
    expect(page.locator("#power")).to_have_text(f"1.84{THIN}MW")
    expect(page.locator("#as-of")).to_have_text("as of 18:30:00")
    expect(page.locator("#zone")).to_contain_text("Europe/Berlin")
    figures = page.locator("#figures .value").all_text_contents()
    assert figures == ["8", f"14,382{THIN}kWh", "€7,411.08", "€0.59/kWh"]
    cheaper = f"city-day-night, plus 19{THIN}% VAT; next cheaper: €0.39/kWh from 22:00 (in 3{THIN}h 30{THIN}min)"
    assert page.locator("#figures .sub").last.text_content() == cheaper
    assert page.locator("#stations-tiles li").all_text_contents() == [
        "112Available", "68Charging", "4Faulted", "7Offline", "5Unavailable", "3Pending", "1Unknown",
    ]  # fmt: skip
    assert page.locator("#stations-tiles svg use").count() == 7
    expect(page.locator("#chart svg path.line")).to_have_count(1)
    label = page.locator("#chart svg").get_attribute("aria-label") or ""
    assert label.startswith("Power of the last 15 minutes: between")


def test_a_session_shows_energy_power_cost_and_what_another_hour_costs(page: Page, url: str) -> None:
    """A missing price is said and never looks like zero; an anomaly opens into its sentence."""
    sign_in(page, url)
    assert row_of(page, "s-001") == [
        "Mill Lane", "Charging", f"18{THIN}min", f"26.9{THIN}kW", f"7.12{THIN}kWh", "€4.88", "€25.00",
    ]  # fmt: skip
    assert row_of(page, "s-003")[5:] == ["No price", "–"]
    assert row_of(page, "s-004")[1] == "Car takes no power"
    badge = page.locator('tr[data-key="s-002"] details.badge')
    badge.locator("summary").click()
    expect(badge.locator("p")).to_have_text(
        "The register went back by 1.204 kWh; the energy before it is kept. Since 18:26."
    )


def test_a_bill_explains_itself_line_by_line(page: Page, url: str) -> None:
    """Lines, the minimum price and the total are rows of a real table whose cells add up."""
    sign_in(page, url)
    bill = page.locator("details.bill").first
    expect(bill.locator("summary")).to_contain_text("€14.43")
    bill.locator("summary").click()
    rows = [" | ".join(row.locator("th, td").all_text_contents()) for row in bill.get_by_role("row").all()]
    assert rows == [
        "What | Quantity | Price | Excl. VAT | Incl. VAT",
        f"Energy from 17:41 to 18:25 | 21.482{THIN}kWh | €0.49/kWh + 19{THIN}% VAT | €10.5262 | €12.5262",
        f"Idle after the car was full | 0.183333{THIN}h | €6.00/h + 19{THIN}% VAT | €1.10 | €1.309",
        "Minimum price |  |  | €0.50 | €0.595",
        "Total |  |  | €12.1262 | €14.4302",
    ]


def test_live_events_reach_the_page(page: Page, url: str, api: FakeApi) -> None:
    """Overview, a new and a changed session, an end, a bill and a station all arrive without a request."""
    sign_in(page, url)
    before = api.asked.copy()
    api.publish("overview", live_overview(2_200_000.0, after_s=5))
    api.publish("session", changed(session(1), energy_kwh="9.999", power_w=50_000.0))
    api.publish("session", changed(session(20), started_at=text(NOW)))
    api.publish("session", changed(session(0), state="ended"))
    api.publish("cdr", changed(cdr(0), id="c-new", ended_at=text(NOW + timedelta(seconds=4))))
    api.publish("station", {"id": "DE*VWY*E0100", "state": "available", "connected": True, "power_w": 0})
    api.publish("station", {"id": "DE*VWY*E0100", "state": "faulted", "connected": True, "power_w": 0})
    expect(page.locator("#power")).to_have_text(f"2.20{THIN}MW")
    assert row_of(page, "s-001")[3:5] == [f"50.0{THIN}kW", f"10.00{THIN}kWh"]
    keys = page.locator("#sessions-body tr").evaluate_all("rows => rows.map(row => row.dataset.key)")
    assert keys[:2] == ["s-020", "s-001"]
    assert "s-000" not in keys
    expect(page.locator("#bills > li").first).to_have_attribute("data-key", "c-new")
    expect(page.locator("#changes li")).to_have_count(1)
    expect(page.locator("#changes li")).to_contain_text("DE*VWY*E0100faulted")
    assert api.asked == before


def test_an_update_disturbs_neither_focus_nor_open_details(page: Page, url: str, api: FakeApi) -> None:
    """Rows change in place, and no live region speaks of meter ticks."""
    sign_in(page, url)
    summary = page.locator("details.bill summary").nth(1)
    summary.focus()
    summary.press("Enter")
    api.publish("cdr", changed(cdr(0), id="c-new", ended_at=text(NOW + timedelta(seconds=4))))
    api.publish("session", changed(session(1), energy_kwh="12.5"))
    expect(page.locator("#bills > li")).to_have_count(4)
    expect(page.locator("details.bill").nth(2)).to_have_attribute("open", "")
    expect(page.locator("details.bill summary").nth(2)).to_be_focused()
    assert set(page.locator("[role=status], [role=alert]").all_inner_texts()) == {""}


def test_silence_of_35_seconds_greys_the_page_until_the_feed_speaks_again(page: Page, url: str, api: FakeApi) -> None:
    """Old values never pass for live ones; the return of the feed fetches the whole picture anew."""
    sign_in(page, url)
    api.failing.add("live")
    page.clock.fast_forward(30_000)
    expect(page.locator("#lost-banner")).to_be_hidden()
    page.clock.fast_forward(6_000)
    expect(page.get_by_role("alert").filter(has_text="Live updates lost.")).to_contain_text("Nothing came since 18:30:")
    assert page.locator("#live").evaluate("main => getComputedStyle(main).filter") == "grayscale(1)"
    expect(page.locator("#link-text")).to_have_text("Not live")
    # The page tries again by itself too: with its clock at rest it is the click that helps.
    page.clock.pause_at(datetime.fromtimestamp(page.evaluate("() => Date.now() / 1000 + 1"), UTC))
    again = page.get_by_role("button", name="Try again now")
    with page.expect_response("**/api/v1/live"):
        again.click()
    expect(page.locator("#lost-banner")).to_be_visible()
    api.failing.clear()
    api.overview["power_w"] = 900_000.0
    again.click()
    page.clock.resume()
    expect(page.locator("#lost-banner")).to_be_hidden()
    expect(page.locator("#power")).to_have_text(f"900.0{THIN}kW")
    expect(page.locator("#announcer")).to_have_text("Live updates are back.")


def test_while_the_feed_is_lost_the_page_asks_every_30_seconds(page: Page, url: str, api: FakeApi) -> None:
    """Without a stream the values still come, marked as not live."""
    sign_in(page, url)
    api.failing.add("live")
    api.drop_streams()
    expect(page.locator("#link-text")).to_have_text("Reconnecting…")
    page.clock.fast_forward(36_000)
    expect(page.locator("#lost-banner")).to_be_visible()
    api.overview["power_w"] = 700_000.0
    page.clock.fast_forward(31_000)
    expect(page.locator("#power")).to_have_text(f"700.0{THIN}kW")
    expect(page.locator("#lost-banner")).to_be_visible()


def test_heartbeats_alone_keep_the_page_live(page: Page, url: str, api: FakeApi) -> None:
    """A quiet network is not a lost one."""
    sign_in(page, url)
    for _ in range(3):
        page.clock.fast_forward(15_000)
        api.beat()
        api.publish("overview", live_overview(1.0, after_s=0))
        expect(page.locator("#power")).to_have_text(f"1{THIN}W")
        api.publish("overview", live_overview(2.0, after_s=0))
        expect(page.locator("#power")).to_have_text(f"2{THIN}W")
    expect(page.locator("#link-text")).to_have_text("Live")


def test_a_short_break_resumes_where_it_stopped(page: Page, url: str, api: FakeApi) -> None:
    """The page reconnects by itself with the last id and does not fetch the picture again."""
    sign_in(page, url)
    api.publish("overview", live_overview(5_000.0, after_s=1))
    expect(page.locator("#power")).to_have_text(f"5.0{THIN}kW")
    asked = api.asked["overview"]
    api.drop_streams()
    expect(page.locator("#link-text")).to_have_text("Reconnecting…")
    page.clock.fast_forward(3_000)
    expect(page.locator("#link-text")).to_have_text("Live")
    assert api.resumed_from == [None, "t-1"]
    assert api.asked["overview"] == asked


def test_resync_fetches_everything_again(page: Page, url: str, api: FakeApi) -> None:
    """A gap that the server names is closed by a fresh picture."""
    sign_in(page, url)
    api.sessions = [session(40)]
    api.publish("resync", {})
    expect(page.locator("#sessions-body tr")).to_have_count(1)
    assert row_of(page, "s-040")[0] == "Market Hall"


def test_an_expired_session_leads_back_to_the_key_with_a_reason(page: Page, url: str, api: FakeApi) -> None:
    """Whoever is signed out in the middle learns why."""
    sign_in(page, url)
    api.is_expired = True
    api.publish("resync", {})
    expect(page.locator("#login-why")).to_have_text("Your session has ended. Please sign in again.")
    expect(page.locator("#live")).to_be_hidden()


def test_one_part_that_fails_leaves_the_others_and_can_be_tried_again(page: Page, url: str, api: FakeApi) -> None:
    """The sentence carries the request id that support asks for."""
    api.failing.add("cdrs")
    sign_in(page, url)
    note = page.locator("#bills-note .note-problem")
    expect(note).to_contain_text("The bills could not be loaded")
    expect(note).to_contain_text("the database is away (request ")
    expect(page.locator("#sessions-body tr")).to_have_count(8)
    api.failing.clear()
    note.get_by_role("button", name="Try again").click()
    expect(page.locator("#bills > li")).to_have_count(3)
    expect(note).to_have_count(0)


def test_a_server_in_trouble_is_said_and_tried_again(page: Page, url: str, api: FakeApi) -> None:
    """Not knowing who is asking is an error page with a way on, not a login form."""
    api.failing.add("me")
    page.goto(url)
    expect(page.locator("#broken-text")).to_contain_text("the database is away (request ")
    api.failing.clear()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("API key")).to_be_focused()


def test_an_empty_network_says_what_will_appear(page: Page, url: str, api: FakeApi) -> None:
    """Nothing to show is explained; no tariff and no revenue are not zero."""
    api.sessions, api.cdrs = [], []
    api.overview |= {"power_w": None, "power_history": [], "tariff": None, "revenue_today": None}
    sign_in(page, url)
    expect(page.locator("#sessions-note")).to_contain_text("No car is charging now")
    expect(page.locator("#bills-note")).to_contain_text("No bill yet")
    expect(page.locator("#power .value")).to_have_text("–")
    assert page.locator("#figures .value").all_text_contents()[2:] == ["–", "–"]
    expect(page.locator("#chart")).to_have_text("The line begins with the next values.")


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (
            {"next_cheaper": None, "next_dearer": {"at": "2026-03-03T05:00:00Z", "price_kwh": "0.59"}},
            f"the cheapest hours, until Tue 3 Mar, 06:00 (in 11{THIN}h 30{THIN}min)",
        ),
        ({"next_cheaper": None, "next_dearer": None, "vat": None}, "the same at all hours"),
    ],
)
def test_the_cheapest_hours_say_until_when(
    page: Page, url: str, api: FakeApi, ahead: dict[str, object], words: str
) -> None:
    """While the price is at its lowest the page names its end; a price that never changes says so."""
    api.overview["tariff"] |= ahead
    sign_in(page, url)
    terms = "without VAT" if "vat" in ahead else f"plus 19{THIN}% VAT"
    assert page.locator("#figures .sub").last.text_content() == f"city-day-night, {terms}; {words}"


def test_many_sessions_are_all_counted_and_shown_on_demand(page: Page, url: str, api: FakeApi) -> None:
    """The cursor is followed; the first dozen stands, the rest waits behind a button."""
    api.sessions = [session(number) for number in range(130)]
    sign_in(page, url)
    expect(page.locator("#sessions-sum")).to_have_text("130 sessions, newest first; 1 with a remark")
    expect(page.locator("#sessions-body tr")).to_have_count(12)
    page.get_by_role("button", name="Show all 130 sessions").click()
    expect(page.locator("#sessions-body tr")).to_have_count(130)


def test_texts_of_stations_stay_texts(page: Page, url: str, api: FakeApi) -> None:
    """A name with markup is shown, never run."""
    name = '<img src="/x" onerror="document.title=1">'
    api.sessions = [changed(session(0), location_name=name, charging_state="<b>odd</b>")]
    sign_in(page, url)
    assert row_of(page, "s-000")[:2] == [name, "<b>odd</b>"]
