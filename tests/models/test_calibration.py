"""One temperature, fitted on validation."""

import numpy as np
import pytest
from scipy.special import softmax

from skin.models.calibration import fit_temperature, tempered


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
