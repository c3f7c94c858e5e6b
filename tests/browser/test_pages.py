"""What holds of every page: it fits, says what it is, reaches out to nobody and works by keyboard."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from served_app import App

from skin.ui.shell import NOTICE, TABS, Tab

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desktop", "phone"])
def screen(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as wide as a desktop in light mode, or as a phone in dark mode: whether it fits depends on no colour."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=width == 390, color_scheme=scheme)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.key)
def test_a_page_fits_the_screen_and_has_no_fault(app: App, screen: Page, tab: Tab) -> None:
    faults: list[str] = []
    screen.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    screen.on("pageerror", lambda error: faults.append(str(error)))
    outside: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).hostname not in (None, "", "127.0.0.1"):
            outside.append(request.url)

    screen.on("request", note)
    screen.goto(f"{app.url}?tab={tab.key}")
    expect(screen.get_by_role("tab", selected=True).first).to_have_text(tab.title)
    expect(screen.get_by_role("note").first).to_have_text(NOTICE)
    screen.wait_for_timeout(2000)

    assert screen.evaluate(OVERFLOW) <= 0
    assert faults == []
    assert outside == []


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


def test_every_picture_has_a_text(app: App, page: Page) -> None:
    page.goto(f"{app.url}?tab=predict")
    page.wait_for_timeout(3000)

    assert page.locator("main img:not([alt]), main img[alt='']").count() == 0


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
