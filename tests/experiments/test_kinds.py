"""The contract of every row of KINDS, and each kind."""

import dataclasses
from pathlib import Path

import pytest
from ham import someone

from skin.config import MODELS, TrainConfig, differences
from skin.data.dataset import Dataset, LesionImage
from skin.data.splits import draw
from skin.errors import UsageError, UserError
from skin.experiments.kinds import KINDS, check, contrasts, design, plan
from skin.experiments.outcome import Contrast
from skin.experiments.plan import Design
from skin.task import HAM10000

RECIPE = TrainConfig.from_preset("demo", seed=7)


def images(lesions: dict[str, int], views: int = 2) -> Dataset:
    """A data set of so many lesions of each diagnosis, with so many images each."""
    ids = [
        (f"{code}{number}", code, view) for code, n in lesions.items() for number in range(n) for view in range(views)
    ]
    made = [LesionImage(f"{lesion}-{view}", lesion, code, someone(), Path("x.jpg")) for lesion, code, view in ids]
    return Dataset("drawn", "Drawn", tuple(made), (), (), True, HAM10000)


COMPARING = [name for name, kind in KINDS.items() if not kind.is_search]


@pytest.mark.parametrize("kind", COMPARING)
def test_runs_of_one_fold_are_tested_on_the_same_images_whatever_the_seed(kind: str) -> None:
    dataset = images({"nv": 30, "mel": 20, "df": 10})
    made = plan(kind, "x", RECIPE, Design(folds=3, seeds=2))
    check(made, dataset)

    tests = {fold: set() for fold in made.folds}
    for member in made.members:
        tests[member.fold].add(draw(dataset.images, made.config(member)).test)
    assert [len(parts) for parts in tests.values()] == [1, 1, 1]
    assert (made.folds, made.seeds) == ((0, 1, 2), (7, 8))
    assert len(made.members) == len(made.variants) * 3 * 2


@pytest.mark.parametrize("kind", COMPARING)
def test_variants_are_compared_in_pairs_that_differ_in_one_setting(kind: str) -> None:
    made = plan(kind, "x", RECIPE, Design(folds=0))
    configs = {member.variant: made.config(member) for member in made.members}
    for contrast in contrasts(made):
        assert len(differences([configs[contrast.a], configs[contrast.b]])) == 1


def test_metadata_is_one_model_against_the_other_on_five_folds() -> None:
    made = plan("metadata", "x", RECIPE, Design())
    assert contrasts(made) == [Contrast("image", "multimodal", "metadata")]
    assert made.folds == (0, 1, 2, 3, 4)
    with pytest.raises(UsageError, match="compares both models"):
        plan("metadata", "x", RECIPE, Design(("image",)))


def test_leak_is_without_against_with_for_each_of_the_models() -> None:
    made = plan("leak", "x", RECIPE, Design())
    assert contrasts(made) == [
        Contrast("image-without", "image-with", "the leak", "image"),
        Contrast("multimodal-without", "multimodal-with", "the leak", "multimodal"),
    ]
    assert list(made.configs) == ["x-image-without", "x-image-with", "x-multimodal-without", "x-multimodal-with"]

    of_one = plan("leak", "x", RECIPE, Design(("multimodal",)))
    assert contrasts(of_one) == [Contrast("without", "with", "the leak")]
    assert {config.model for config in of_one.configs.values()} == {"multimodal"}


@pytest.mark.parametrize(
    ("kind", "folds", "seeds", "problem"),
    [
        ("hats", 5, 1, "no kind of experiment 'hats': use one of metadata, leak, sweep"),
        ("metadata", 2, 1, "folds must be 0, or at least 3"),
        ("metadata", 101, 1, "folds must be at most 100"),
        ("metadata", -1, 1, "folds must be at least 0"),
        ("metadata", 5, 0, "at least one seed"),
    ],
)
def test_what_is_impossible_is_a_sentence(kind: str, folds: int, seeds: int, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        plan(kind, "x", RECIPE, Design(MODELS, folds, seeds))


def test_seeds_past_the_last_one_are_a_sentence() -> None:
    with pytest.raises(UsageError, match="seed must be at most"):
        plan("metadata", "x", dataclasses.replace(RECIPE, seed=2**31 - 1), Design(MODELS, 0, 2))


def test_more_folds_than_a_diagnosis_has_lesions_are_a_sentence_before_anything_is_made() -> None:
    made = plan("metadata", "x", RECIPE, Design(folds=5))
    with pytest.raises(UserError, match=r"df has too few lesions to be in each of 5 folds \(enough for 4\)"):
        check(made, images({"nv": 30, "df": 4}))


def test_a_leak_of_lesions_with_one_image_each_is_a_sentence() -> None:
    with pytest.raises(UserError, match="No test lesion has several images"):
        check(plan("leak", "x", RECIPE, Design()), images({"nv": 30, "df": 10}, views=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_refuses_what_it_does_not_heed_and_names_what_it_does(kind: str) -> None:
    every: dict[str, object] = {"folds": 3, "seeds": 2, "vary": ("dropout=0.1,0.2",), "trials": 2}
    takes = KINDS[kind].takes
    heeded = design(kind, MODELS, **{name: every[name] for name in takes})
    assert {name: getattr(heeded, name) for name in takes} == {name: every[name] for name in takes}
    for name in every.keys() - set(takes):
        with pytest.raises(UsageError, match=f"has no use for --{name}: it takes --{takes[0]} and --{takes[1]}"):
            design(kind, MODELS, **{name: every[name]})
    assert design(kind, MODELS, **dict.fromkeys(every)) == Design()
