import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from ham import CODES, someone
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skin.config import SPLITS, TrainConfig
from skin.data.dataset import Dataset, LesionImage
from skin.data.datasets import load
from skin.data.splits import PARTS, SPLITTERS, WHOLE, Overlap, Split, audit, by_image, by_lesion, draw, key_of_test
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


@pytest.mark.parametrize("name", WHOLE)
def test_every_image_is_in_one_part_in_the_data_sets_order(name: str) -> None:
    split = SPLITTERS[name](IMAGES, 42)
    order = [image.image_id for image in IMAGES]
    assert sorted(image_id for ids in split.parts.values() for image_id in ids) == order
    for ids in split.parts.values():
        assert list(ids) == sorted(ids)


@pytest.mark.parametrize("name", WHOLE)
def test_parts_are_70_15_15_of_every_diagnosis(name: str) -> None:
    split = SPLITTERS[name](IMAGES, 42)
    diagnoses = {image.image_id: image.diagnosis for image in IMAGES}
    counts = {part: Counter(diagnoses[image_id] for image_id in ids) for part, ids in split.parts.items()}
    assert counts["train"] == {"nv": 280, "mel": 56, "df": 28}
    assert counts["validation"] == {"nv": 60, "mel": 12, "df": 6}


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_seed_is_a_split(name: str) -> None:
    images = [dataclasses.replace(image, source="ab"[row % 2]) for row, image in enumerate(IMAGES)]
    split = partial(SPLITTERS[name], images, folds=2 if name == "by-source" else 0)
    assert split(seed=1) == split(seed=1)
    assert split(seed=1) != split(seed=2)


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


# Folds


FOLDS = 5


@pytest.mark.parametrize("name", WHOLE)
def test_every_image_is_tested_in_one_fold_and_validates_in_the_one_before(name: str) -> None:
    folds = [SPLITTERS[name](IMAGES, 42, FOLDS, fold) for fold in range(FOLDS)]
    order = [image.image_id for image in IMAGES]
    assert sorted(image_id for split in folds for image_id in split.test) == order
    for fold, split in enumerate(folds):
        assert split.validation == folds[(fold + 1) % FOLDS].test
        assert sorted(split.train + split.validation + split.test) == order


@pytest.mark.parametrize("name", WHOLE)
def test_folds_have_equal_shares_of_every_diagnosis(name: str) -> None:
    diagnoses = {image.image_id: image.diagnosis for image in IMAGES}
    for fold in range(FOLDS):
        split = SPLITTERS[name](IMAGES, 42, FOLDS, fold)
        assert Counter(diagnoses[image_id] for image_id in split.test) == {"nv": 80, "mel": 16, "df": 8}


@settings(deadline=None)
@given(table, st.integers(0, 2**31 - 1), st.integers(3, 6))
@example([(0, "akiec"), (0, "bcc"), (1, "bcc"), (2, "bcc")], 0, 3)  # a lesion of two diagnoses
def test_no_lesion_is_ever_in_two_folds(rows: Sequence[tuple[int, str]], seed: int, folds: int) -> None:
    images = [image(number, f"L{lesion}", code) for number, (lesion, code) in enumerate(rows)]
    try:
        drawn = [by_lesion(images, seed, folds, fold) for fold in range(folds)]
    except UserError:
        lesions = Counter(code for _, code in {(image.lesion_id, image.diagnosis) for image in images})
        assert min(lesions.values()) < folds
        return
    assert sorted(name for split in drawn for name in split.test) == [image.image_id for image in images]
    assert all(overlap.lesions == 0 for split in drawn for overlap in audit(split, images).overlaps)


@pytest.mark.parametrize("name", WHOLE)
def test_a_diagnosis_of_too_few_lesions_for_the_folds_is_named(name: str) -> None:
    images = make_images({"nv": 100, "df": 4}, views=1)
    assert any(image_id.startswith("I") for image_id in SPLITTERS[name](images, 42, 4, 3).test)
    with pytest.raises(UserError, match=r"df has too few lesions to be in each of 5 folds \(enough for 4\)"):
        SPLITTERS[name](images, 42, 5, 0)


def test_seeds_share_the_folds_of_a_split_seed() -> None:
    configs = [TrainConfig(folds=5, fold=2, split_seed=7, seed=seed) for seed in (1, 2)]
    assert draw(IMAGES, configs[0]) == draw(IMAGES, configs[1]) == by_lesion(IMAGES, 7, 5, 2)
    assert key_of_test(configs[0]) == key_of_test(configs[1])
    own = [TrainConfig(seed=seed) for seed in (1, 2)]
    assert [draw(IMAGES, config) for config in own] == [by_lesion(IMAGES, seed) for seed in (1, 2)]
    assert key_of_test(own[0]) != key_of_test(own[1])


# The leak


@pytest.mark.parametrize(("folds", "fold"), [(0, 0), (5, 0), (5, 4)])
def test_the_leak_is_all_that_differs(folds: int, fold: int) -> None:
    images = make_images({"nv": 200, "mel": 40, "df": 20}, views=3)
    without, leaky = (SPLITTERS[f"leak-{name}"](images, 42, folds, fold) for name in ("without", "with"))
    whole = by_lesion(images, 42, folds, fold)
    of = {image.image_id: image for image in images}

    assert (without.test, without.validation) == (leaky.test, leaky.validation)
    assert (without.train, without.validation) == (whole.train, whole.validation)
    assert sorted(of[name].lesion_id for name in without.test) == sorted({of[name].lesion_id for name in whole.test})
    siblings = set(whole.test) - set(without.test)
    assert set(leaky.train) - set(without.train) == siblings
    assert list(leaky.train) == sorted(leaky.train)
    counts = [Counter(of[name].diagnosis for name in split.train) for split in (without, leaky)]
    assert counts[0] == counts[1]
    assert audit(without, images).shared_test_images == 0
    assert audit(leaky, images).shared_test_images == len(leaky.test)
    configs = [TrainConfig(split=f"leak-{name}", folds=folds, fold=fold) for name in ("without", "with")]
    assert key_of_test(configs[0]) == key_of_test(configs[1]) != key_of_test(TrainConfig(folds=folds, fold=fold))


def test_a_leak_needs_lesions_of_several_images() -> None:
    for name in ("leak-without", "leak-with"):
        with pytest.raises(UserError, match="no leak to measure"):
            SPLITTERS[name](make_images({"nv": 20}, views=1), 42)


def test_a_leak_needs_training_images_to_replace() -> None:
    images = [image(n, "A", "nv") for n in range(9)] + [image(10 + n, f"B{n}", "nv") for n in range(2)]
    refused = 0
    for fold in range(3):
        try:
            SPLITTERS["leak-with"](images, 0, 3, fold)
        except UserError as refusal:
            refused += "too few training images" in str(refusal)
    assert refused == 1


# The source


SOURCES = ("clinic", "practice", "web")


def from_sources() -> list[LesionImage]:
    """Lesions of one source each, but for one, whose two images are from two."""
    images = [dataclasses.replace(image, source=SOURCES[int(image.lesion_id[-1]) % 3]) for image in IMAGES]
    both = [dataclasses.replace(image(9_000 + n, "both", "nv"), source=SOURCES[n]) for n in range(2)]
    return [*images, *both]


@pytest.mark.parametrize("fold", range(3))
def test_a_source_is_tested_by_a_model_that_saw_no_image_of_it_and_none_of_its_lesions(fold: int) -> None:
    images = from_sources()
    of = {image.image_id: image for image in images}
    split = SPLITTERS["by-source"](images, 42, 3, fold)
    assert split.test == tuple(image.image_id for image in images if image.source == SOURCES[fold])
    for part in (split.train, split.validation):
        assert list(part) == sorted(part)
        assert SOURCES[fold] not in {of[name].source for name in part}
    assert all(overlap.lesions == 0 for overlap in audit(split, images).overlaps)
    left_out = {"both"} if fold < 2 else set()
    used = {of[name].lesion_id for ids in split.parts.values() for name in ids}
    assert used == {image.lesion_id for image in images}
    assert len(images) - sum(map(len, split.parts.values())) == len(left_out)
    assert 0.12 < len(split.validation) / (len(split.train) + len(split.validation)) < 0.18
    config = TrainConfig.parse({"split": "by-source", "folds": 3, "fold": fold})
    assert draw(images, config) == split


def test_a_split_by_source_says_which_fold_is_which_source() -> None:
    with pytest.raises(UserError, match=r"folds=3 and the fold 0 \(clinic\), 1 \(practice\), 2 \(web\)"):
        SPLITTERS["by-source"](from_sources(), 42)
    with pytest.raises(UserError, match="no two sources"):
        SPLITTERS["by-source"](IMAGES, 42)


def test_two_sources_are_enough() -> None:
    images = [dataclasses.replace(image, source="ab"[int(image.lesion_id[-1]) % 2]) for image in IMAGES]
    config = TrainConfig.parse({"split": "by-source", "folds": 2, "fold": 1})
    assert {image.source for image in images if image.image_id in draw(images, config).test} == {"b"}


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


@pytest.mark.ham10000
@pytest.mark.parametrize("fold", [0, 4])
def test_the_real_leak_is_injected(fold: int, ham10000: Dataset) -> None:
    without, leaky = (SPLITTERS[f"leak-{name}"](ham10000.images, 42, 5, fold) for name in ("without", "with"))
    assert without.test == leaky.test
    assert len(without.train) == len(leaky.train)
    assert audit(without, ham10000.images).shared_test_images == 0
    assert audit(leaky, ham10000.images).shared_test_images > 300
