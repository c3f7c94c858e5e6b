import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from ham import CODES, someone
from hypothesis import given, settings
from hypothesis import strategies as st

from skin.config import SPLITS
from skin.data.dataset import Dataset, LesionImage
from skin.data.datasets import load
from skin.data.splits import PARTS, SPLITTERS, Overlap, Split, audit, by_image, by_lesion
from skin.errors import UserError
from skin.workspace import Workspace


def image(number: int, lesion: str, diagnosis: str) -> LesionImage:
    return LesionImage(f"I{number:05}", lesion, diagnosis, someone(), Path(f"{number}.jpg"))


def make_images(lesions: dict[str, int], views: int = 2) -> list[LesionImage]:
    """So many lesions of each diagnosis, each with so many images, the images of a lesion apart from each other."""
    pairs = [(f"{code}{index}", code) for code, n in lesions.items() for index in range(n)] * views
    return [image(number, *pair) for number, pair in enumerate(pairs)]


IMAGES = make_images({"nv": 200, "mel": 40, "df": 20})


def test_there_is_a_splitter_for_every_choice_of_the_configuration() -> None:
    assert tuple(SPLITTERS) == SPLITS


@pytest.mark.parametrize("name", SPLITTERS)
def test_every_image_is_in_one_part_in_the_data_sets_order(name: str) -> None:
    split = SPLITTERS[name](IMAGES, 42)
    order = [image.image_id for image in IMAGES]
    assert sorted(image_id for ids in split.parts.values() for image_id in ids) == order
    for ids in split.parts.values():
        assert list(ids) == sorted(ids)


@pytest.mark.parametrize("name", SPLITTERS)
def test_parts_are_70_15_15_of_every_diagnosis(name: str) -> None:
    split = SPLITTERS[name](IMAGES, 42)
    diagnoses = {image.image_id: image.diagnosis for image in IMAGES}
    counts = {part: Counter(diagnoses[image_id] for image_id in ids) for part, ids in split.parts.items()}
    assert counts["train"] == {"nv": 280, "mel": 56, "df": 28}
    assert counts["validation"] == {"nv": 60, "mel": 12, "df": 6}


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_seed_is_a_split(name: str) -> None:
    splitter = SPLITTERS[name]
    assert splitter(IMAGES, 1) == splitter(IMAGES, 1)
    assert splitter(IMAGES, 1) != splitter(IMAGES, 2)


def test_by_lesion_does_not_depend_on_the_order_of_the_table() -> None:
    backwards = by_lesion(IMAGES[::-1], 42)
    for part, ids in by_lesion(IMAGES, 42).parts.items():
        assert ids == backwards.parts[part][::-1]


@pytest.mark.parametrize("n", [3, 4, 5])
def test_a_rare_diagnosis_is_in_every_part(n: int) -> None:
    images = make_images({"nv": 100, "df": n})
    for seed in range(20):
        split = by_lesion(images, seed)
        for ids in split.parts.values():
            assert any(image.diagnosis == "df" for image in images if image.image_id in ids)


def test_a_lesion_of_two_diagnoses_stays_whole() -> None:
    images = [*IMAGES, image(9_000, "odd", "nv"), image(9_001, "odd", "mel"), image(9_002, "odd", "mel")]
    assert audit(by_lesion(images, 42), images).shared_test_images == 0


table = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(CODES)), min_size=1, max_size=120)


@settings(deadline=None)
@given(table, st.integers(0, 2**31 - 1))
def test_no_lesion_ever_crosses(rows: Sequence[tuple[int, str]], seed: int) -> None:
    images = [image(number, f"L{lesion}", code) for number, (lesion, code) in enumerate(rows)]
    try:
        split = by_lesion(images, seed)
    except UserError:
        assert all(
            n < 3 for n in Counter({image.lesion_id: image.diagnosis for image in images[::-1]}.values()).values()
        )
        return
    assert sum(map(len, split.parts.values())) == len(images)
    assert all(overlap.lesions == 0 for overlap in audit(split, images).overlaps)


def test_too_few_lesions_are_refused() -> None:
    with pytest.raises(UserError, match="too few lesions"):
        by_lesion(make_images({"nv": 2, "mel": 1}), 42)


@pytest.mark.parametrize("lesions", [{"nv": 100, "df": 1}, {"nv": 3}, {"nv": 1}])
def test_too_few_images_for_by_image_are_refused(lesions: dict[str, int]) -> None:
    with pytest.raises(UserError, match="by-lesion"):
        by_image(make_images(lesions, views=1), 42)


# The audit


def test_the_audit_counts_what_the_parts_share() -> None:
    images = [
        image(0, "A", "nv"),
        image(1, "A", "nv"),
        image(2, "B", "mel"),
        image(3, "B", "mel"),
        image(4, "B", "mel"),
    ]
    split = Split(train=("I00000", "I00002"), validation=("I00001",), test=("I00003", "I00004"))
    leaks = audit(split, images)
    assert leaks.overlaps == (
        Overlap("train", "validation", 1, 1),
        Overlap("train", "test", 1, 2),
        Overlap("validation", "test", 0, 0),
    )
    assert leaks.shared_test_images == 2
    assert leaks.shared_test_by_diagnosis == {"mel": 2}
    assert leaks.test_by_diagnosis == {"mel": 2}


def test_the_audit_refuses_another_data_sets_split() -> None:
    with pytest.raises(UserError, match="I00000"):
        audit(by_lesion(IMAGES, 42), IMAGES[1:])


# The file


def test_a_split_comes_back_from_its_file(tmp_path: Path) -> None:
    split = by_lesion(IMAGES, 42)
    split.save(tmp_path / "split.csv")
    assert Split.load(tmp_path / "split.csv") == split
    assert (tmp_path / "split.csv").read_text().startswith("image_id,part\n")


@pytest.mark.parametrize(
    "text",
    ["", "image_id\nI1\n", "image_id,part\nI1,tests\n", "image_id,part\nI1,train\nI1,test\n", None],
)
def test_a_damaged_file_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"split\.csv"):
        Split.load(path)


# The real thing


@pytest.fixture(scope="module")
def ham10000(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(os.environ["HAM10000_DIR"], Workspace(tmp_path_factory.mktemp("home")))


def digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:16]


@pytest.mark.ham10000
def test_by_image_is_the_reference_systems(ham10000: Dataset) -> None:
    split = by_image(ham10000.images, 42)
    assert {part: digest(ids) for part, ids in split.parts.items()} == {
        "train": "b5f8b26c5b2241d3",
        "validation": "738d070b678e2fb7",
        "test": "07f8b3525f317c89",
    }
    leaks = audit(split, ham10000.images)
    assert leaks.shared_test_images == 543
    assert leaks.shared_test_by_diagnosis["mel"] == 106
    assert leaks.test_by_diagnosis == {
        "akiec": 49, "bcc": 77, "bkl": 165, "df": 17, "mel": 167, "nv": 1006, "vasc": 22,
    }  # fmt: skip


@pytest.mark.ham10000
def test_by_lesion_leaks_nothing(ham10000: Dataset) -> None:
    split = by_lesion(ham10000.images, 42)
    leaks = audit(split, ham10000.images)
    assert all((overlap.lesions, overlap.images) == (0, 0) for overlap in leaks.overlaps)
    assert leaks.shared_test_images == 0
    shares = [len(split.parts[part]) / len(ham10000.images) for part in PARTS]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.002)
