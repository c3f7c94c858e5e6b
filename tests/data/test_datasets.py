import os
from pathlib import Path

import numpy as np
import pytest
from ham import someone
from PIL import Image

from skin.data.dataset import Dataset, Dropped, LesionImage
from skin.data.datasets import DATASETS, Source, load
from skin.errors import UserError
from skin.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ham"
    folder.mkdir()
    (folder / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx,age\nL1,I1,nv,45\nL1,I2,mel,\n")
    for name in ("I1.jpg", "I2.jpg"):
        Image.new("RGB", (40, 30), "pink").save(folder / name)
    return folder


def test_a_folder_is_a_dataset_that_its_name_loads_again(
    folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    dataset = load("ham", workspace)
    assert dataset.title == "ham"
    assert not dataset.synthetic
    monkeypatch.chdir("/")
    assert load(dataset.name, workspace) == dataset


@pytest.mark.parametrize("name", ["folder", "nowhere", "no\0name", "~no_such_user/x", "x" * 5000])
def test_what_is_neither_source_nor_folder_is_refused(
    name: str, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="use demo, kaggle or the path of a folder"):
        load(name, workspace)


@pytest.mark.slow
def test_the_demo_is_drawn_once_and_called_synthetic(workspace: Workspace) -> None:
    first = load("demo", workspace)
    times = [image.path.stat().st_mtime_ns for image in first.images]
    assert first.synthetic
    assert "synthetic" in first.title
    assert first.dropped == ()
    assert first.notes == ()
    assert load("demo", workspace) == first
    assert [image.path.stat().st_mtime_ns for image in first.images] == times
    assert all(image.path.is_relative_to(workspace.datasets) for image in first.images)


def test_a_demo_that_was_drawn_in_part_is_drawn_anew(workspace: Workspace) -> None:
    def dying(iterable: object, *, desc: str, total: int) -> object:
        raise KeyboardInterrupt(desc, total, iterable)

    with pytest.raises(KeyboardInterrupt):
        load("demo", workspace, dying)
    assert not list(workspace.datasets.iterdir())


def test_a_home_where_the_demo_cannot_be_drawn_is_named() -> None:
    with pytest.raises(UserError, match=r"/dev/null.*free some space"):
        load("demo", Workspace(Path("/dev/null")))


@pytest.mark.parametrize("source", DATASETS.values(), ids=DATASETS)
def test_every_source_says_what_it_is(source: Source) -> None:
    assert source.title
    assert source.description.endswith(".")


def test_the_key_follows_the_files(folder: Path, workspace: Workspace) -> None:
    key = load(str(folder), workspace).key
    assert load(str(folder), workspace).key == key
    os.utime(folder / "I2.jpg", (1, 1))
    assert load(str(folder), workspace).key != key


def test_the_key_of_vanished_files_is_refused(folder: Path, workspace: Workspace) -> None:
    dataset = load(str(folder), workspace)
    (folder / "I1.jpg").unlink()
    with pytest.raises(UserError, match=r"I1\.jpg is gone"):
        _ = dataset.key


def test_the_frame_holds_a_row_an_image() -> None:
    images = (
        LesionImage("I1", "L1", "nv", someone(45.0, "male", "back"), Path("a.jpg"), "histo", "rosendahl"),
        LesionImage("I2", "L1", "mel", someone(), Path("b.jpg")),
    )
    frame = Dataset("x", "X", images).frame()
    assert frame.to_dict("records")[0] == {
        "image_id": "I1",
        "lesion_id": "L1",
        "diagnosis": "nv",
        "age": 45.0,
        "sex": "male",
        "site": "back",
        "confirmed_by": "histo",
        "source": "rosendahl",
        "path": "a.jpg",
    }
    assert np.isnan(frame["age"][1])
    assert frame["age"].dtype == float


def test_the_findings_count_and_name_what_was_left_out() -> None:
    dropped = [Dropped(f"I{n}", f"unknown diagnosis: {('wart', 'scar')[n % 2]!r}") for n in range(12)]
    dataset = Dataset("x", "X", (), (*dropped, Dropped("J", "no image file")), ("A remark.",))
    assert dataset.unknown_labels == {"wart": 6, "scar": 6}
    assert dataset.findings() == (
        "12 left out, unknown diagnosis: I0, I1, I2, I3, I4, I5, I6, I7, I8, I9 and 2 more.",
        "1 left out, no image file: J.",
        "These labels are no diagnosis of HAM10000: 'wart' (6×), 'scar' (6×).",
        "A remark.",
    )
