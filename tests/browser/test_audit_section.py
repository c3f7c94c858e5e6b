"""The audit of a run on the Performance tab, in the browser: opened, read, drawn; and the command where there is none."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from served_app import App

from skin.audit.audit import AUDITS, load_step
from skin.run import Run
from skin.workspace import Workspace


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, audited: Run) -> Iterator[App]:
    """The app with a run whose audit is whole, and one that has none."""
    home = tmp_path_factory.mktemp("audit") / "home"
    for name in ("audited", "unaudited"):
        shutil.copytree(audited.folder, Workspace(home).runs / name)
    shutil.rmtree(Run(Workspace(home).runs / "unaudited").audit_folder)
    app = App.start(home)
    yield app
    app.kill()


def opened(page: Page, app: App, run: str) -> Locator:
    """The section of the audit of this run, once it was opened."""
    page.goto(f"{app.url}?tab=performance&run={run}")
    heading = page.get_by_role("button", name=re.compile("^Audit: how far it can be trusted"))
    expect(heading).to_have_count(1)
    section = page.locator(".block", has=heading).last
    expect(section.get_by_text(AUDITS["scope"].title, exact=True)).to_be_hidden()
    heading.click()
    return section


def test_it_opens_and_every_step_has_its_words_and_figures(page: Page, app: App, audited: Run) -> None:
    section = opened(page, app, "audited")
    for name, step in AUDITS.items():
        expect(section.get_by_role("heading", name=step.title, exact=True)).to_be_visible()
        first, *_ = load_step(audited, name).sentences()
        expect(section.get_by_text(first, exact=True)).to_be_visible()
    expect(section.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(section.get_by_text("python -m skin audit")).to_have_count(0)
    expect(section).not_to_contain_text(re.compile(r"\bnan\b"))


def test_a_run_without_an_audit_says_which_command_adds_it(page: Page, app: App) -> None:
    section = opened(page, app, "unaudited")
    expect(section.get_by_text("python -m skin audit unaudited")).to_be_visible()
    expect(section.locator(".js-plotly-plot")).to_have_count(0)


def test_on_a_phone_nothing_is_wider_than_the_page(page: Page, app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    section = opened(page, app, "audited")
    expect(section.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
