"""The outcome of an experiment: what its runs, over folds and seeds, say together about what is compared.

The test parts of the folds of a seed are disjoint, so that every image has one out-of-fold prediction of each seed, made by
a network that never saw its lesion. A figure of a seed is that of all these predictions together, not the mean over
folds: a fold may hold a handful of lesions of a rare diagnosis (Forman & Scholz 2010, ACM SIGKDD Explorations 12, 49–57). For
an AUC they advise the mean, because networks of different folds may score on different scales; here all scores are calibrated
probabilities, and a fold may have too few lesions for an AUC of its own.
Lesions are resampled once for all variants and seeds, so that everything is paired.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from skin.errors import UserError
from skin.evaluation.compare import CLASS_MEASURES, ClassDifference, class_verdict, holm, in_order_of
from skin.evaluation.headline import headline_columns
from skin.evaluation.metrics import METRICS, PRIMARY, Floats, bootstrap, metrics_of
from skin.evaluation.predictions import Predictions
from skin.evaluation.subgroups import MIN_LESIONS
from skin.experiments.pooled import Pooled, pooled
from skin.records import to_plain
from skin.task import Task

CAVEAT = "The lesions to train on are given: what others would have changed is in no interval."
"""The limit of every interval of an outcome, whatever the number of runs."""


class Cell(NamedTuple):
    """The place of a run in an experiment: what it varies, which fold it tests, and its seed."""

    variant: str
    fold: int
    seed: int

    def __str__(self) -> str:
        return f"{self.variant}, fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True)
class Contrast:
    """Two variants that are compared: `b` has the `cause`, the subject of a sentence ("metadata"), and `a` has not.

    `where` tells it from other contrasts of the experiment; "" of an only one.
    """

    a: str
    b: str
    cause: str
    where: str = ""


@dataclass(frozen=True)
class Point:
    """The metrics of one run on the `n` images of its own test part."""

    variant: str
    fold: int
    seed: int
    n: int
    figures: dict[str, float]


@dataclass(frozen=True)
class LeftOut:
    """A run that is in no figure, and the sentence that says why."""

    variant: str
    fold: int
    seed: int
    reason: str


@dataclass(frozen=True)
class PooledClass:
    """The two variants on one diagnosis, by the names in CLASS_MEASURES.

    `p` holds the p-values of the differences after Holm's correction for all that are tested; NaN where fewer than
    MIN_LESIONS lesions have the diagnosis, which is then not tested.
    """

    n: int
    n_lesions: int
    figures: dict[str, dict[str, Pooled]]
    difference: dict[str, Pooled]
    p: dict[str, float]

    @property
    def paired(self) -> ClassDifference:
        """The differences with the widest intervals that are known, as of two runs."""
        intervals = {name: value.interval for name, value in self.difference.items()}
        return ClassDifference(self.n, self.n_lesions, intervals, self.p)


@dataclass(frozen=True)
class PooledComparison:
    """The two variants of a contrast over `folds` and `seeds`, of which every pair has finished in both.

    `finished` counts the runs of both that fit together, those in no pooled figure too. `figures` has the metrics of each
    variant; `difference` and that of each diagnosis are b - a, paired.
    """

    contrast: Contrast
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    finished: int
    n: int
    n_lesions: int
    figures: dict[str, dict[str, Pooled]]
    difference: dict[str, Pooled]
    per_class: dict[str, PooledClass]
    verdict: str
    class_verdict: str

    @property
    def scope(self) -> str:
        """The sentence on what the pooled figures rest on."""
        n_runs = 2 * len(self.folds) * len(self.seeds)
        folds = f"{len(self.folds)} folds" if len(self.folds) > 1 else "one test part"
        seeds = f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "one seed"
        sentence = (
            f"{self.n:,} images of {self.n_lesions:,} lesions: {n_runs} runs, both variants on {folds} with {seeds}."
        )
        more = self.finished - n_runs
        if not more:
            return sentence
        runs = "one more finished run is a point" if more == 1 else f"{more} more finished runs are points"
        whole = "folds that have finished with every seed" if len(self.folds) > 1 else "seeds that have finished"
        return f"{sentence} {runs[0].upper()}{runs[1:]} alone: pooled are {whole} in both."


@dataclass(frozen=True)
class Outcome:
    """Everything that the finished runs of an experiment say: `points` of each, and `comparisons` of what can be compared.

    `planned` runs belong to the experiment; `left_out` are those that could not be read, or do not fit the others; `notes`
    say how far the figures go.
    """

    planned: int
    comparisons: tuple[PooledComparison, ...]
    points: tuple[Point, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    task: Task

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, the task by its name; null stands for undefined."""
        values: dict[str, Any] = to_plain({**vars(self), "task": self.task.name})
        return values


def outcome(
    runs: Mapping[Cell, Predictions],
    contrasts: Sequence[Contrast],
    task: Task,
    missing: Mapping[Cell, str] = MappingProxyType({}),
) -> Outcome:
    """The outcome of the test predictions of finished runs; `missing` says of each other run why it is not among them.

    A run that was not tested on the same images as the other runs of its fold, or on images of another fold, is left out.
    """
    fitting, unfit = _fitting(runs)
    comparisons = [_comparison(fitting, contrast) for contrast in contrasts]
    planned = len(runs) + len(missing)
    return Outcome(
        planned=planned,
        comparisons=tuple(comparison for comparison in comparisons if comparison),
        points=tuple(_point(cell, fitting[cell]) for cell in sorted(fitting)),
        left_out=tuple(LeftOut(*cell, reason) for cell, reason in sorted({**missing, **unfit}.items())),
        notes=tuple(_notes(len(fitting), planned, dict(zip(contrasts, comparisons, strict=True)))),
        task=task,
    )


def out_of_fold(runs: Mapping[Cell, Predictions], variant: str, folds: Iterable[int], seed: int) -> Predictions:
    """The predictions of all these folds of one seed together. Raises UserError when two of them share an image."""
    parts = [runs[Cell(variant, fold, seed)] for fold in folds]
    return Predictions(
        image_ids=tuple(image_id for part in parts for image_id in part.image_ids),
        lesion_ids=tuple(lesion_id for part in parts for lesion_id in part.lesion_ids),
        truth=np.concatenate([part.truth for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        task=parts[0].task,
    )


def _fitting(runs: Mapping[Cell, Predictions]) -> tuple[dict[Cell, Predictions], dict[Cell, str]]:
    """The runs that can be put together, images of a fold in one order, and of each other one the reason."""
    fitting, unfit, seen = {}, {}, set[str]()
    for fold in sorted({cell.fold for cell in runs}):
        members = {cell: runs[cell] for cell in sorted(runs) if cell.fold == fold}
        usual = _usual(list(members.values()))
        for cell, predictions in members.items():
            try:
                fitting[cell] = _in_order(usual, predictions, seen)
            except UserError as error:
                unfit[cell] = str(error)
        seen |= set(usual.image_ids)
    return fitting, unfit


def _usual(members: Sequence[Predictions]) -> Predictions:
    """The predictions of the images, and their diagnoses, that most of the runs of a fold were tested on."""
    tests = [frozenset(zip(own.image_ids, own.truth.tolist(), strict=True)) for own in members]
    return members[tests.index(Counter(tests).most_common(1)[0][0])]


def _in_order(usual: Predictions, own: Predictions, seen: Collection[str]) -> Predictions:
    if shared := len(set(seen).intersection(own.image_ids)):
        raise UserError(
            f"{shared:,} of its test images were tested in another fold: its split is not that of the others."
        )
    return in_order_of(usual, own)


def _point(cell: Cell, predictions: Predictions) -> Point:
    names = list(metrics_of(predictions.task))
    n = len(predictions.image_ids)
    (values,) = headline_columns(predictions, names, np.ones((1, n)))
    return Point(*cell, n, dict(zip(names, values.tolist(), strict=True)))


def _crossed(finished: Collection[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The folds and seeds, all of them with all among the finished pairs of both, that there are the most runs of.

    Every seed then judges every image, as the variance of a pooled figure takes it; of as many runs, the more images.
    """
    folds_of = {seed: frozenset(fold for fold, own in finished if own == seed) for _, seed in finished}
    shared = {one & other for one in folds_of.values() for other in folds_of.values()}
    choices = [
        (sorted(folds), sorted(seed for seed, own in folds_of.items() if folds <= own)) for folds in shared if folds
    ]
    folds, seeds = min(choices, key=lambda choice: (-len(choice[0]) * len(choice[1]), -len(choice[0]), choice))
    return tuple(folds), tuple(seeds)


Arms = Sequence[Sequence[Predictions]]
"""The out-of-fold predictions of both variants of a contrast, by seed; images in one order."""


def _comparison(runs: Mapping[Cell, Predictions], contrast: Contrast) -> PooledComparison | None:
    """The comparison of what has finished in both variants; None where nothing has."""
    variants = contrast.a, contrast.b
    a, b = ({(cell.fold, cell.seed) for cell in runs if cell.variant == variant} for variant in variants)
    if not a & b:
        return None
    folds, seeds = _crossed(a & b)
    arms = [[out_of_fold(runs, variant, folds, seed) for seed in seeds] for variant in variants]
    images = arms[0][0]
    values, of_classes = _resampled(arms)
    largest = {name: metric.largest for name, metric in metrics_of(images.task).items()}
    difference = _differences(largest, values[:, 1] - values[:, 0])
    per_class = _per_class(images, contrast, of_classes)
    return PooledComparison(
        contrast=contrast,
        folds=folds,
        seeds=seeds,
        finished=len(a) + len(b),
        n=len(images.image_ids),
        n_lesions=len(set(images.lesion_ids)),
        figures={variant: _figures(largest, values[:, arm]) for arm, variant in enumerate(variants)},
        difference=difference,
        per_class=per_class,
        verdict=_verdict(contrast, difference[PRIMARY]),
        class_verdict=_class_verdict(contrast, per_class, images.task, len(seeds)),
    )


def _resampled(arms: Arms) -> tuple[Floats, Floats]:
    """Every figure on the lesions and their resamples, the same ones for all.

    The metrics, of shape (n_metrics, 2, n_seeds, 1 + N_RESAMPLES), and the CLASS_MEASURES, of shape (n_measures,
    n_classes, 2, n_seeds, 1 + N_RESAMPLES).
    """
    sets = [predictions for arm in arms for predictions in arm]
    task = sets[0].task
    names = list(metrics_of(task))
    columns = bootstrap(
        lambda weights: np.stack([_columns(own, names, weights) for own in sets], axis=1), sets[0].lesion_ids
    )
    values = columns.T.reshape(columns.shape[2], len(arms), len(arms[0]), len(columns))
    return values[: len(names)], values[len(names) :].reshape(len(CLASS_MEASURES), len(task), *values.shape[1:])


def _columns(predictions: Predictions, names: Sequence[str], weights: Floats) -> Floats:
    """The metrics of these names, then each of CLASS_MEASURES of each class, of shape (n_resamples, n_figures)."""
    measures = [
        function(predictions.truth, predictions.probabilities, weights) for _, function in CLASS_MEASURES.values()
    ]
    return np.concatenate([headline_columns(predictions, names, weights), *measures], axis=1)


def _figures(largest: Mapping[str, float], values: Floats) -> dict[str, Pooled]:
    """The pooled figures by their names, from the largest value that each can have."""
    return {name: pooled(own, 0.0, most) for (name, most), own in zip(largest.items(), values, strict=True)}


def _differences(largest: Mapping[str, float], values: Floats) -> dict[str, Pooled]:
    """The pooled differences by the names of the figures, from the largest value that each figure can have."""
    return {name: pooled(own, -most, most) for (name, most), own in zip(largest.items(), values, strict=True)}


_LARGEST_OF_CLASSES = dict.fromkeys(CLASS_MEASURES, 1.0)
"""The largest value of each measure of a diagnosis."""


def _per_class(images: Predictions, contrast: Contrast, values: Floats) -> dict[str, PooledClass]:
    """Each diagnosis, from values as `_resampled` gives them; one correction for all that are tested."""
    rows = [images.truth == k for k in range(len(images.task))]
    lesions = [len(np.unique(np.array(images.lesion_ids)[row])) for row in rows]
    differences = [_differences(_LARGEST_OF_CLASSES, values[:, k, 1] - values[:, k, 0]) for k in range(len(rows))]
    tested = [(k, name) for k, n in enumerate(lesions) if n >= MIN_LESIONS for name in CLASS_MEASURES]
    corrected = dict(zip(tested, holm([differences[k][name].p for k, name in tested]), strict=True))
    return {
        code: PooledClass(
            n=int(rows[k].sum()),
            n_lesions=lesions[k],
            figures={
                variant: _figures(_LARGEST_OF_CLASSES, values[:, k, arm])
                for arm, variant in enumerate((contrast.a, contrast.b))
            },
            difference=differences[k],
            p={name: corrected.get((k, name), np.nan) for name in CLASS_MEASURES},
        )
        for k, code in enumerate(images.task.codes)
    }


def _verdict(contrast: Contrast, difference: Pooled) -> str:
    value, low, high = (100 * bound for bound in vars(difference.interval).values())
    label = METRICS[PRIMARY].label.lower()
    if difference.is_clear and difference.knows_seeds:
        verb, low, high = ("adds", low, high) if value > 0 else ("costs", -high, -low)
        sentence = (
            f"{contrast.cause} {verb} {abs(value):.1f} points of {label} (95% interval {low:.1f} to {high:.1f}, over the "
            f"lesions and {difference.seeds} seeds): more than chance."
        )
    else:
        seeds = f" and {difference.seeds} seeds" if difference.knows_seeds else "; one seed tells nothing of others"
        sentence = (
            f"what {contrast.cause} adds is not known from these runs: {value:+.1f} points of {label} (95% interval "
            f"{low:+.1f} to {high:+.1f}, over the lesions{seeds})."
        )
    return _placed(contrast, sentence[0].upper() + sentence[1:])


def _class_verdict(contrast: Contrast, per_class: Mapping[str, PooledClass], task: Task, n_seeds: int) -> str:
    rows = {code: row.paired for code, row in per_class.items()}
    sentence = class_verdict((contrast.a, contrast.b), rows, task)
    return _placed(
        contrast, sentence if n_seeds > 1 else f"{sentence} This is of one seed; another may tell otherwise."
    )


def _placed(contrast: Contrast, sentence: str) -> str:
    return f"{contrast.where}: {sentence}" if contrast.where else sentence


def _notes(fitting: int, planned: int, comparisons: Mapping[Contrast, PooledComparison | None]) -> Iterator[str]:
    """Sentences on how far the figures go."""
    if fitting < planned:
        yield f"{fitting} of {planned} runs are in these figures, which change with the others."
    for contrast, comparison in comparisons.items():
        if comparison is None:
            yield f"Nothing can be compared until {contrast.a} and {contrast.b} have finished a fold of the same seed."
        else:
            yield _placed(contrast, comparison.scope)
    if any(comparisons.values()):
        yield CAVEAT
