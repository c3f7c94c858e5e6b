"""The metrics agree with scikit-learn, weights of a resample included."""

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from ham import CODES, MALIGNANT
from numpy.typing import NDArray
from sklearn import metrics as sk

from skin.evaluation import metrics
from skin.evaluation.metrics import METRICS, Estimate, bootstrap
from skin.task import HAM10000

Arrays = tuple[NDArray[np.int64], NDArray[np.float64]]


def sample(n: int = 300, seed: int = 0, classes: int = 7) -> Arrays:
    """Truth and informative probabilities, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    probabilities = rng.dirichlet(np.ones(7), n) + 0.5 * np.eye(7)[truth] * rng.random((n, 1))
    return truth, np.round(probabilities / probabilities.sum(axis=1, keepdims=True), 2)


def one_against_rest_auc(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    return float(np.mean([sk.roc_auc_score(truth == k, probabilities[:, k]) for k in np.unique(truth)]))


def melanoma_recall(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    mel = CODES.index("mel")
    return float(sk.recall_score(truth == mel, probabilities.argmax(axis=1) == mel))


def calibration_error(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Bin by bin, as the definition reads."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    error = 0.0
    for low, high in pairwise(np.linspace(0, 1, 16)):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


ORACLES: dict[str, Callable[[NDArray[np.int64], NDArray[np.float64]], float]] = {
    "accuracy": lambda truth, p: sk.accuracy_score(truth, p.argmax(axis=1)),
    "balanced_accuracy": lambda truth, p: sk.balanced_accuracy_score(truth, p.argmax(axis=1)),
    "macro_f1": lambda truth, p: sk.f1_score(truth, p.argmax(axis=1), labels=np.unique(truth), average="macro"),
    "weighted_f1": lambda truth, p: sk.f1_score(truth, p.argmax(axis=1), average="weighted"),
    "macro_auc": one_against_rest_auc,
    "melanoma_sensitivity": melanoma_recall,
    "malignant_auc": lambda truth, p: sk.roc_auc_score(np.isin(truth, MALIGNANT), p[:, MALIGNANT].sum(axis=1)),
    "ece": calibration_error,
    "brier": lambda truth, p: float(((p - np.eye(7)[truth]) ** 2).sum(axis=1).mean()),
    "log_loss": lambda truth, p: -np.log(np.maximum(p[np.arange(len(truth)), truth], 2**-23)).mean(),
}


@pytest.mark.parametrize("name", METRICS)
def test_weights_of_one_give_the_value_on_the_images(name: str) -> None:
    truth, probabilities = sample()
    (value,) = METRICS[name].function(HAM10000, truth, probabilities, np.ones((1, len(truth))))
    assert value == pytest.approx(ORACLES[name](truth, probabilities))


@pytest.mark.parametrize("name", METRICS)
def test_weights_count_how_often_an_image_was_drawn(name: str) -> None:
    truth, probabilities = sample()
    weights = np.random.default_rng(1).integers(0, 4, size=(5, len(truth)))
    values = METRICS[name].function(HAM10000, truth, probabilities, weights.astype(float))
    repeated = [ORACLES[name](np.repeat(truth, row), np.repeat(probabilities, row, axis=0)) for row in weights]
    assert values == pytest.approx(repeated)


@pytest.mark.parametrize("name", METRICS)
def test_a_class_without_images_is_left_out(name: str) -> None:
    truth, probabilities = sample(classes=5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        expected = ORACLES[name](truth, probabilities)
    (value,) = METRICS[name].function(HAM10000, truth, probabilities, np.ones((1, len(truth))))
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
def test_one_image_alone_never_warns(name: str) -> None:
    truth, probabilities = sample()
    (value,) = METRICS[name].function(HAM10000, truth[:1], probabilities[:1], np.ones((1, 1)))
    undefined = {"macro_auc", "melanoma_sensitivity", "malignant_auc"}
    assert np.isnan(value) == (name in undefined)


def test_macro_auc_is_that_of_scikit_learn() -> None:
    truth, probabilities = sample()
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    (value,) = METRICS["macro_auc"].function(HAM10000, truth, probabilities, np.ones((1, len(truth))))
    assert value == pytest.approx(sk.roc_auc_score(truth, probabilities, multi_class="ovr"))


def test_log_loss_and_brier_score_are_those_of_scikit_learn() -> None:
    truth, probabilities = sample()
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    ones = np.ones((1, len(truth)))
    values = {name: METRICS[name].function(HAM10000, truth, probabilities, ones)[0] for name in ("log_loss", "brier")}
    assert values["log_loss"] == pytest.approx(sk.log_loss(truth, probabilities), rel=1e-5)
    by_class = [sk.brier_score_loss(truth == k, probabilities[:, k]) for k in range(7)]
    assert values["brier"] == pytest.approx(sum(by_class), rel=1e-5)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_auc_is_that_of_scikit_learn_whichever_kind_is_rarer(share: float) -> None:
    rng = np.random.default_rng(3)
    positive = np.concatenate([[True, False], rng.random(298) < share])
    scores, weights = np.round(rng.random(300) + 0.2 * positive, 1), rng.integers(0, 4, size=(5, 300)).astype(float)
    weights[:, :2] = 1
    expected = [sk.roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    assert metrics.auc(positive, scores, weights) == pytest.approx(expected)


def test_class_values_are_those_of_scikit_learn() -> None:
    truth, probabilities = sample(classes=5)
    predicted = np.minimum(probabilities.argmax(axis=1), 5)
    (confusion,) = metrics.confusions(truth, np.eye(7)[predicted], np.ones((1, len(truth))))
    expected = sk.precision_recall_fscore_support(truth, predicted, labels=range(7), zero_division=np.nan)
    assert confusion.tolist() == sk.confusion_matrix(truth, predicted, labels=range(7)).tolist()
    assert metrics.precisions(confusion) == pytest.approx(expected[0], nan_ok=True)
    assert metrics.recalls(confusion) == pytest.approx(expected[1], nan_ok=True)
    assert metrics.f1_scores(confusion) == pytest.approx(expected[2], nan_ok=True)


def test_bootstrap_draws_whole_lesions() -> None:
    lesion_ids = ["a", "a", "b", "c", "c", "c"]
    weights = bootstrap(lambda weights: weights, lesion_ids)
    assert weights.shape == (1001, 6)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5


def test_bootstrap_gives_the_same_draws_again() -> None:
    lesion_ids = [str(i // 2) for i in range(20)]
    assert (bootstrap(lambda w: w, lesion_ids) == bootstrap(lambda w: w, lesion_ids)).all()


def test_interval_is_wider_when_images_share_lesions() -> None:
    right = np.random.default_rng(0).random(100) < 0.7
    truth, probabilities = np.zeros(400, np.int64), np.eye(7)[np.where(np.repeat(right, 4), 0, 1)]

    def accuracy(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return METRICS["accuracy"].function(HAM10000, truth, probabilities, weights)

    by_image = Estimate.of(bootstrap(accuracy, [str(i) for i in range(400)]))
    by_lesion = Estimate.of(bootstrap(accuracy, [str(i // 4) for i in range(400)]))
    assert by_image.value == by_lesion.value
    assert (by_lesion.high - by_lesion.low) == pytest.approx(2 * (by_image.high - by_image.low), rel=0.15)
    assert (by_lesion.high - by_lesion.low) == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 100), rel=0.15)


def test_estimate_of_an_undefined_value_is_undefined() -> None:
    estimate = Estimate.of(np.full(1001, np.nan))
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()


def test_estimate_leaves_out_resamples_without_a_value() -> None:
    assert Estimate.of(np.array([2.0, np.nan, 1.0, 3.0])) == Estimate(2.0, pytest.approx(1.05), pytest.approx(2.95))
