"""What everybody can use: contrast of the colours, small screens, the keyboard, still pages, and a strict policy."""

import re
from itertools import product

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.fake_api import KEY, FakeApi, session

from voltway.httpapi.pages import STATIC

pytestmark = pytest.mark.browser

# WCAG 2.2: 1.4.3 wants 4.5:1 for text, 1.4.11 wants 3:1 for controls, states and the focus ring.
TEXT = [
    ("ink", "page"), ("ink", "card"), ("ink", "card-deep"), ("ink-muted", "page"), ("ink-muted", "card"),
    ("ink-muted", "card-deep"), ("accent", "card"), ("accent", "card-deep"), ("on-accent", "accent"),
    ("danger", "card"), ("danger", "card-deep"), ("warn-ink", "warn-card"), ("alert-ink", "alert-card"),
    ("bar-ink", "bar"), ("bar-muted", "bar"),
]  # fmt: skip
STATES = [
    "available", "charging", "faulted", "offline", "unavailable", "pending", "unknown", "preparing", "suspended",
    "finishing", "reserved",
]  # fmt: skip
SEVERITIES = ["critical", "major", "minor", "info"]
GRAPHICS = [
    ("control", "card"), ("control", "page"), ("focus", "card"), ("focus", "page"), ("spark", "bar"),
    *((f"state-{state}", "card-deep") for state in STATES), *((f"severity-{name}", "card-deep") for name in SEVERITIES),
    ("accent", "edge"),
]  # fmt: skip
# The words of "Latest changes" are written in the colour of the state, those of an incident in that of its severity.
STATE_TEXT = [(f"state-{state}", "card") for state in STATES] + [(f"severity-{name}", "card") for name in SEVERITIES]


def tokens(theme: int) -> dict[str, str]:
    """Read the colour tokens of app.css for light (0) or dark (1)."""
    css = (STATIC / "app.css").read_text()
    pairs = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", css)
    both = {name: values[theme] for name, *values in pairs}
    return both | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


def contrast(one: str, other: str) -> float:
    """Compute the contrast ratio of two colours. Source: WCAG 2.2, relative luminance."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_pair_of_tokens_has_the_contrast_that_its_use_needs(theme: int) -> None:
    """Text has 4.5:1, graphics have 3:1, in both themes."""
    colour = tokens(theme)
    wanted = [*product(TEXT + STATE_TEXT, [4.5]), *product(GRAPHICS, [3.0])]
    weak = {
        f"{front} on {back}": round(contrast(colour[front], colour[back]), 2)
        for (front, back), ratio in wanted
        if contrast(colour[front], colour[back]) < ratio
    }
    assert weak == {}


def test_the_contrast_formula_agrees_with_known_values() -> None:
    """Black on white is 21:1, and #767676 is the lightest grey that passes on white."""
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0
    assert contrast("#767676", "#ffffff") >= 4.5 > contrast("#777777", "#ffffff")


def sign_in(page: Page, url: str) -> None:
    """Open the page, sign in by keyboard alone, and wait for the running sessions."""
    page.goto(url)
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#sessions-body tr").first).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_scrolls_sideways(page: Page, url: str, width: int) -> None:
    """Every width from 320 px shows the page, an open bill and an open remark without a horizontal scroll bar."""
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(url)
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    sign_in(page, url)
    page.locator("details.bill summary").first.click()
    page.locator("details.badge summary").first.click()
    page.locator(".chart-table summary").first.click()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert cut_off(page) == []


def test_on_a_phone_rows_are_cards_that_remain_a_table(page: Page, url: str) -> None:
    """The roles survive the layout, and each value carries its label."""
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, url)
    table = page.get_by_role("table", name="Running sessions")
    assert table.get_by_role("row").count() == 9
    assert table.get_by_role("row").nth(1).get_by_role("cell").count() == 6
    label = "cell => getComputedStyle(cell, '::before').content"
    assert page.locator("#sessions-body tr:first-child td.num").first.evaluate(label) == '"Duration"'


def test_the_keyboard_reaches_everything_in_reading_order(page: Page, url: str, api: FakeApi) -> None:
    """Tab goes from the skip link through the header to remarks, sessions and bills, always with a visible ring."""
    api.sessions = [session(number) for number in range(14)]
    sign_in(page, url)
    page.reload()
    expect(page.get_by_role("button", name="Show all 14 sessions")).to_be_visible()
    names = []
    for _ in range(10):
        page.keyboard.press("Tab")
        names.append(page.evaluate("() => document.activeElement.innerText.split('\\n')[0]"))
        assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid", names
    assert names == [
        "Skip to the running sessions", "Live", "Theme: auto", "Sign out", "Show as a table", "Register reset",
        "Show all 14 sessions", "Lake Park + Ride", "Market Hall", "Old Brewery",
    ]  # fmt: skip


def test_the_skip_link_leads_to_the_sessions(page: Page, url: str) -> None:
    """Who does not want the head of the page jumps over it."""
    sign_in(page, url)
    page.get_by_role("link", name="Skip to the running sessions").press("Enter")
    expect(page.locator("#sessions-title")).to_be_focused()


def test_targets_are_large_enough(page: Page, url: str) -> None:
    """Everything that can be pressed is at least 24 by 24 px (WCAG 2.5.8)."""
    sign_in(page, url)
    sizes = page.locator("button:visible, summary:visible").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    )
    assert min(sizes) >= 24


def test_headings_landmarks_and_tables_have_names(page: Page, url: str) -> None:
    """A screen reader finds one h1, the sections under it and the head cells of each column."""
    sign_in(page, url)
    assert page.locator("main:visible").count() == 1
    headings = page.locator("main:visible").get_by_role("heading").all_text_contents()
    assert headings == [
        "The charging network now", "Power of the network", "Stations", "Latest changes", "Running sessions",
        "Last bills",
    ]  # fmt: skip
    regions = page.get_by_role("region").evaluate_all(
        "all => all.map(one => document.getElementById(one.getAttribute('aria-labelledby')).textContent)"
    )
    assert regions == ["Power of the network", "Stations", "Running sessions", "Last bills"]
    assert page.locator("#sessions thead th:not([scope=col])").count() == 0


def test_who_wants_no_motion_gets_none(browser: Browser, url: str) -> None:
    """prefers-reduced-motion stops every animation."""
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        sign_in(page, url)
        assert page.evaluate("() => document.getAnimations().length") == 0


def test_the_theme_can_be_chosen_and_is_kept(page: Page, url: str) -> None:
    """Auto follows the system; a choice overrules it, also after a reload."""
    background = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(238, 242, 238)", "rgb(12, 19, 17)"
    page.emulate_media(color_scheme="dark")
    page.goto(url)
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(background) == light
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(background) == light


def test_the_page_is_clean_under_its_strict_policy(page: Page, url: str) -> None:
    """default-src 'self' is sent, nothing violates it, and inline code would be stopped."""
    page.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective));"
    )
    answer = page.goto(url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    sign_in(page, url)
    page.locator("details.bill summary").first.click()
    assert page.evaluate("() => window.violations") == []


def test_no_file_of_the_page_is_inline_remote_or_long() -> None:
    """No inline code or style, no address of another host, and no module over 300 lines."""
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    for file in STATIC.iterdir():
        source = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in source, file.name
        assert "https://" not in source, file.name
        assert len(source.splitlines()) <= 300, file.name


def cut_off(page: Page) -> list[str]:
    """Name the elements that stick out to the right of the window."""
    names: list[str] = page.evaluate(
        "() => [...document.querySelectorAll('main:not([hidden]) *')]"
        ".filter(one => !one.closest('thead, .unseen, svg') && one.getBoundingClientRect().right > innerWidth + 1)"
        ".map(one => one.tagName + '.' + one.className)"
    )
    return names
