"""The operations view in a real browser: incidents, EVSEs by state, busiest hours, uptime, power, and bad days."""

import threading

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.web.fake_api import KEY, FakeApi
from tests.web.fake_operations import NOW, incident, text

pytestmark = pytest.mark.browser
THIN = "\u202f"


def open_view(page: Page, url: str) -> None:
    """Open the operations view by its address, sign in, and wait until it is live."""
    page.goto(f"{url}/#operations")
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator("#incidents-note")).not_to_contain_text("Loading")


def row(page: Page, number: int) -> Locator:
    """Find the row of an incident."""
    return page.locator(f'#incidents > li[data-key="{number}"]')


def order(page: Page) -> list[str]:
    """Read the ids of the rows, from the top."""
    keys: list[str] = page.locator("#incidents > li").evaluate_all("all => all.map(one => one.dataset.key)")
    return keys


def announced(page: Page) -> Locator:
    """Find what is said to screen readers."""
    return page.locator("#announcer")


def test_incidents_stand_the_worst_first_and_then_the_oldest(page: Page, url: str) -> None:
    """Counters, order, place, age, who has it, cost and the MREC chip; an unknown cost never looks like none."""
    open_view(page, url)
    expect(page.locator("#incidents > li")).to_have_count(4)
    assert order(page) == ["1", "4", "2", "3"]
    assert page.locator("#severities li").all_text_contents() == ["1Critical", "2Major", "1Minor", "0Info"]
    expect(page.locator("#incidents-sum")).to_have_text("4 incidents, the worst first; 3 not acknowledged")
    first = row(page, 1).locator(".incident-head")
    expect(first.locator(".severity")).to_have_text("Critical")
    expect(first.locator(".severity use")).to_have_attribute("href", "#i-critical")
    expect(first.locator(".incident-since")).to_have_text(f"30{THIN}minsince 18:00")
    expect(first.locator(".incident-cost")).to_have_text(f"€24.3441.25{THIN}kWh lost so far")
    expect(row(page, 4).locator(".incident-state")).to_have_text("AssignedMara Lind, came back 1×")
    expect(row(page, 2).locator(".incident-what .side-text")).to_have_text("Mill Lane, DE*VWY*E0007, EVSE 2 MREC CX009")
    expect(row(page, 3).locator(".incident-cost")).to_have_text("–cost not known yet")


def test_one_click_acknowledges_before_the_server_has_answered(page: Page, url: str, api: FakeApi) -> None:
    """The row says so at once, the focus stays in the row, and the answer is what remains."""
    api.slow = threading.Event()
    open_view(page, url)
    button = page.get_by_role("button", name="Acknowledge: 20 stations of Harbour Square")
    button.focus()
    button.press("Enter")
    expect(row(page, 1).locator(".incident-state .main-text")).to_have_text("Acknowledged")
    expect(button).to_be_hidden()
    expect(row(page, 1).locator(".title")).to_be_focused()
    assert api.operations.incidents[1]["state"] == "open"
    api.publish("incident", api.operations.incidents[1] | {"lost_kwh": "50", "updated_at": text(NOW)})
    expect(row(page, 1).locator(".incident-cost")).to_contain_text(f"50.00{THIN}kWh")
    expect(row(page, 1).locator(".incident-state .main-text")).to_have_text("Acknowledged")
    api.slow.set()
    page.clock.run_for(11_000)
    expect(announced(page)).to_have_text("Acknowledged: 20 stations of Harbour Square are offline: uplink or power")
    assert api.asked["acknowledge"] == 1
    assert api.operations.incidents[1]["state"] == "acknowledged"
    expect(page.locator("#incidents-sum")).to_contain_text("2 not acknowledged")


def test_a_refused_acknowledgement_is_taken_back_with_the_reason(page: Page, url: str, api: FakeApi) -> None:
    """Nothing passes for acknowledged that is not; the button is there again, and works."""
    api.failing.add("acknowledge")
    open_view(page, url)
    button = row(page, 1).get_by_role("button", name="Acknowledge")
    button.click()
    why = row(page, 1).get_by_role("alert").first
    expect(why).to_contain_text("Not acknowledged: the database is away (request ")
    expect(row(page, 1).locator(".incident-state .main-text")).to_have_text("Open")
    api.failing.clear()
    button.click()
    expect(row(page, 1).locator(".incident-state .main-text")).to_have_text("Acknowledged")
    expect(why).to_be_hidden()


def test_a_key_that_may_only_read_sees_why_it_cannot_acknowledge(page: Page, url: str, api: FakeApi) -> None:
    """The button is off and described by a sentence that stands on the page; so are the comment's parts."""
    api.operations.scopes = ["read"]
    open_view(page, url)
    button = row(page, 1).get_by_role("button", name="Acknowledge")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(
        "This key may only read. Acknowledging and commenting need a key with the scope “write”."
    )
    row(page, 1).locator(".title").click()
    expect(row(page, 1).get_by_label("Comment")).to_be_disabled()


def test_an_open_row_tells_what_is_seen_and_done_and_takes_a_comment(page: Page, url: str, api: FakeApi) -> None:
    """Symptoms with their ages, the timeline in order, and a comment that is kept where it cannot be saved."""
    open_view(page, url)
    row(page, 2).get_by_role("button", name="EVSE 2 of DE*VWY*E0007 is faulted: GroundFailure", exact=True).click()
    expect(row(page, 2).locator(".symptoms li")).to_have_text(f"it said Faulted (DE*VWY*E0007, EVSE 2)for 53{THIN}min")
    expect(row(page, 2).locator(".entries li")).to_have_text("17:37Opened: raised by its rulerules")
    field = row(page, 2).get_by_label("Comment")
    row(page, 2).get_by_role("button", name="Add comment").click()
    expect(row(page, 2).locator(".comment .problem")).to_have_text("Write a comment first.")
    api.failing.add("comments")
    field.fill("Fitter <b>called</b>")
    row(page, 2).get_by_role("button", name="Add comment").click()
    expect(row(page, 2).locator(".comment .problem")).to_contain_text("not saved: the database is away")
    expect(field).to_have_value("Fitter <b>called</b>")
    api.failing.clear()
    row(page, 2).get_by_role("button", name="Add comment").click()
    expect(row(page, 2).locator(".entries li").last).to_contain_text("Commented: Fitter <b>called</b>Control room")
    expect(field).to_have_value("")


def test_a_timeline_that_fails_is_said_in_its_row(page: Page, url: str, api: FakeApi) -> None:
    """The list stays, and opening the row again asks again."""
    api.failing.add("incidents/1")
    open_view(page, url)
    title = row(page, 1).locator(".title")
    title.click()
    expect(row(page, 1).locator(".detail-note")).to_contain_text("Its timeline could not be loaded")
    api.failing.clear()
    title.click()
    title.click()
    expect(row(page, 1).locator(".entries li")).to_have_count(1)


def test_incidents_come_and_go_with_the_feed_and_are_summed_up_aloud(page: Page, url: str, api: FakeApi) -> None:
    """New ones take their place in the order, those that are over leave, one sentence in ten seconds tells of all."""
    open_view(page, url)
    expect(page.locator("#incidents > li")).to_have_count(4)
    api.publish("incident", incident(5, id=5, title="Lake is dark", began_at=text(NOW)))
    expect(row(page, 5)).to_be_visible()
    assert order(page) == ["1", "5", "4", "2", "3"]
    expect(page.locator("#tab-count")).to_have_text("5")
    expect(announced(page)).to_have_text("1 new incident. Open now: 5.")
    api.publish("incident", incident(6, id=6))
    api.publish("incident", incident(2, state="remedied", updated_at=text(NOW)))
    api.publish("incident", incident(3, state="resolved", updated_at=text(NOW)))
    expect(page.locator("#incidents > li")).to_have_count(4)
    expect(announced(page)).to_have_text("1 new incident. Open now: 5.")
    page.clock.run_for(11_000)
    expect(announced(page)).to_have_text("1 new incident, 2 are over. Open now: 4.")


def test_an_older_word_about_an_incident_changes_nothing(page: Page, url: str, api: FakeApi) -> None:
    """Replayed events do not bring back what was."""
    open_view(page, url)
    api.publish("incident", incident(4, title="newer", updated_at=text(NOW)))
    api.publish("incident", incident(4, title="older"))
    api.publish("incident", incident(1, title="last"))
    expect(row(page, 1).locator(".title")).to_have_text("last")
    expect(row(page, 4).locator(".title")).to_have_text("newer")


def test_nobody_loses_a_comment_because_the_incident_ended(page: Page, url: str, api: FakeApi) -> None:
    """A row that is open stays, says that it is over, counts no more, and goes when it is closed."""
    open_view(page, url)
    row(page, 1).locator(".title").click()
    row(page, 1).get_by_label("Comment").fill("half a sent")
    api.publish("incident", incident(1, state="remedied", updated_at=text(NOW)))
    expect(row(page, 1).locator(".incident-state .main-text")).to_have_text("Remedied")
    expect(row(page, 1).get_by_label("Comment")).to_have_value("half a sent")
    expect(row(page, 1).get_by_label("Comment")).to_be_focused()
    expect(page.locator("#tab-count")).to_have_text("3")
    row(page, 1).locator(".title").press("Enter")
    expect(row(page, 1)).to_have_count(0)
    expect(page.locator("#incidents-title")).to_be_focused()


def test_resync_drops_incidents_that_ended_unseen(page: Page, url: str, api: FakeApi) -> None:
    """What the fresh list does not hold is over."""
    open_view(page, url)
    expect(page.locator("#incidents > li")).to_have_count(4)
    del api.operations.incidents[1]
    api.publish("resync", {})
    expect(page.locator("#incidents > li")).to_have_count(3)
    assert order(page) == ["4", "2", "3"]


def test_many_incidents_wait_behind_a_button(page: Page, url: str, api: FakeApi) -> None:
    """The worst twenty stand, all are counted."""
    api.operations.incidents = {number: incident(number) for number in range(1, 51)}
    open_view(page, url)
    expect(page.locator("#incidents > li")).to_have_count(20)
    expect(page.locator("#tab-count")).to_have_text("50")
    page.get_by_role("button", name="Show all 50 incidents").click()
    expect(page.locator("#incidents > li")).to_have_count(50)


def test_evses_by_state_open_into_the_evidence_and_its_age(page: Page, url: str, api: FakeApi) -> None:
    """Each state has its shape, word and count; a click says on what it rests and how old that is; counts renew."""
    open_view(page, url)
    expect(page.locator("#evses-sum")).to_have_text("368 EVSEs")
    tiles = page.locator("#evse-states button")
    shapes = tiles.locator("use").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert len(set(shapes)) == len(shapes) == 11
    assert page.evaluate("names => names.every(name => document.querySelector(name))", shapes)
    offline = page.get_by_role("button", name="21 Offline")
    offline.click()
    expect(offline).to_have_attribute("aria-expanded", "true")
    lines = page.get_by_role("list", name="Offline: what says so").locator("li")
    expect(lines.first).to_have_text(f"DE*VWY*E0000, EVSE 1its link closed, 14{THIN}min agono location, so since 18:16")
    assert api.operations.queries[-1] == ("monitoring/evses", {"state": "offline", "limit": "50"})
    api.operations.states["offline"], api.operations.evses = 1, api.operations.evses[:1]
    page.clock.run_for(16_000)
    expect(page.get_by_role("button", name="1 Offline", exact=True)).to_be_visible()
    expect(lines).to_have_count(1)
    page.get_by_role("button", name="1 Offline", exact=True).click()
    expect(page.locator("#evses")).to_be_hidden()


def test_a_state_without_evses_and_a_list_that_is_longer_say_so(page: Page, url: str, api: FakeApi) -> None:
    """An empty state is explained, and a cut list names what is missing."""
    api.operations.has_more_evses = True
    open_view(page, url)
    page.get_by_role("button", name="21 Offline").click()
    expect(page.locator("#evses-more")).to_have_text("These are the first 3; the others are in the API.")
    api.operations.evses, api.operations.has_more_evses = [], False
    page.get_by_role("button", name="0 Unknown").click()
    expect(page.locator("#evses-note")).to_contain_text("No EVSE is in the state “unknown” now")


def test_the_busiest_hours_are_a_sentence_a_picture_and_a_table(page: Page, url: str, api: FakeApi) -> None:
    """The picture's name is the sentence; the table holds each share; another site can be chosen."""
    open_view(page, url)
    words = f"Fri 16–19 are the busiest hours: 71{THIN}% occupied. Local hours (Europe/Berlin), last four weeks."
    expect(page.locator("#busy-summary")).to_have_text(words)
    expect(page.get_by_role("img", name=words)).to_be_visible()
    expect(page.locator("#heatmap rect.cell")).to_have_count(7 * 24 - 4)
    expect(page.locator("#heatmap path.cell-none")).to_have_count(4)
    page.locator("#busy-figure summary").click()
    cells = page.locator("#heatmap-rows tr").nth(17).locator("th, td").all_text_contents()
    assert cells[0] == "17"
    assert cells[5] == f"72{THIN}%"
    assert page.locator("#heatmap-rows tr").first.locator("td").last.text_content() == "–"
    assert page.locator("#busy-periods li").all_text_contents() == [
        f"Harbour Square: Fri 16–19, 92{THIN}% occupied", f"Mill Lane: Mon–Thu 07–09, 83{THIN}% occupied",
    ]  # fmt: skip
    api.operations.hours = [[0.0] * 24 for _ in range(7)]
    page.get_by_label("Site", exact=True).select_option("Northern Station")
    expect(page.locator("#busy-note")).to_contain_text("No EVSE of this site was occupied in the last four weeks")
    assert api.operations.queries[-1] == ("usage/heatmap", {"location": "NORTH"})


def test_uptime_names_its_law_and_the_ports_below_their_goal(page: Page, url: str, api: FakeApi) -> None:
    """The network's figure is that of the minutes in service, excluded outage given back, and is rounded down."""
    open_view(page, url)
    expect(page.locator("#uptime-value")).to_have_text(f"99.63{THIN}%")
    expect(page.locator("#uptime-law")).to_contain_text("By NEVI, 23 CFR 680.116(b): the network, 40 ports in service")
    expect(page.locator("#uptime-goal")).to_have_text(
        f"2 ports are below the goal of more than 97{THIN}% over twelve months."
    )
    assert page.locator("#uptime-worst li").first.text_content() == f"DE*VWY*E0000, EVSE 187.95{THIN}%"
    query = next(query for path, query in api.operations.queries if path == "uptime")
    assert query == {"law": "nevi", "month": "2026-03", "limit": "1000"}


def test_power_by_site_follows_the_feed(page: Page, url: str, api: FakeApi) -> None:
    """Deltas change what they name, a site without power leaves, and the order is that of the power."""
    open_view(page, url)
    sites = page.locator("#sites li")
    expect(sites.first).to_have_text(f"Harbour Square912.4{THIN}kW")
    api.publish(
        "power", {"as_of": text(NOW), "network_w": 1_000_000.0, "sites": {"HARBOUR": 0.0, "BREWERY": 700_000.0}}
    )
    expect(sites.first).to_have_text(f"Old Brewery700.0{THIN}kW")
    expect(sites).to_have_count(3)
    expect(page.locator("#sites-sum")).to_have_text(f"1.00{THIN}MW in the network at 3 sites")


def test_a_quiet_network_says_that_nothing_is_wrong(page: Page, url: str, api: FakeApi) -> None:
    """Every part has words for nothing, and none of them looks like trouble."""
    nothing = api.operations
    nothing.incidents, nothing.states, nothing.locations, nothing.demand, nothing.ports = {}, {}, [], [], []
    nothing.power = {"as_of": text(NOW), "network_w": 0.0, "sites": {}}
    open_view(page, url)
    expect(page.locator("#incidents-note")).to_contain_text("Nothing is wrong: no open incident")
    expect(page.locator("#evse-states-note")).to_contain_text("No EVSE yet")
    expect(page.locator("#busy-note")).to_contain_text("No site yet")
    expect(page.locator("#uptime-note")).to_contain_text("No uptime yet this month")
    expect(page.locator("#sites-note")).to_contain_text("No site delivers power now")
    expect(page.locator("#tab-count")).to_be_hidden()
    expect(page.locator("#view-operations .note-problem")).to_have_count(0)


def test_each_part_fails_alone_and_can_be_tried_again(page: Page, url: str, api: FakeApi) -> None:
    """Five failures are five sentences with a way on, and one click mends them all."""
    parts = {"incidents", "monitoring/states", "usage/demand", "uptime", "monitoring/power"}
    api.failing |= parts
    open_view(page, url)
    problems = page.locator("#view-operations .note-problem")
    expect(problems).to_have_count(5)
    expect(page.locator("#incidents-note")).to_contain_text("The incidents could not be loaded")
    expect(page.locator("#incidents-note")).not_to_contain_text("Nothing is wrong")
    api.failing.clear()
    problems.last.get_by_role("button", name="Try again").click()
    expect(problems).to_have_count(0)
    expect(page.locator("#incidents > li")).to_have_count(4)
    expect(page.locator("#uptime-value")).to_be_visible()


def test_the_view_is_asked_for_only_when_it_is_shown(page: Page, url: str, api: FakeApi) -> None:
    """The live view costs the server one list of incidents; slow figures are not asked for at each change of view."""
    page.goto(url)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#tab-count")).to_have_text("4")
    assert {path for path, _ in api.operations.queries} == {"incidents"}
    page.get_by_role("tab", name="Operations").click()
    expect(page.locator("#uptime-value")).to_be_visible()
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("tab", name="Operations").click()
    expect(page.locator("#heatmap svg")).to_be_visible()
    assert api.asked["uptime"] == 1
    assert api.asked["usage/heatmap"] == 1
    with page.expect_response("**/api/v1/usage/heatmap*"):
        page.clock.fast_forward(16 * 60_000)
    assert api.asked["uptime"] == 2


def test_a_session_that_ends_in_the_middle_of_a_click_leads_to_the_key(page: Page, url: str, api: FakeApi) -> None:
    """Acknowledging without a session asks for the key and claims nothing."""
    open_view(page, url)
    api.is_expired = True
    row(page, 1).get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#login-why")).to_have_text("Your session has ended. Please sign in again.")
    assert api.operations.incidents[1]["state"] == "open"
