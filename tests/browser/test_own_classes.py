"""A data set with classes and fields of its own, in the page from opening it to a prediction."""

import re
from collections.abc import Iterator
from pathlib import Path

import drawn
import pytest
from playwright.sync_api import Page, expect
from served_app import App

from skin.run import get

CODES = ["nevus", "melanoma", "angioma", "keratosis"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.own(tmp_path_factory.mktemp("clinic"))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with a home of its own."""
    app = App.start(tmp_path_factory.mktemp("clinic-home"))
    yield app
    app.kill()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).locator("visible=true").click()
    page.get_by_role("option", name=option).first.click()


@pytest.mark.exhaustive
def test_a_data_set_of_other_classes_goes_through_every_tab(clinic: App, page: Page, folder: Path) -> None:
    _explore(clinic, page, folder)
    _train(clinic, page, folder)
    _judge(clinic, page)
    _compare(clinic, page)
    _predict(clinic, page, folder)


def _explore(app: App, page: Page, folder: Path) -> None:
    page.goto(f"{app.url}?tab=dataset")
    expect(page.locator(".synthetic")).to_be_visible()  # the demo data, which open by themselves
    page.get_by_label("A folder", exact=True).click()
    page.get_by_label("Path of the folder, where this app runs").fill(str(folder))
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(".facts")).to_contain_text("diameter missing")
    expect(page.locator(".legend-list")).to_contain_text("Keratosis <seborrheic>")  # as text, not as markup
    expect(page.get_by_text("Does it itch?").first).to_be_visible()
    choose(page, "Diagnosis", "melanoma Malignant melanoma")
    page.keyboard.press("Escape")
    expect(page.locator(".facts").filter(has_text="classes")).to_contain_text("1 of 4")
    page.get_by_role("tab", name="Classes", exact=True).click()
    expect(page.get_by_role("row", name="melanoma Malignant melanoma")).to_contain_text("100.0%")


def _train(app: App, page: Page, folder: Path) -> None:
    page.goto(f"{app.url}?tab=training")
    page.locator("#run-name :is(input, textarea)").fill("clinic")
    dataset = page.locator("#setting-dataset input")
    dataset.fill(str(folder))
    dataset.press("Enter")
    page.locator("#setting-model input").click()
    page.get_by_role("option", name="both", exact=True).click()
    page.get_by_role("button", name="More settings").click()
    page.locator("#setting-audit input").uncheck()
    for field, value in {"image_size": 64, "stage1_epochs": 5, "stage2_epochs": 0}.items():
        page.locator(f"#setting-{field} input").fill(str(value))
    command = rf"--dataset {re.escape(str(folder))} .*--model both --name clinic .*stage2_epochs=0"
    expect(page.locator("#command textarea")).to_have_value(re.compile(command))
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("#card")).to_contain_text("clinic-multimodal", timeout=300_000)
    expect(page.locator("#card")).to_contain_text("finished", timeout=300_000)
    assert list(get(app.workspace, "clinic-multimodal").task.codes) == CODES


def _judge(app: App, page: Page) -> None:
    page.goto(f"{app.url}?tab=performance&run=clinic-multimodal")
    expect(page.get_by_role("heading", name="clinic-multimodal, test part")).to_be_visible()
    expect(page.locator(".matrix tbody tr")).to_have_count(len(CODES))
    expect(page.locator(".tiles")).to_contain_text("Malignant AUC")
    expect(page.locator(".tiles")).not_to_contain_text("Melanoma sensitivity")


def _compare(app: App, page: Page) -> None:
    page.goto(f"{app.url}?tab=comparison")
    expect(page.get_by_role("row", name=re.compile("Keratosis <seborrheic>")).first).to_be_visible()


def _predict(app: App, page: Page, folder: Path) -> None:
    page.goto(f"{app.url}?tab=predict")
    expect(page.get_by_label("Age (years)")).to_be_visible()
    choose(page, "Model", "clinic-multimodal (image with diameter and itch)")
    expect(page.get_by_label("Diameter (mm)")).to_be_visible()
    expect(page.get_by_label("Age (years)")).to_have_count(0)
    page.locator("input[type=file]").first.set_input_files(str(next((folder / "images").iterdir())))
    answer = page.locator(".answer")
    expect(answer.locator("header")).to_contain_text("diameter unknown, itch unknown")
    expect(answer.locator(".bars li")).to_have_count(len(CODES))
    page.get_by_label("Diameter (mm)").fill("12")
    page.get_by_label("sometimes", exact=True).click()
    expect(answer.locator("header")).to_contain_text("12 mm, sometimes")
    expect(page.locator(".js-plotly-plot")).to_contain_text("Malignant probability by diameter")
    choose(page, "Model", "ham10000-image")
    expect(page.get_by_label("Age (years)")).to_be_visible()
    page.get_by_role("button", name="Show the answer all the same").click()  # drawn for another task, it is refused
    expect(answer.locator(".bars li")).to_have_count(7)
