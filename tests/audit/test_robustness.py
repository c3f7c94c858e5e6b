"""Answers to pictures that were made worse."""

from collections.abc import Iterable

import numpy as np
import pytest
from ham import CODES

from skin.audit.robustness import PERTURBATIONS, Robustness, measure_robustness, perturbed
from skin.data.synthetic.camera import photograph
from skin.data.synthetic.canvas import Canvas
from skin.data.synthetic.morphology import paint
from skin.evaluation.predictions import Predictions
from skin.records import checked, from_plain, to_plain

SIZE = 64
MEL, NV = CODES.index("mel"), CODES.index("nv")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A drawn lesion."""
    rng = np.random.default_rng(3)
    return np.asarray(photograph(paint("mel", Canvas(rng)), rng, (SIZE, SIZE)))


def damage(picture: np.ndarray, name: str, level: float) -> float:
    """The mean difference that a perturbation makes."""
    (changed,) = np.concatenate(list(perturbed(picture[None], PERTURBATIONS[name], level)))
    assert changed.shape == picture.shape
    assert changed.dtype == np.uint8
    return float(np.abs(changed.astype(float) - picture).mean())


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_further_a_level_lies_from_unchanged_the_worse_is_the_picture(picture: np.ndarray, name: str) -> None:
    row = PERTURBATIONS[name]
    assert list(row.levels) == sorted(set(row.levels))
    below = [damage(picture, name, level) for level in reversed(row.levels) if level < row.unchanged]
    above = [damage(picture, name, level) for level in row.levels if level > row.unchanged]
    assert below == sorted(below)
    assert above == sorted(above)
    assert damage(picture, name, row.unchanged) < min(below + above)
    assert len({row.format.format(level) for level in (*row.levels, row.unchanged)}) == len(row.levels) + 1


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_picture_is_made_worse_in_the_same_way_every_time(picture: np.ndarray, name: str) -> None:
    pictures, row = np.repeat(picture[None], 6, axis=0), PERTURBATIONS[name]
    once, again = (np.concatenate(list(perturbed(pictures, row, row.levels[-1]))) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.array_equal(once[0], once[5]) == (name != "noise")  # every image has its own


def by_brightness(truth: np.ndarray) -> object:
    """A classifier that takes what is darker than middle grey for a melanoma, and all else for a nevus."""
    ids = tuple(map(str, range(len(truth))))

    def answer(batches: Iterable[np.ndarray]) -> Predictions:
        means = np.concatenate([batch.mean(axis=(1, 2, 3)) for batch in batches])
        predicted = np.where(means < 128, MEL, NV)
        return Predictions(ids, ids, truth, (0.3 * np.eye(7) + 0.1)[predicted].astype(np.float32))

    return answer


def test_a_classifier_of_brightness_minds_the_light_and_not_the_compression() -> None:
    truth = np.repeat([MEL, NV], 40)
    shades = np.where(truth == MEL, 100, 150).astype(np.uint8)
    pixels = np.broadcast_to(shades[:, None, None, None], (80, SIZE, SIZE, 3))
    record = measure_robustness(by_brightness(truth), pixels)
    assert record.unchanged["accuracy"].value == 1
    lit = {level.level: level for level in record.curves["brightness"]}
    assert lit[0.5].figures["accuracy"].value == 0.5
    assert lit[0.5].figures["melanoma_sensitivity"].value == 1
    assert lit[0.5].change["accuracy"].high < 0
    assert lit[0.5].other_diagnosis.value == 0.5
    assert lit[1.5].figures["melanoma_sensitivity"].value == 0
    for name in ("jpeg", "blur", "resolution"):
        assert all(level.figures["accuracy"].value == 1 for level in record.curves[name])
    words = record.sentences()
    assert any(line.startswith("Brightness: accuracy falls beyond chance at 75%, -50.0 points") for line in words)
    assert any(line.startswith("JPEG: accuracy has lost nothing beyond chance at 10") for line in words)
    assert words[-1].startswith("Most melanomas are lost at Brightness 1")
    assert checked(from_plain(Robustness, to_plain(record))) == record


def test_a_strange_record_is_refused() -> None:
    truth = np.repeat([MEL, NV], 4)
    plain = to_plain(measure_robustness(by_brightness(truth), np.zeros((8, 8, 8, 3), np.uint8)))
    with pytest.raises(ValueError, match="'rain' is not known"):
        from_plain(Robustness, {**plain, "curves": {"rain": []}})
    with pytest.raises(ValueError, match="does not have the metrics"):
        from_plain(Robustness, {**plain, "unchanged": {"macro_f1": plain["unchanged"]["accuracy"]}})
