"""Predictions, and the file that keeps them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import labels, simulated

from skin.errors import UserError
from skin.evaluation.predictions import Predictions, load_predictions, save_predictions


def test_predictions_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    saved = {"validation": simulated(20), "test": simulated(30, seed=1)}
    save_predictions(tmp_path / "predictions.npz", saved)
    loaded = load_predictions(tmp_path / "predictions.npz")
    assert list(loaded) == ["validation", "test"]
    assert loaded["test"].image_ids == saved["test"].image_ids
    assert loaded["test"].lesion_ids == saved["test"].lesion_ids
    assert (loaded["test"].truth == saved["test"].truth).all()
    assert (loaded["test"].probabilities == saved["test"].probabilities).all()


def test_damaged_or_missing_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)
    save_predictions(path, {"test": simulated(20)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)
    np.savez(path, **{"test.truth": np.array([{}], dtype=object)})
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)


GOOD = labels([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image_ids": ("a", "a")}, "occurs twice"),
        ({"image_ids": ("a",)}, "one lesion and one true diagnosis"),
        ({"lesion_ids": ("a",)}, "one lesion and one true diagnosis"),
        ({"truth": np.array([0, 7])}, "none of akiec"),
        ({"probabilities": np.ones((2, 3), np.float32)}, "needs 7 probabilities"),
        ({"probabilities": np.ones((2, 7), np.float32)}, "sum to 1"),
        ({"probabilities": np.full((2, 7), np.nan, np.float32)}, "sum to 1"),
        ({"probabilities": 2 * np.eye(7, dtype=np.float32)[:2] - 1 / 7}, "at least 0"),
    ],
)
def test_impossible_predictions_are_refused(changes: dict[str, NDArray[np.float32]], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        dataclasses.replace(GOOD, **changes)


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="no image"):
        Predictions((), (), np.zeros(0, np.int64), np.zeros((0, 7), np.float32))
