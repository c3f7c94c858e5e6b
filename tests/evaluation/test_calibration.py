"""One temperature, fitted on validation."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from skin.errors import UserError
from skin.evaluation.calibration import fit_temperature, load_temperature, save_temperature, tempered


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
