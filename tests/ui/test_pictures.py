"""Pictures of the images that a report names."""

from pathlib import Path

import pytest

from skin.data.datasets import Dataset
from skin.errors import UserError
from skin.ui.pictures import SIZE, pictures
from skin.ui.selection import Shelf
from skin.workspace import Workspace


def test_the_images_are_shown_small_with_their_captions(shared_workspace: Workspace, demo: Dataset) -> None:
    ids = [image.image_id for image in demo.images[:2]]
    shown = pictures(dict(zip(ids, "ab", strict=True)), "demo", Shelf(shared_workspace))
    assert [caption for _, caption in shown] == [f"a · {ids[0]}", f"b · {ids[1]}"]
    assert all(image.width <= SIZE[0] and image.height <= SIZE[1] for image, _ in shown)


@pytest.mark.parametrize("dataset", ["", "kaggle", "/no/such/folder"])
def test_where_the_data_set_is_elsewhere_it_says_how_to_get_it(
    shared_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="not on this machine: open their data set on the Dataset tab"):
        pictures({"ISIC_0000001": ""}, dataset, Shelf(shared_workspace))


def test_no_image_needs_no_data_set(shared_workspace: Workspace) -> None:
    assert pictures({}, "", Shelf(shared_workspace)) == []
