"""The Dataset tab on real widgets."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from served_app import App

Visit = Callable[[str], Page]


@pytest.fixture(scope="module")
def opened(app: App, shared_page: Page) -> Page:
    """The tab with the demo data, which nobody has to open: each test resets the filters that it sets."""
    shared_page.goto(f"{app.url}?tab=dataset")
    expect(shared_page.locator(".synthetic")).to_be_visible()
    return shared_page


def show(page: Page, section: str) -> None:
    page.get_by_role("tab", name=section, exact=True).click()


def choose(page: Page, filter_name: str, option: str) -> None:
    page.get_by_label(filter_name, exact=True).click()
    page.get_by_role("option", name=option).click()
    page.keyboard.press("Escape")


def test_every_section_shows_the_filtered_images(visit: Visit) -> None:
    page = visit("dataset")
    expect(page.locator(".synthetic")).to_be_visible()
    show(page, "Predict")
    show(page, "Many images")
    show(page, "Dataset")
    expect(page.locator(".js-plotly-plot")).to_have_count(4)

    choose(page, "Diagnosis", "mel Melanoma")
    expect(page.locator(".facts").filter(has_text="classes")).to_contain_text("1 of 7")
    expect(page.locator(".counts").first).to_contain_text("100.0%")

    show(page, "Images")
    expect(page.get_by_role("img", name="Melanoma (synthetic)").first).to_be_visible()
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_text("Images 25 to")).to_be_visible()

    page.get_by_role("img", name="Melanoma (synthetic)").first.click()
    page.get_by_role("button", name="Predict the selected image").click()
    expect(page.get_by_text("Show the true diagnosis of this example")).to_be_visible()
    expect(page.get_by_label("Age (years)")).not_to_have_value("")
    page.get_by_text("Show the true diagnosis of this example").click()
    expect(page.locator(".truth")).to_contain_text("Melanoma (DEMO_")

    show(page, "Dataset")
    show(page, "Classes")
    expect(page.get_by_role("row", name="mel Melanoma")).to_contain_text("100.0%")
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.get_by_role("row", name="mel Melanoma")).not_to_contain_text("100.0%")


def test_filters_that_fit_nothing_say_what_to_do(opened: Page) -> None:
    opened.get_by_label("Unknown age").uncheck()
    opened.get_by_label("number input for Age from").fill("119")
    opened.keyboard.press("Tab")

    expect(opened.get_by_text("No image fits these filters")).to_be_visible()
    opened.get_by_label("number input for Age to").fill("10")
    opened.keyboard.press("Tab")
    expect(opened.get_by_text("No age lies between 119 and 10")).to_be_visible()

    opened.get_by_role("button", name="Reset", exact=True).click()
    expect(opened.locator(".counts").first).to_be_visible()


def test_the_table_is_searched_and_downloaded(opened: Page, tmp_path: Path) -> None:
    show(opened, "Table")
    opened.get_by_label("Search").fill("melanoma")
    expect(opened.get_by_text("found, all shown")).to_be_visible()

    with opened.expect_download() as download:
        opened.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "images.csv")
    assert set(pd.read_csv(tmp_path / "images.csv")["diagnosis"]) == {"mel"}


def test_the_leak_is_seen(opened: Page) -> None:
    show(opened, "Splits")

    expect(opened.get_by_text("test images shows a lesion of the training part")).to_be_visible()
    expect(opened.get_by_text("show a lesion of the training part")).to_be_visible()


COVERED_TITLES = """() => [...document.querySelectorAll(".js-plotly-plot")].filter((plot) => plot.checkVisibility()).filter((plot) => {
    const [bar, title] = [".modebar", ".gtitle"].map((part) => plot.querySelector(part).getBoundingClientRect());
    return bar.left < title.right && title.left < bar.right && bar.top < title.bottom && title.top < bar.bottom;
}).length"""


def test_the_buttons_of_a_figure_never_lie_over_its_title(opened: Page) -> None:
    show(opened, "Figures")
    expect(opened.locator(".js-plotly-plot:visible .gtitle")).to_have_count(4)
    for width in (900, 390, 1440):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.locator(".js-plotly-plot:visible").first.hover()

        assert opened.evaluate(COVERED_TITLES) == 0


def test_a_folder_that_is_none_is_refused_and_the_page_goes_on(opened: Page) -> None:
    opened.get_by_label("A folder").check()
    opened.get_by_label("Path of the folder").fill("/no/such/folder")
    opened.keyboard.press("Enter")

    expect(opened.get_by_role("alert").filter(has_text="neither a data set nor a folder")).to_be_visible()
    expect(opened.locator(".synthetic")).to_be_visible()


@pytest.fixture
def fresh_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An app that nobody opened a data set in, on a machine without Kaggle's download."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    app = App.start(tmp_path / "home")
    yield app
    app.kill()


@pytest.mark.exhaustive
@pytest.mark.ham10000
def test_a_folder_opened_here_gives_other_tabs_the_pictures_of_the_shipped_runs(fresh_app: App, page: Page) -> None:
    mistakes = f"{fresh_app.url}?tab=performance&run=ham10000-image"
    page.goto(mistakes)
    expect(page.get_by_text("The pictures are not on this machine")).to_be_visible()

    page.goto(f"{fresh_app.url}?tab=dataset")
    page.get_by_label("A folder").check()
    page.get_by_label("Path of the folder").fill(os.environ["HAM10000_DIR"])
    page.keyboard.press("Enter")
    expect(page.locator(".facts").filter(has_text="images")).to_contain_text("10,015", timeout=180_000)

    fresh_app.kill()
    fresh_app.restart()  # the folder is remembered in the home, not in the process
    page.goto(mistakes)
    expect(page.locator(".pictures:visible img").first).to_be_visible()
    expect(page.get_by_text("The pictures are not on this machine")).to_be_hidden()
    page.goto(f"{fresh_app.url}?tab=comparison")
    expect(page.locator(".pictures:visible img").first).to_be_visible()
