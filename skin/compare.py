"""Two models on the same test images, compared in pairs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from skin import metrics
from skin.errors import UserError
from skin.lesion import CODES
from skin.metrics import METRICS, PRIMARY, Estimate
from skin.report import Predictions, headline_values, resampled, to_plain


@dataclass(frozen=True)
class Comparison:
    """How model `b` differs from model `a`; every difference is b - a with its paired 95% interval.

    `only_a` and `only_b` are the ids of the images that one model alone gets right; `mcnemar_p` is the exact p-value
    of their numbers being so unlike by chance (McNemar's test, which takes images as independent). `identical` models
    give every image the same probabilities: one is a copy of the other, and there is nothing to tell apart.
    """

    a: str
    b: str
    n: int
    n_lesions: int
    identical: bool
    difference: dict[str, Estimate]
    per_class_f1: dict[str, Estimate]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    mcnemar_p: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; null stands for undefined."""
        values: dict[str, Any] = to_plain(self)
        return values


def compare(a: Predictions, b: Predictions, names: tuple[str, str]) -> Comparison:
    """Compare two models' predictions of the same images, in whichever order those stand.

    Raises UserError with the reason when the images or their true diagnoses differ.
    """
    b = in_order_of(a, b)
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    only_a, only_b = _ids(a, right_a & ~right_b), _ids(a, right_b & ~right_a)
    values_a, values_b = headline_values(a), headline_values(b)
    difference = {name: Estimate.of(values_b[name] - values_a[name]) for name in METRICS}
    f1_scores = resampled(b, metrics.class_f1_scores) - resampled(a, metrics.class_f1_scores)
    n, n_lesions = len(a.image_ids), len(set(a.lesion_ids))
    sample = f"on {n:,} images of {n_lesions:,} lesions"
    identical = np.array_equal(a.probabilities, b.probabilities)
    return Comparison(
        *names,
        n=n,
        n_lesions=n_lesions,
        identical=identical,
        difference=difference,
        per_class_f1={code: Estimate.of(values) for code, values in zip(CODES, f1_scores.T, strict=True)},
        only_a=only_a,
        only_b=only_b,
        mcnemar_p=mcnemar(len(only_a), len(only_b)),
        verdict=_sameness(names, sample) if identical else _verdict(names, difference[PRIMARY], sample),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test, from the numbers of images that one model alone gets right."""
    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def in_order_of(a: Predictions, b: Predictions) -> Predictions:
    """`b` with its images in the order of `a`.

    Raises UserError with the reason when the images or their true diagnoses differ.
    """
    row = {image_id: i for i, image_id in enumerate(b.image_ids)}
    shared = [image_id for image_id in a.image_ids if image_id in row]
    if len(shared) < max(len(a.image_ids), len(b.image_ids)):
        raise UserError(
            f"The test sets differ ({len(a.image_ids):,} and {len(b.image_ids):,} images, {len(shared):,} in both): "
            "compare runs that share data set, split and seed."
        )
    rows = [row[image_id] for image_id in a.image_ids]
    if not np.array_equal(a.truth, b.truth[rows]):
        raise UserError(
            f"The true diagnosis of {np.sum(a.truth != b.truth[rows]):,} test images differs: "
            "compare runs on the same data set."
        )
    return Predictions(a.image_ids, a.lesion_ids, a.truth, b.probabilities[rows])


def _ids(predictions: Predictions, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(predictions.image_ids[i] for i in np.flatnonzero(chosen))


def _sameness(names: tuple[str, str], sample: str) -> str:
    a, b = names
    return f"{a} and {b} give the same probabilities {sample}: they are one model, and there is nothing to compare."


def _verdict(names: tuple[str, str], difference: Estimate, sample: str) -> str:
    a, b = names
    label = METRICS[PRIMARY].label.lower()
    value, low, high = (100 * bound for bound in (difference.value, difference.low, difference.high))
    if low > 0:
        return f"{b} is better than {a} {sample}: {label} {value:.1f} points higher (95% interval {low:.1f} to {high:.1f})."
    if high < 0:
        return f"{a} is better than {b} {sample}: {label} {-value:.1f} points higher (95% interval {-high:.1f} to {-low:.1f})."
    return (
        f"{a} and {b} cannot be told apart by {label} {sample}: that of {b} minus that of {a} is {value:+.1f} points "
        f"(95% interval {low:+.1f} to {high:+.1f})."
    )
