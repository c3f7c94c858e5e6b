"""A real app and a real browser to look at it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from served_app import App

from skin import jobs
from skin.run import Run
from skin.workspace import Workspace

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

expect.set_options(timeout=60_000)  # a busy machine is no failure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("there is no Chromium: install the system's package chromium"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps the scripts of the app, which a new one would load and compile anew."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """The page of a new visitor: nothing that an earlier one has chosen is remembered."""
    page = context.new_page()
    yield page
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear()")
    page.close()


@pytest.fixture(scope="module")
def shared_page(context: BrowserContext) -> Page:
    """The page of one visitor for all tests of a module that ask for it."""
    return context.new_page()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, shared_workspace: Workspace, trained_run: Run) -> Path:
    """A folder with the drawn data set and one finished run, `trained`."""
    home = tmp_path_factory.mktemp("browser") / "home"
    shutil.copytree(shared_workspace.datasets, Workspace(home).datasets)  # and nothing that other tests left there
    shutil.copytree(trained_run.folder, Workspace(home).runs / trained_run.name)
    return home


@pytest.fixture(scope="session")
def app(home: Path) -> Iterator[App]:
    app = App.start(home)
    yield app
    app.kill()
    for run, _ in jobs.living_runs(app.workspace):
        jobs.stop(run)


@pytest.fixture
def visit(app: App, page: Page) -> Callable[[str], Page]:
    """Opens the tab with this key."""

    def visit(tab: str) -> Page:
        page.goto(f"{app.url}?tab={tab}")
        return page

    return visit
