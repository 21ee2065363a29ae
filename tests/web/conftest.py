"""A browser for one module, the fake API for one test, and a page that reports what a page must never do."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.web.fake_api import FakeApi, serving
from tests.web.fake_operations import NOW

CHROMIUM_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@dataclass(slots=True)
class Faults:
    """What a page did wrong: console errors and exceptions, and requests to another host."""

    messages: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Page, host: str) -> None:
        """Listen to a page; answers with an error status are the business of each test."""
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("request", lambda request: self._request(request.url, host))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.messages.append(text)

    def _request(self, url: str, host: str) -> None:
        if urlsplit(url).netloc != host:
            self.strangers.append(url)


# The browser ends with its module: Playwright's loop must not run while other modules use asyncio.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    path = shutil.which("chromium")
    assert path, "chromium is not installed: make test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def api() -> FakeApi:
    """The data behind the page; a test may change it before it opens the page."""
    return FakeApi()


@pytest.fixture
def url(api: FakeApi) -> Iterator[str]:
    """Where the page is served."""
    with serving(api) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile far away from the operator's time zone."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="America/New_York"
    )
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page that is not opened yet, whose clock begins at NOW; it must end without faults."""
    page = context.new_page()
    faults = Faults()
    faults.watch(page, urlsplit(url).netloc)
    page.clock.install(time=NOW)
    yield page
    assert faults.messages == []
    assert faults.strangers == []
