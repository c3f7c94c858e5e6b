"""What holds of every page: it fits, says what it is, reaches out to nobody and works by keyboard."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from served_app import App

from skin.ui.shell import NOTICE, TABS, Tab

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
UNNAMED = "main img:not([alt]), main img[alt='']"


@dataclass
class Screen:
    """A page, and what went wrong on it."""

    page: Page
    faults: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    """Addresses of other machines that it asked for something."""

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in (None, "", "127.0.0.1"):
            self.outside.append(request.url)


SCREENS = {"desktop": (1440, "light"), "phone": (390, "dark")}
"""Width and mode: whether a page fits depends on no colour."""


@pytest.fixture(scope="module", params=SCREENS)
def screen(browser: Browser, app: App, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """The app on a screen of this size, opened once."""
    width, scheme = SCREENS[request.param]
    context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=width == 390, color_scheme=scheme)
    context.set_default_timeout(60_000)
    screen = Screen(context.new_page())
    screen.page.goto(app.url)
    screen.page.wait_for_function("window.followedLink")
    yield screen
    context.close()


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.key)
def test_a_page_fits_the_screen_and_has_no_fault(screen: Screen, tab: Tab) -> None:
    page = screen.page
    choose(page, tab)
    expect(page.get_by_role("tab", selected=True).first).to_have_text(tab.title)
    expect(page.get_by_role("note").first).to_have_text(NOTICE)
    page.wait_for_timeout(2000)

    assert page.evaluate(OVERFLOW) <= 0
    assert page.locator(UNNAMED).count() == 0
    assert screen.faults == []
    assert screen.outside == []


def choose(page: Page, tab: Tab) -> None:
    page.get_by_role("tab", name=tab.title, exact=True).click()


def test_tabs_are_worked_by_keyboard_and_kept_in_the_address(app: App, page: Page) -> None:
    page.goto(app.url)
    page.wait_for_function("window.followedLink")
    tab = page.get_by_role("tab", name="Training", exact=True)
    tab.focus()
    page.keyboard.press("Enter")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("tab=training"))

    page.reload()
    expect(page.get_by_role("tab", name="Training", exact=True)).to_have_attribute("aria-selected", "true")


def test_who_only_looks_sees_runs_but_nothing_to_change_them(app: App, page: Page) -> None:
    visitor = App.start(app.home, "--read-only")
    try:
        page.goto(f"{visitor.url}?tab=training&run=trained")
        expect(page.locator("#card")).to_contain_text("trained")
        expect(page.get_by_text("read-only", exact=True)).to_be_visible()
        for button in ("Start training", "Stop", "Resume", "Rename", "Delete …"):
            expect(page.get_by_role("button", name=button, exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name="Report", exact=True)).to_be_enabled()
    finally:
        visitor.kill()
