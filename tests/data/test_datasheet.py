"""The datasheet of a run: counts that can be counted by hand."""

import json
from pathlib import Path

import pytest
from ham import someone
from PIL import Image

from skin.data.dataset import Dataset, Dropped, LesionImage
from skin.data.datasheet import N_SIZES, Datasheet
from skin.data.splits import Split
from skin.errors import UserError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Five images of three lesions, of two sizes; lesion L1 has one in every part."""

    def image(image_id: str, lesion_id: str, diagnosis: str, age: float | None, confirmed_by: str) -> LesionImage:
        path = tmp_path / f"{image_id}.png"
        Image.new("RGB", (40, 30) if image_id < "d" else (20, 20)).save(path)
        return LesionImage(image_id, lesion_id, diagnosis, someone(age, "female"), path, confirmed_by, "clinic")

    images = (
        image("a", "L1", "mel", 50, "histo"),
        image("b", "L1", "mel", 50, "histo"),
        image("c", "L1", "mel", None, "histo"),
        image("d", "L2", "nv", 20, "follow_up"),
        image("e", "e", "nv", 20, ""),
    )
    return Dataset("x", "X", images, (Dropped("f", "no image file"),))


SPLIT = Split(("a", "d"), ("b",), ("c", "e"))


def test_every_part_is_counted(dataset: Dataset) -> None:
    sheet = Datasheet.of(dataset, SPLIT)

    assert (sheet.whole.images, sheet.whole.lesions, sheet.left_out, sheet.without_lesion) == (5, 3, 1, 1)
    test = sheet.parts["test"]
    assert (test.images, test.lesions) == (2, 2)
    assert (test.diagnoses["mel"], test.diagnoses["nv"], test.diagnoses["df"]) == (1, 1, 0)
    assert (sheet.whole.diagnoses["mel"], sheet.whole.lesions_of["mel"]) == (3, 1)
    assert test.unknown == {"age": 1, "sex": 0, "site": 2}
    assert test.groups["age"] == {"0 to 29": 1, "unknown": 1}
    assert test.confirmed_by == {"histo": {"mel": 1}, "unknown": {"nv": 1}}
    assert sheet.sizes == {"40×30": 3, "20×20": 2}


def test_a_lesion_in_two_parts_is_seen(dataset: Dataset) -> None:
    sheet = Datasheet.of(dataset, SPLIT)
    assert sheet.shared_test_images == 1
    assert [(own.first, own.second, own.lesions, own.images) for own in sheet.overlaps] == [
        ("train", "validation", 1, 1),
        ("train", "test", 1, 1),
        ("validation", "test", 1, 1),
    ]


def test_what_the_split_leaves_out_is_not_counted(dataset: Dataset) -> None:
    sheet = Datasheet.of(dataset, Split(("a",), ("b",), ("c",)))
    assert (sheet.whole.images, sheet.whole.lesions, sheet.without_lesion) == (3, 1, 0)


def test_a_split_of_other_data_is_refused(dataset: Dataset) -> None:
    with pytest.raises(UserError, match="use the data it was made for"):
        Datasheet.of(dataset, Split(("a",), ("b",), ("z",)))


def test_rare_sizes_are_counted_together(tmp_path: Path) -> None:
    images = []
    for number in range(N_SIZES + 3):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (20 + number, 20)).save(path)
        images.append(LesionImage(str(number), str(number), "nv", someone(), path))
    ids = tuple(image.image_id for image in images)
    sheet = Datasheet.of(Dataset("x", "X", tuple(images)), Split(ids[:-2], ids[-2:-1], ids[-1:]))
    assert len(sheet.sizes) == N_SIZES + 1
    assert sheet.sizes["other"] == 3


def test_what_is_saved_is_read_again(dataset: Dataset, tmp_path: Path) -> None:
    sheet = Datasheet.of(dataset, SPLIT)
    sheet.save(tmp_path / "datasheet.json")
    assert Datasheet.load(tmp_path / "datasheet.json") == sheet


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"dataset": 1}'])
def test_a_damaged_file_is_a_sentence(damage: str, tmp_path: Path) -> None:
    (tmp_path / "datasheet.json").write_text(damage)
    with pytest.raises(UserError, match=r"holds no datasheet .*: make it anew"):
        Datasheet.load(tmp_path / "datasheet.json")


def test_a_value_of_another_type_is_damage(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "datasheet.json"
    Datasheet.of(dataset, SPLIT).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"left_out": "none"}))
    with pytest.raises(UserError, match="holds no datasheet"):
        Datasheet.load(path)
