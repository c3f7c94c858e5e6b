"""What axe-core finds on every tab, empty and full, in both modes: nothing serious that is the project's own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from served_app import App

from skin.data.dataset import Dataset
from skin.ui.shell import TABS, Tab

GRADIO_OWN = (".empty", ".search-input")
"""Selectors of Gradio 6.31's own findings: an empty component's label has no role, a table's search only a title."""


@pytest.fixture(scope="module")
def empty_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app without a run of the user's own."""
    app = App.start(tmp_path_factory.mktemp("empty"))
    yield app
    app.kill()


def ask(page: Page, picture: Path) -> None:
    """Predict with a patient, so that every part of an answer is there."""
    page.locator("input[type=file]").first.set_input_files(picture)
    page.get_by_label("Age (years)").fill("55")
    expect(page.locator(".answer")).to_be_visible()
    expect(page.locator(".js-plotly-plot:visible").first).to_be_visible()


def wait_for_figure(page: Page, picture: Path) -> None:  # noqa: ARG001 (stands in for `ask`)
    """Wait until what the tab opens with is drawn."""
    expect(page.locator(".js-plotly-plot:visible").first).to_be_visible()


FULL: dict[str, Callable[[Page, Path], None]] = {
    "predict": ask,
    "dataset": wait_for_figure,
    "training": wait_for_figure,
    "performance": wait_for_figure,
    "comparison": wait_for_figure,
}
"""What fills each tab, by its key."""


DARK, LIGHT = "document.body.classList.add('dark')", "document.body.classList.remove('dark')"
"""The scripts that do to a page what Gradio does where a browser prefers dark ones, and undo it."""

ALL_RULES: dict[str, Any] = {"resultTypes": ["violations"]}

CONTRAST = {**ALL_RULES, "runOnly": ["color-contrast"]}
"""The rule that the mode can break; the others heed no colour."""


def lasting_findings(page: Page) -> list[str]:
    """The findings that stay, of the light page and then of the dark one."""
    found = _lasting(page, ALL_RULES)
    page.evaluate(DARK)
    return found + _lasting(page, CONTRAST)


def _lasting(page: Page, options: dict[str, Any]) -> list[str]:
    """What is being drawn anew is faint for a moment."""
    for _ in range(20):
        found = findings(page, options)
        if not found:
            break
        page.wait_for_timeout(3000)
    return found


def findings(page: Page, options: dict[str, Any]) -> list[str]:
    """The serious and critical findings of the page as it stands, and headings out of order, each with its element."""
    response = Axe().run(page, {"exclude": [[selector] for selector in GRADIO_OWN]}, options).response
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in response["violations"]
        if found["impact"] in ("serious", "critical") or found["id"] == "heading-order"
        for node in found["nodes"]
    ]


@pytest.fixture(scope="module")
def full_page(app: App, shared_page: Page) -> Page:
    """A page in light mode, opened once."""
    shared_page.goto(f"{app.url}?__theme=light")
    shared_page.wait_for_function("window.followedLink")
    return shared_page


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.key)
def test_a_full_tab_has_no_serious_finding(full_page: Page, demo: Dataset, tab: Tab) -> None:
    full_page.evaluate(LIGHT)
    full_page.get_by_role("tab", name=tab.title, exact=True).click()
    FULL[tab.key](full_page, demo.images[0].path)
    assert lasting_findings(full_page) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("key", [tab.key for tab in TABS])
def test_an_empty_tab_has_no_serious_finding(empty_app: App, page: Page, key: str) -> None:
    page.goto(f"{empty_app.url}?tab={key}&__theme=light")
    page.wait_for_function("window.followedLink")
    page.wait_for_timeout(2000)
    assert lasting_findings(page) == []
