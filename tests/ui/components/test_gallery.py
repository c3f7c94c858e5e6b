"""Pictures of the images that a report names."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ham import CODES

from skin.config import TrainConfig
from skin.data.dataset import Dataset, LesionImage
from skin.errors import UserError
from skin.evaluation.origin import Origin
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.ui.components import recent_folders
from skin.ui.components.gallery import THUMBNAIL_SIZE, load_gallery
from skin.ui.components.loaded_report import LoadedReport
from skin.ui.components.open_datasets import OpenDatasets
from skin.workspace import Workspace

Judge = Callable[..., LoadedReport]


def judged(images: tuple[LesionImage, ...], dataset: str) -> LoadedReport:
    """Perfect predictions of these images of a data set."""
    truth = np.array([CODES.index(image.diagnosis) for image in images])
    ids, lesions = tuple(image.image_id for image in images), tuple(image.lesion_id for image in images)
    predictions = Predictions(ids, lesions, truth, np.eye(7, dtype=np.float32)[truth])
    return LoadedReport(
        "perfect", predictions, evaluate(predictions), origin=Origin(config=TrainConfig(dataset=dataset))
    )


def captions(dataset: Dataset) -> dict[str, str]:
    return {image.image_id: "a caption" for image in dataset.images[:2]}


@pytest.fixture
def no_kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))


@pytest.fixture
def elsewhere(demo: Dataset, tmp_path: Path) -> Path:
    """A folder with the images of the drawn data set."""
    return Path(shutil.copytree(demo.images[0].path.parents[1], tmp_path / "elsewhere"))


def test_the_images_are_shown_small_with_their_captions(shared_workspace: Workspace, demo: Dataset) -> None:
    ids = [image.image_id for image in demo.images[:2]]
    loaded = judged(demo.images, "demo")
    shown = load_gallery(dict(zip(ids, "ab", strict=True)), loaded, OpenDatasets(shared_workspace))
    assert [caption for _, caption in shown] == [f"a · {ids[0]}", f"b · {ids[1]}"]
    assert all(image.width <= THUMBNAIL_SIZE[0] and image.height <= THUMBNAIL_SIZE[1] for image, _ in shown)


@pytest.mark.usefixtures("no_kaggle")
@pytest.mark.parametrize("dataset", ["", "kaggle", "/no/such/folder", "\0", "a" * 5000])
def test_where_the_data_set_is_elsewhere_it_says_how_to_get_it(
    workspace: Workspace, demo: Dataset, dataset: str
) -> None:
    with pytest.raises(UserError, match=r"not on this machine.*on the Dataset tab.*python app\.py"):
        load_gallery(captions(demo), judged(demo.images, dataset), OpenDatasets(workspace))


@pytest.mark.usefixtures("no_kaggle")
@pytest.mark.parametrize("dataset", ["", "kaggle", "/no/such/folder"])
def test_a_folder_that_was_opened_serves_where_the_data_set_is_elsewhere(
    workspace: Workspace, demo: Dataset, elsewhere: Path, dataset: str
) -> None:
    recent_folders.remember(workspace, str(elsewhere))

    shown = load_gallery(captions(demo), judged(demo.images, dataset), OpenDatasets(workspace))

    assert len(shown) == 2


@pytest.mark.usefixtures("no_kaggle")
def test_other_images_under_the_same_ids_do_not_serve(workspace: Workspace, demo: Dataset, elsewhere: Path) -> None:
    table = elsewhere / "HAM10000_metadata.csv"
    rows = table.read_text().splitlines()
    last = demo.images[-1]
    other = next(code for code in CODES if code != last.diagnosis)
    changed = [row.replace(f",{last.diagnosis},", f",{other},") if last.image_id in row else row for row in rows]
    assert changed != rows
    table.write_text("\n".join(changed))
    recent_folders.remember(workspace, str(elsewhere))

    with pytest.raises(UserError, match="not on this machine"):
        load_gallery(captions(demo), judged(demo.images, "kaggle"), OpenDatasets(workspace))
    assert load_gallery(
        captions(demo), judged(demo.images, str(elsewhere)), OpenDatasets(workspace)
    )  # its own: a new opinion


@pytest.mark.usefixtures("no_kaggle")
def test_a_remembered_folder_without_a_data_set_is_passed_over(
    workspace: Workspace, demo: Dataset, elsewhere: Path, tmp_path: Path
) -> None:
    recent_folders.remember(workspace, str(elsewhere))
    recent_folders.remember(workspace, str(tmp_path))

    assert len(load_gallery(captions(demo), judged(demo.images, ""), OpenDatasets(workspace))) == 2


def test_no_image_needs_no_data_set(shared_workspace: Workspace, demo: Dataset) -> None:
    assert load_gallery({}, judged(demo.images, ""), OpenDatasets(shared_workspace)) == []
