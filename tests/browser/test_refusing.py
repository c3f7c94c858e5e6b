"""What is no lesion, in the browser: refused with the reason, shown all the same when asked for; and similar cases."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from served_app import App

from skin.audit.negatives import NEGATIVES
from skin.data import pixels
from skin.data.dataset import Dataset
from skin.data.splits import Split
from skin.inference.neighbours import SHOWN
from skin.run import Run
from skin.workspace import Workspace

KINDS = ("photographs", "drawn scenes", "documents", "screenshots", "noise and patterns")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, shared_workspace: Workspace, audited: Run) -> Iterator[App]:
    """The app with the drawn data set and the audited run."""
    home = tmp_path_factory.mktemp("scope") / "home"
    shutil.copytree(shared_workspace.datasets, Workspace(home).datasets)
    shutil.copytree(audited.folder, Workspace(home).runs / "audited")
    app = App.start(home)
    yield app
    app.kill()


@pytest.fixture
def predict(visit: Callable[[str], Page]) -> Page:
    page = visit("predict")
    page.get_by_label("Model", exact=True).locator("visible=true").click()
    page.get_by_role("option", name="audited").first.click()
    return page


def upload(page: Page, path: Path) -> None:
    """Show this picture in the place of the last one, and wait for what is said of it."""
    page.locator("input[type=file]").first.set_input_files([str(path)])


def answered(page: Page) -> str:
    """The heading of the answer, when there is one."""
    heading = page.locator(".answer h2")
    expect(heading).to_be_visible()
    return heading.inner_text()


@pytest.fixture(scope="module")
def lesions(demo: Dataset, audited: Run) -> list[Path]:
    paths = {image.image_id: image.path for image in demo.images}
    return [paths[image_id] for image_id in Split.load(audited.split_path).test]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_lesion_is_refused_and_shown_when_asked_for(
    predict: Page, lesions: list[Path], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "picture.png"
    NEGATIVES[kind](np.random.default_rng(3), [pixels.decode(lesion) for lesion in lesions[:3]]).save(path)
    upload(predict, path)
    assert answered(predict) == "Not judged"
    expect(predict.get_by_role("alert")).to_be_visible()
    expect(predict.locator(".bars")).to_have_count(0)
    predict.get_by_role("button", name="Show the answer all the same").click()
    expect(predict.locator(".bars")).to_be_visible()
    expect(predict.get_by_text("Refused", exact=True)).to_be_visible()
    expect(predict.get_by_role("button", name="Show the answer all the same")).to_be_hidden()
    predict.get_by_label("Age (years)").fill("65")
    expect(predict.locator(".answer header")).to_contain_text("65 years")  # and is not refused again
    expect(predict.locator(".bars")).to_be_visible()


def test_test_images_are_answered_with_similar_cases_and_their_pictures(predict: Page, lesions: list[Path]) -> None:
    headings = []
    for path in lesions[:5]:
        upload(predict, path)
        headings.append(answered(predict))
        predict.get_by_label("Remove Image").click()
        expect(predict.locator(".answer")).to_have_count(0)
    assert sum(heading == "Not judged" for heading in headings) <= 1
    upload(predict, next(path for path, heading in zip(lesions, headings, strict=False) if heading != "Not judged"))
    expect(predict.locator(".cases li")).to_have_count(SHOWN)
    expect(predict.locator(".cases li img")).to_have_count(SHOWN)
    expect(predict.locator(".cases table")).to_contain_text("beside the model's probability")
