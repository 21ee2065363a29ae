"""The operations view for everybody: tabs by keyboard, names, small screens, large targets, and the strict policy."""

from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect
from tests.web.fake_api import KEY, FakeApi
from tests.web.test_accessibility import cut_off

pytestmark = pytest.mark.browser


def open_view(page: Page, url: str) -> None:
    """Open the operations view, sign in by keyboard alone, and wait for all of its parts."""
    page.goto(f"{url}/#operations")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    for part in ("#incidents > li", "#evse-states button", "#heatmap svg", "#uptime-value", "#sites li"):
        expect(page.locator(part).first).to_be_visible()


def test_the_tabs_follow_the_arrow_keys_and_the_address(page: Page, url: str) -> None:
    """One stop for Tab, arrows between the views, panels that are named by their tabs, and back goes back."""
    open_view(page, url)
    live, operations = page.get_by_role("tab", name="Live"), page.get_by_role("tab", name="Operations 4 open incidents")
    expect(operations).to_have_attribute("aria-selected", "true")
    expect(page).to_have_title("Voltway – operations")
    operations.focus()
    page.keyboard.press("ArrowRight")
    expect(live).to_be_focused()
    expect(live).to_have_attribute("tabindex", "0")
    expect(operations).to_have_attribute("tabindex", "-1")
    expect(page.get_by_role("tabpanel", name="Live")).to_be_visible()
    expect(page.locator("#view-operations")).to_be_hidden()
    assert page.url == f"{url}/"
    page.keyboard.press("End")
    expect(operations).to_be_focused()
    assert page.url == f"{url}/#operations"
    page.go_back()
    expect(page.get_by_role("tabpanel", name="Live")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tabpanel", name="Operations")).to_be_visible()
    page.reload()
    expect(page.locator("#incidents > li")).to_have_count(4)
    expect(page.get_by_role("tabpanel", name="Operations")).to_be_visible()


def test_the_skip_link_leads_to_the_incidents(page: Page, url: str) -> None:
    """It names where it leads in this view, and the view stays."""
    open_view(page, url)
    page.get_by_role("link", name="Skip to the open incidents").press("Enter")
    expect(page.locator("#incidents-title")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Operations")).to_be_visible()


def test_the_keyboard_reaches_everything_in_reading_order(page: Page, url: str) -> None:
    """From the tabs through each row's title and button and the comment to states, site and table, with a ring."""
    open_view(page, url)
    page.get_by_role("tab", name="Operations").focus()
    names = []
    for _ in range(7):
        page.keyboard.press("Tab")
        names.append(page.evaluate("() => document.activeElement.innerText.slice(0, 20)"))
        assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid", names
    assert names == [
        "Theme: auto", "Sign out", "20 stations of Harbo", "Acknowledge", "EVSE 1 of DE*VWY*E00",
        "EVSE 2 of DE*VWY*E00", "Acknowledge",
    ]  # fmt: skip
    title = page.locator("#incidents .title").first
    title.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#incidents .entries li").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Comment").first).to_be_focused()
    page.keyboard.type("seen")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#incidents .entries li").last).to_contain_text("Commented: seen")
    page.locator("#evse-states button").last.focus()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Site", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#busy-figure summary")).to_be_focused()


@pytest.mark.parametrize("width", [320, 390, 768, 1100, 1280])
def test_nothing_scrolls_sideways(page: Page, url: str, width: int, api: FakeApi) -> None:
    """Every width from 320 px shows an open row with its error, an open state and the open table without a bar."""
    api.failing |= {"acknowledge", "incidents/4"}
    api.operations.entries[1][0]["text"] = "V" * 120
    api.operations.incidents[2]["title"] = "W" * 90
    page.set_viewport_size({"width": width, "height": 800})
    open_view(page, url)
    page.get_by_role("button", name="Acknowledge").first.click()
    page.locator("#incidents .title").first.click()
    expect(page.locator("#incidents .entries li").first).to_be_visible()
    page.locator("#incidents .title").nth(1).click()
    expect(page.locator("#incidents .note-problem")).to_be_visible()
    page.get_by_role("button", name="21 Offline").click()
    expect(page.locator("#evses-list li")).to_have_count(3)
    page.locator("#busy-figure summary").click()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert cut_off(page) == []
    drawn = page.locator("#heatmap svg").bounding_box()
    assert drawn is not None
    assert drawn["width"] <= width
    cards = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.id || one.className)"
    assert page.locator(".card, .note, .incident-body, #view-operations li").evaluate_all(cards) == []


def test_everything_that_can_be_pressed_is_large_enough_and_has_a_name(page: Page, url: str) -> None:
    """At least 24 by 24 px (WCAG 2.5.8); no control, picture or list item that names are asked of is without one."""
    open_view(page, url)
    page.locator("#incidents .title").first.click()
    expect(page.get_by_label("Comment").first).to_be_visible()
    controls = page.locator("button:visible, summary:visible, select:visible, textarea:visible")
    sizes = controls.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    )
    assert min(sizes) >= 24
    nameless = controls.evaluate_all(
        "all => all.filter(one => !(one.getAttribute('aria-label') || one.innerText.trim() || one.labels?.length))"
        ".map(one => one.outerHTML)"
    )
    assert nameless == []
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    dangling = page.evaluate(
        "() => ['aria-controls', 'aria-labelledby', 'aria-describedby'].flatMap(name =>"
        " [...document.querySelectorAll(`[${name}]`)].flatMap(one => one.getAttribute(name).split(' ')))"
        ".filter(id => !document.getElementById(id))"
    )
    assert dangling == []


def test_headings_and_regions_have_names_and_levels(page: Page, url: str) -> None:
    """One h1, the parts under it, each incident under its part, and no level is left out."""
    open_view(page, url)
    regions = page.get_by_role("region").evaluate_all(
        "all => all.map(one => document.getElementById(one.getAttribute('aria-labelledby')).textContent)"
    )
    assert regions == ["Open incidents", "EVSEs by state", "Busiest hours", "Uptime this month", "Power by site"]
    levels = page.locator("main:visible").get_by_role("heading").evaluate_all("all => all.map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_severity_and_state_are_told_by_shape_and_word_not_by_colour_alone(page: Page, url: str) -> None:
    """Each severity has its own shape beside its word, in the counters as in the rows."""
    open_view(page, url)
    shapes = page.locator("#severities use").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert shapes == ["#i-critical", "#i-major", "#i-minor", "#i-info"]
    paths = page.evaluate("names => names.map(name => document.querySelector(name).innerHTML)", shapes)
    assert len(set(paths)) == 4
    words = page.locator("#incidents .severity").all_text_contents()
    assert words == ["Critical", "Major", "Major", "Minor"]


def test_the_view_is_clean_under_the_strict_policy(page: Page, url: str) -> None:
    """Bars, squares and rows that open break no rule of the content security policy."""
    page.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective));"
    )
    open_view(page, url)
    page.locator("#incidents .title").first.click()
    expect(page.locator("#incidents .entries li").first).to_be_visible()
    page.get_by_role("button", name="21 Offline").click()
    expect(page.locator("#evses-list li")).to_have_count(3)
    assert page.evaluate("() => window.violations") == []
