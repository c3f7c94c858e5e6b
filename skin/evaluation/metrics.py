"""The headline metrics, each a function of weighted images, and their intervals by resampling lesions.

A resample of the test images is a vector of weights (how often each image was drawn), so that one function gives a
metric's value on the images themselves (weights of one) and on a thousand resamples at once. Where scikit-learn has
the metric, the two agree on any integer weights; a class that a resample does not contain is left out of averages.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skin.task import Task

N_RESAMPLES = 1000
N_BINS = 15
PRIMARY = "balanced_accuracy"
"""The metric that decides which of two models is better, named before anyone looks."""

_SEED = 20180814
_WEIGHTS_AT_ONCE = 10**6
"""Weights drawn at once, one an image and resample: more would need much memory, fewer would take longer."""

Truth = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Metric:
    """A row of METRICS.

    `function` takes the task, truth of shape (n_images,), probabilities of shape (n_images, n_classes) and weights of
    shape (n_resamples, n_images), and returns values of shape (n_resamples,), NaN where a resample leaves it undefined.
    `applies` is whether a task has what it asks for. No value is below 0 or above `largest`.
    """

    label: str
    help: str
    function: Callable[[Task, Truth, Floats, Floats], Floats]
    higher_is_better: bool = True
    needs_probabilities: bool = False
    applies: Callable[[Task], bool] = lambda _: True
    largest: float = 1.0

    @property
    def directed_label(self) -> str:
        """The label and, where a lower value is the better one, that."""
        return self.label if self.higher_is_better else f"{self.label} (lower is better)"


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval; NaN where it is undefined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The estimate from a statistic and its resamples, of shape (1 + N_RESAMPLES,) as `bootstrap` returns them."""
        resampled = values[1:][np.isfinite(values[1:])]
        if np.isnan(values[0]) or not resampled.size:
            return cls(float(values[0]), np.nan, np.nan)
        low, high = np.percentile(resampled, [2.5, 97.5])
        return cls(float(values[0]), float(low), float(high))


def bootstrap(statistic: Callable[[Floats], Floats], lesion_ids: Sequence[str]) -> Floats:
    """A statistic on the images themselves (first row) and on N_RESAMPLES resamples, of shape (1 + N_RESAMPLES, ...).

    Whole lesions are drawn with replacement, because images of one lesion are no independent evidence (the cluster
    bootstrap, Davison & Hinkley 1997, section 3.8). The draws depend on the lesions alone, so that the resamples of
    two models on the same images are paired.
    """
    return np.concatenate([statistic(weights) for weights in _weights(lesion_ids)])


def _weights(lesion_ids: Sequence[str]) -> Iterator[Floats]:
    """Weights of one, then those of all resamples, a few at a time to bound the memory."""
    lesions, lesion_of_image = np.unique(lesion_ids, return_inverse=True)
    yield np.ones((1, len(lesion_of_image)))
    rng = np.random.default_rng(_SEED)
    at_once = max(1, _WEIGHTS_AT_ONCE // len(lesion_of_image))
    for first in range(0, N_RESAMPLES, at_once):
        draws = rng.integers(len(lesions), size=(min(at_once, N_RESAMPLES - first), len(lesions)))
        counts = np.stack([np.bincount(draw, minlength=len(lesions)) for draw in draws], axis=1, dtype=np.float64)
        yield counts[lesion_of_image].T  # an image's weights lie side by side, as `_sums` reads them


def _sums(group: NDArray[np.int64], n_groups: int, weights: Floats, values: Floats | None = None) -> Floats:
    """The weighted number, or sum of values, of the images of each group, of shape (n_resamples, n_groups)."""
    content = np.ones(len(group)) if values is None else values
    members = csr_array((content, (group, np.arange(len(group)))), shape=(n_groups, len(group)))
    sums: Floats = (members @ weights.T).T
    return sums


def confusions(truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Weighted confusion matrices, of shape (n_resamples, n_classes, n_classes).

    Rows are the truth, columns the most probable diagnosis.
    """
    n_classes = probabilities.shape[1]
    counts = _sums(truth * n_classes + probabilities.argmax(axis=1), n_classes**2, weights)
    return counts.reshape(-1, n_classes, n_classes)


def recalls(confusion: Floats) -> Floats:
    """Recall of each class, of shape (..., n_classes); NaN for a class without images."""
    return ratio(_diagonal(confusion), confusion.sum(axis=-1))


def precisions(confusion: Floats) -> Floats:
    """Precision of each class, of shape (..., n_classes); NaN for a class that is never predicted."""
    return ratio(_diagonal(confusion), confusion.sum(axis=-2))


def f1_scores(confusion: Floats) -> Floats:
    """F1 of each class, of shape (..., n_classes); NaN for a class neither present nor predicted."""
    return ratio(2 * _diagonal(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def auc(positive: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve on each resample, of shape (n_resamples,); NaN where only one kind is present.

    The Mann-Whitney statistic: the weighted share of pairs in which the positive scores higher, a tie counting half. The
    images of the commoner kind are counted below each score of the rarer one.
    """
    rare_is_positive = bool(positive.mean() <= 0.5)
    rare, common = positive == rare_is_positive, positive != rare_is_positive
    levels = np.unique(scores[rare])
    low, high = (np.searchsorted(levels, scores, side) for side in ("left", "right"))
    n_levels = len(levels) + 1  # the last is above all of them
    rares = _sums(low, n_levels, weights, rare)
    commons = _sums(low, n_levels, weights, common / 2) + _sums(high, n_levels, weights, common / 2)
    outscored = np.einsum("rl,rl->r", rares, commons.T.cumsum(axis=0).T)
    pairs = rares.sum(axis=1) * (weights @ common)
    return ratio(outscored if rare_is_positive else pairs - outscored, pairs)


def class_recalls(truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Recall of each class where the most probable diagnosis is the prediction, of shape (n_resamples, n_classes)."""
    return recalls(confusions(truth, probabilities, weights))


def class_f1_scores(truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """F1 of each class where the most probable diagnosis is the prediction, of shape (n_resamples, n_classes)."""
    return f1_scores(confusions(truth, probabilities, weights))


def class_aucs(truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Area under each class's one-against-the-rest ROC curve, of shape (n_resamples, n_classes)."""
    classes = range(probabilities.shape[1])
    return np.stack([auc(truth == k, probabilities[:, k], weights) for k in classes], axis=1)


def detection(positive: NDArray[np.bool_], called: NDArray[np.bool_], weights: Floats) -> Floats:
    """Sensitivity, specificity, positive and negative predictive value, of shape (n_resamples, n_thresholds, 4).

    `positive` says of each image whether it is of the kind sought, of shape (n_images,), and `called`, of shape
    (n_images, n_thresholds), whether it is taken for one.
    """
    found, left_alone = weights @ (called & positive[:, None]), weights @ ~(called | positive[:, None])
    positives, negatives = (weights @ positive)[:, None], (weights @ ~positive)[:, None]
    shares = (
        ratio(found, positives),
        ratio(left_alone, negatives),
        ratio(found, weights @ called),
        ratio(left_alone, weights @ ~called),
    )
    return np.stack(shares, axis=-1)


def malignant_scores(task: Task, probabilities: Floats) -> Floats:
    """Probability that the lesion is malignant, the sum over the task's malignant diagnoses, of shape (n_images,)."""
    scores: Floats = probabilities[:, task.malignant].sum(axis=1, dtype=np.float64)
    return scores


def is_malignant(task: Task, truth: Truth) -> NDArray[np.bool_]:
    """True for each image that shows one of the task's malignant diagnoses, of shape (n_images,)."""
    return np.isin(truth, task.malignant)


def _accuracy(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return ratio(weights @ (probabilities.argmax(axis=1) == truth), weights.sum(axis=1))


def _balanced_accuracy(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return _mean(class_recalls(truth, probabilities, weights))


def _macro_f1(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    is_there = np.isin(np.arange(probabilities.shape[1]), truth)  # of the others none can be recognised
    return _mean(class_f1_scores(truth, probabilities, weights)[:, is_there])


def _weighted_f1(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    confusion = confusions(truth, probabilities, weights)
    support = confusion.sum(axis=2)
    return ratio(np.nansum(f1_scores(confusion) * support, axis=1), support.sum(axis=1))


def _macro_auc(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return _mean(class_aucs(truth, probabilities, weights))


def _melanoma_sensitivity(task: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return class_recalls(truth, probabilities, weights)[:, task.index("mel")]


def _malignant_auc(task: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return auc(is_malignant(task, truth), malignant_scores(task, probabilities), weights)


def expected_calibration_error(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Mean gap between confidence and accuracy over N_BINS bins of confidence (Guo et al. 2017)."""
    gaps = (probabilities.argmax(axis=1) == truth) - probabilities.max(axis=1)
    of_bins = _sums(confidence_bins(probabilities), N_BINS, weights, gaps)
    return ratio(np.abs(of_bins).sum(axis=1), weights.sum(axis=1))


def class_calibration_errors(truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Mean gap between each class's probability and its share over N_BINS bins of it, of shape (n_resamples, n_classes).

    The class-wise calibration error of Kull et al. 2019.
    """
    total = weights.sum(axis=1)
    errors = []
    for k, column in enumerate(probabilities.T):
        of_bins = _sums(_bins(column), N_BINS, weights, (truth == k) - column.astype(np.float64))
        errors.append(ratio(np.abs(of_bins).sum(axis=1), total))
    return np.stack(errors, axis=1)


def brier_score(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier 1950): 0 to 2."""
    distances = (probabilities.astype(np.float64) - np.eye(probabilities.shape[1])[truth]) ** 2
    return ratio(weights @ distances.sum(axis=1), weights.sum(axis=1))


def log_loss(_: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    """Mean of minus the logarithm of the true diagnosis' probability, of which a zero counts as float32's epsilon."""
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    losses = -np.log(np.maximum(of_truth, np.finfo(np.float32).eps))
    return ratio(weights @ losses, weights.sum(axis=1))


def confidence_bins(probabilities: Floats) -> NDArray[np.int64]:
    """The bin (low, high], of N_BINS, that each image's highest probability lies in, of shape (n_images,)."""
    return _bins(probabilities.max(axis=1))


def _bins(values: Floats) -> NDArray[np.int64]:
    inner_edges = np.linspace(0, 1, N_BINS + 1)[1:-1]
    bins: NDArray[np.int64] = np.digitize(values, inner_edges, right=True)
    return bins


def _diagonal(confusion: Floats) -> Floats:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, NaN where nothing is counted."""
    quotient: Floats = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _mean(by_class: Floats) -> Floats:
    """Mean over the classes that are defined, of shape (n_resamples,)."""
    return ratio(np.nansum(by_class, axis=1), np.isfinite(by_class).sum(axis=1))


METRICS: dict[str, Metric] = {
    "accuracy": Metric("Accuracy", "Share of images whose most probable diagnosis is right.", _accuracy),
    "balanced_accuracy": Metric(
        "Balanced accuracy", "Mean recall of the diagnoses, each counting alike however rare.", _balanced_accuracy
    ),
    "macro_f1": Metric("Macro F1", "Mean F1 of the diagnoses, each counting alike.", _macro_f1),
    "weighted_f1": Metric("Weighted F1", "Mean F1 of the diagnoses, weighted by their number of images.", _weighted_f1),
    "macro_auc": Metric(
        "Macro AUC",
        "Mean area under the ROC curve of each diagnosis against the rest; 0.5 is chance.",
        _macro_auc,
        needs_probabilities=True,
    ),
    "melanoma_sensitivity": Metric(
        "Melanoma sensitivity",
        "Share of melanomas whose most probable diagnosis is melanoma.",
        _melanoma_sensitivity,
        applies=lambda task: task.find("mel") is not None,
    ),
    "malignant_auc": Metric(
        "Malignant AUC",
        "Area under the ROC curve of the summed probability of the malignant diagnoses, for malignant against the rest.",
        _malignant_auc,
        needs_probabilities=True,
        applies=lambda task: task.tells_malignant,
    ),
    "ece": Metric(
        "Calibration error",
        "Mean gap between confidence and accuracy over 15 bins of confidence (Guo et al. 2017); lower is better.",
        expected_calibration_error,
        higher_is_better=False,
        needs_probabilities=True,
    ),
    "brier": Metric(
        "Brier score",
        "Mean squared distance of the probabilities from the truth, summed over the diagnoses (Brier 1950); lower is better.",
        brier_score,
        higher_is_better=False,
        needs_probabilities=True,
        largest=2.0,
    ),
    "log_loss": Metric(
        "Log loss",
        "Mean of minus the logarithm of the true diagnosis' probability (cross-entropy); lower is better.",
        log_loss,
        higher_is_better=False,
        needs_probabilities=True,
        largest=np.inf,
    ),
}


def metrics_of(task: Task) -> dict[str, Metric]:
    """The rows of METRICS that the task has what it takes for."""
    return {name: metric for name, metric in METRICS.items() if metric.applies(task)}
