"""One temperature, fitted on validation."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from skin.errors import UserError
from skin.evaluation.calibration import (
    fit_temperature,
    known_temperature,
    load_temperature,
    save_temperature,
    tempered,
)
from skin.evaluation.metrics import Estimate, bootstrap
from skin.evaluation.predictions import Predictions, load_predictions
from skin.workspace import PROJECT


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_probabilities_is_found(true_temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 7)) * 2
    truth = np.array([rng.choice(7, p=row) for row in softmax(logits, axis=1)])
    spoiled = softmax(logits / true_temperature, axis=1)[None].astype(np.float32)
    assert fit_temperature(spoiled, truth) == pytest.approx(1 / true_temperature, rel=0.1)


def test_temperature_one_leaves_the_mean_over_views() -> None:
    views = softmax(np.random.default_rng(0).normal(size=(8, 5, 7)), axis=-1).astype(np.float32)
    np.testing.assert_allclose(tempered(views, 1.0), views.mean(axis=0), atol=1e-6)


def test_certain_probabilities_stay_finite() -> None:
    views = np.eye(7, dtype=np.float32)[None]
    assert np.isfinite(tempered(views, 2.0)).all()
    assert np.isfinite(fit_temperature(views, np.arange(7)))


def test_a_temperature_is_saved_and_loaded(tmp_path: Path) -> None:
    save_temperature(tmp_path / "calibration.json", 1.25)
    assert load_temperature(tmp_path / "calibration.json") == 1.25


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"temperature": null}', '{"temperature": NaN}', '{"temperature": 0}']
)
def test_a_damaged_temperature_is_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(UserError, match="holds no temperature"):
        load_temperature(path)
    assert known_temperature(path) is None


def as_logits(predictions: Predictions) -> NDArray[np.float64]:
    return np.log(np.maximum(predictions.probabilities.astype(np.float64), 1e-30))


def scaled(logits: NDArray[np.float64], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log probabilities with a factor and an offset for each diagnosis."""
    return log_softmax(logits * parameters[:7] + parameters[7:], axis=1)


def vector_scaling_losses(validation: Predictions, seed: int) -> NDArray[np.float64]:
    """The log loss of each image under vector scaling that was fitted on the lesions of four other folds."""
    logits, truth, losses = as_logits(validation), validation.truth, np.zeros(len(validation.truth))
    lesions = np.unique(validation.lesion_ids, return_inverse=True)[1]
    folds = np.random.default_rng(seed).integers(5, size=lesions.max() + 1)[lesions]
    for fold in range(5):
        known, left = folds != fold, folds == fold

        def loss(parameters: NDArray[np.float64], known: NDArray[np.bool_] = known) -> float:
            rows = scaled(logits[known], parameters)
            return float(-rows[np.arange(len(rows)), truth[known]].mean())

        found = minimize(loss, np.r_[np.ones(7), np.zeros(7)], method="L-BFGS-B").x
        losses[left] = -scaled(logits[left], found)[np.arange(left.sum()), truth[left]]
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ham10000-image", "ham10000-multimodal"])
def test_vector_scaling_does_not_win_on_the_validation_part_of_the_shipped_runs(name: str) -> None:
    """As `docs/decisions.md` says, and why it is left out."""
    validation = load_predictions(PROJECT / "checkpoints" / name / "predictions.npz")["validation"]
    as_they_are = -as_logits(validation)[np.arange(len(validation.truth)), validation.truth]
    gains = np.mean([vector_scaling_losses(validation, seed) for seed in range(5)], axis=0) - as_they_are
    difference = Estimate.of(bootstrap(lambda weights: weights @ gains / weights.sum(axis=1), validation.lesion_ids))
    assert difference.low < 0 < difference.high
