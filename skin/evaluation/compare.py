"""Two models on the same test images, compared in pairs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from skin.errors import UserError
from skin.evaluation import metrics
from skin.evaluation.headline import headline_values, resampled
from skin.evaluation.metrics import METRICS, PRIMARY, Estimate, Floats, metrics_of
from skin.evaluation.predictions import Predictions
from skin.evaluation.subgroups import MIN_LESIONS
from skin.records import to_plain
from skin.task import HAM10000, Task

ALPHA = 0.05
"""A corrected p-value below it counts as beyond chance."""

CLASS_MEASURES = {"recall": ("Recall", metrics.class_recalls), "f1": ("F1", metrics.class_f1_scores)}
"""Measures of one diagnosis that models are compared by: the label, and a function as of METRICS, a column a class."""


@dataclass(frozen=True)
class ClassDifference:
    """The difference of `b` from `a` on one diagnosis, by the name in CLASS_MEASURES.

    `difference` holds b - a with its paired 95% interval, `p` the two-sided p-values after Holm's correction for all
    that are tested; NaN where fewer than MIN_LESIONS lesions have the diagnosis, which is then not tested.
    """

    n: int
    n_lesions: int
    difference: dict[str, Estimate]
    p: dict[str, float]

    @property
    def is_tested(self) -> bool:
        """True where there are lesions enough to tell."""
        return self.n_lesions >= MIN_LESIONS

    def beyond_chance(self, measure: str) -> bool:
        """True where the difference is more than chance gives, among so many comparisons."""
        return self.p[measure] < ALPHA


@dataclass(frozen=True)
class Comparison:
    """The differences of model `b` from model `a`, each b - a with its paired 95% interval.

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
    per_class: dict[str, ClassDifference]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    mcnemar_p: float
    verdict: str
    class_verdict: str
    task: Task = HAM10000

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, the task by its name; null stands for undefined."""
        values: dict[str, Any] = to_plain({**vars(self), "task": self.task.name})
        return values


def compare(a: Predictions, b: Predictions, names: tuple[str, str]) -> Comparison:
    """Compare two models' predictions of the same images, in whichever order those stand.

    Raises UserError with the reason when the images or their true diagnoses differ.
    """
    b = in_order_of(a, b)
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    only_a, only_b = _ids(a, right_a & ~right_b), _ids(a, right_b & ~right_a)
    values_a, values_b = headline_values(a), headline_values(b)
    difference = {name: Estimate.of(values_b[name] - values_a[name]) for name in metrics_of(a.task)}
    per_class = _per_class(a, b)
    n, n_lesions = len(a.image_ids), len(set(a.lesion_ids))
    sample = f"on {n:,} images of {n_lesions:,} lesions"
    identical = np.array_equal(a.probabilities, b.probabilities)
    return Comparison(
        *names,
        n=n,
        n_lesions=n_lesions,
        identical=identical,
        difference=difference,
        per_class=per_class,
        only_a=only_a,
        only_b=only_b,
        mcnemar_p=mcnemar(len(only_a), len(only_b)),
        verdict=_sameness(names, sample) if identical else _verdict(names, difference[PRIMARY], sample),
        class_verdict=class_verdict(names, per_class, a.task),
        task=a.task,
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test, from the numbers of images that one model alone gets right."""
    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def _per_class(a: Predictions, b: Predictions) -> dict[str, ClassDifference]:
    """Each diagnosis on the same resamples of lesions as the headline; one correction for all that are tested."""
    of = {name: resampled(b, function) - resampled(a, function) for name, (_, function) in CLASS_MEASURES.items()}
    rows = [a.truth == k for k in range(len(a.task))]
    lesions = [len(np.unique(np.array(a.lesion_ids)[chosen])) for chosen in rows]
    tested = [(name, k) for name in CLASS_MEASURES for k, n in enumerate(lesions) if n >= MIN_LESIONS]
    corrected = dict(zip(tested, holm([chance(of[name][:, k]) for name, k in tested]), strict=True))
    return {
        code: ClassDifference(
            n=int(rows[k].sum()),
            n_lesions=lesions[k],
            difference={name: Estimate.of(values[:, k]) for name, values in of.items()},
            p={name: corrected.get((name, k), np.nan) for name in CLASS_MEASURES},
        )
        for k, code in enumerate(a.task.codes)
    }


def chance(differences: Floats) -> float:
    """Two-sided p-value of no difference, from what `bootstrap` returns for one, of shape (1 + N_RESAMPLES,).

    Twice the share of the resamples that lie beyond zero: the level at which the percentile interval reaches zero (Efron &
    Tibshirani 1993, chapter 15), never 0, because resamples are finitely many (Davison & Hinkley 1997, section 4.2).
    """
    found = differences[1:][np.isfinite(differences[1:])]
    beyond = min(np.sum(found <= 0), np.sum(found >= 0))
    return float(min(1, 2 * (1 + beyond) / (1 + len(found))))


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of a family of tests, corrected so that 1 family in 20 has any below 0.05 by chance (Holm 1979)."""
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(1, factors * np.array(p)[order]))
    return [float(value) for value in corrected]


def in_order_of(a: Predictions, b: Predictions) -> Predictions:
    """`b` with its images in the order of `a`.

    Raises UserError with the reason when the images or their true diagnoses differ.
    """
    if a.task.codes != b.task.codes:
        raise UserError(
            f"They tell other diagnoses apart ({', '.join(a.task.codes)}, and {', '.join(b.task.codes)}): compare runs on "
            "the same data set."
        )
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
    return Predictions(a.image_ids, a.lesion_ids, a.truth, b.probabilities[rows], a.task)


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


def class_verdict(names: tuple[str, str], per_class: Mapping[str, ClassDifference], task: Task) -> str:
    """The sentence on the diagnoses on which the models of these names differ beyond chance."""
    a, b = names
    tested = len(CLASS_MEASURES) * sum(row.is_tested for row in per_class.values())
    few = [task.diagnosis(code).name for code, row in per_class.items() if not row.is_tested]
    too_few = f" Too few lesions to tell (fewer than {MIN_LESIONS}): {', '.join(few)}." if few else ""
    if not tested:
        return f"No diagnosis has the {MIN_LESIONS} lesions that it takes to tell on which {a} and {b} differ."
    corrected = f"p < {ALPHA}, Holm's correction for {tested} comparisons"
    found = "; ".join(_class_words(per_class, task))
    if not found:
        return f"On no single diagnosis do {a} and {b} differ beyond chance ({corrected}).{too_few}"
    return f"Beyond chance ({corrected}), {b} minus {a}: {found}.{too_few}"


def _class_words(per_class: Mapping[str, ClassDifference], task: Task) -> Iterator[str]:
    """The differences beyond chance, in points."""
    for code, row in per_class.items():
        for name, (label, _) in CLASS_MEASURES.items():
            if row.beyond_chance(name):
                value, low, high = (100 * bound for bound in vars(row.difference[name]).values())
                yield f"{task.diagnosis(code).name}, {label} {value:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"
