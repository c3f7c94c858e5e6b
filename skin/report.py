"""What a model's predictions are worth: the evaluation of one part of a data set, saved and loaded."""

import dataclasses
import io
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skin import __version__, metrics
from skin.data.datasets import Dataset
from skin.data.groups import Groups
from skin.errors import UserError
from skin.files import read_arrays, read_json, write_atomically
from skin.lesion import CODES, TAXONOMY, Malignancy, Risk
from skin.metrics import METRICS, Estimate, Floats
from skin.records import checked, from_plain, to_plain
from skin.run import Run, is_shipped

SET_MISSES = 10
"""A prediction set may miss the true diagnosis of one image in so many."""
MALIGNANT_MISSES = 20
"""The operating point may miss one malignant image in so many (95% sensitivity)."""


@dataclass(frozen=True)
class Predictions:
    """What a model said of a part of a data set.

    `truth` holds indices into TAXONOMY, of shape (n_images,); `probabilities` has shape (n_images, 7), rows summing
    to 1. Raises UserError when they cannot be evaluated.
    """

    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        complaint = _wrong_shapes(self) or _wrong_values(self)
        if complaint:
            raise UserError(f"These predictions cannot be evaluated: {complaint}.")

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable diagnosis of each image, of shape (n_images,)."""
        indices: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return indices

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """The predictions of the chosen images; `chosen` has shape (n_images,)."""
        rows = np.flatnonzero(chosen)
        image_ids, lesion_ids = (tuple(ids[row] for row in rows) for ids in (self.image_ids, self.lesion_ids))
        return type(self)(image_ids, lesion_ids, self.truth[rows], self.probabilities[rows])

    @property
    def are_labels(self) -> bool:
        """Whether every prediction is a bare diagnosis, all probability on one class."""
        return bool((self.probabilities.max(axis=1) == 1).all())


def _wrong_shapes(predictions: Predictions) -> str | None:
    n = len(predictions.image_ids)
    if n == 0:
        return "there is no image"
    if len(predictions.lesion_ids) != n or predictions.truth.shape != (n,):
        return "each image needs one lesion and one true diagnosis"
    if predictions.probabilities.shape != (n, len(CODES)):
        return f"each image needs {len(CODES)} probabilities"
    return None


def _wrong_values(predictions: Predictions) -> str | None:
    if len(set(predictions.image_ids)) < len(predictions.image_ids):
        return "an image occurs twice"
    if not np.isin(predictions.truth, range(len(CODES))).all():
        return f"a true diagnosis is none of {', '.join(CODES)}"
    sums = predictions.probabilities.sum(axis=1, dtype=np.float64)
    if not ((predictions.probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-3)):
        return "the probabilities of an image must be at least 0 and sum to 1"
    return None


Judged = TypeVar("Judged")


RESTORE = "restore the file, or train the run again"


class Parts(dict[str, Judged]):
    """Each part ("validation", "test") that a run's file holds; any other is a UserError, which ends in the advice."""

    def __init__(self, path: Path, parts: Mapping[str, Judged], advice: Callable[[], str] = lambda: RESTORE) -> None:
        super().__init__(parts)
        self._path = path
        self._advice = advice

    def __missing__(self, part: str) -> Judged:
        raise UserError(f"{self._path} tells nothing of a part {part!r}: {self._advice()}.")


def save_predictions(path: Path, parts: Mapping[str, Predictions]) -> None:
    """Write the predictions of named parts ("validation", "test") to an npz file, atomically."""
    arrays = {f"{part}.{name}": value for part, p in parts.items() for name, value in vars(p).items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load_predictions(path: Path) -> Parts[Predictions]:
    """What `save_predictions` wrote. Raises UserError when the file is missing or damaged."""
    try:
        arrays = read_arrays(path)
        parts = dict.fromkeys(name.split(".")[0] for name in arrays)
        return Parts(path, {part: _predictions(arrays, part) for part in parts})
    except (ValueError, KeyError, TypeError, UserError) as error:
        raise UserError(f"{path} holds no predictions ({error}): {RESTORE}.") from error


def _predictions(arrays: Mapping[str, NDArray[Any]], part: str) -> Predictions:
    fields = {name: arrays[f"{part}.{name}"] for name in _KINDS}
    if wrong := [name for name, array in fields.items() if array.dtype.kind not in _KINDS[name]]:
        raise ValueError(f"{wrong[0]} of {part} are of type {fields[wrong[0]].dtype}")
    return Predictions(
        image_ids=tuple(fields["image_ids"].ravel().tolist()),
        lesion_ids=tuple(fields["lesion_ids"].ravel().tolist()),
        truth=fields["truth"],
        probabilities=fields["probabilities"],
    )


_KINDS = {"image_ids": "U", "lesion_ids": "U", "truth": "iu", "probabilities": "f"}
"""The kinds of number or text that the fields of Predictions may be, as NumPy names them."""


@dataclass(frozen=True, kw_only=True)
class ClassReport:
    """Measures of one diagnosis, with 95% intervals from resampling lesions; NaN where undefined, or not computed.

    `support` counts its images and `lesions` its lesions, 0 in a report made before these were counted.
    """

    precision: float = np.nan
    recall: float = np.nan
    f1: float = np.nan
    support: int
    auc: float = np.nan
    recall_low: float = np.nan
    recall_high: float = np.nan
    f1_low: float = np.nan
    f1_high: float = np.nan
    lesions: int = 0


@dataclass(frozen=True)
class Thresholds:
    """What is chosen on the validation part, and never on the part that it is judged by.

    `malignant` is the least P(mel) + P(bcc) at which a lesion is called malignant; `diagnoses` holds the least
    probability at which each diagnosis enters the prediction set. `malignant_lesions` is how many lesions the former
    was chosen on, None where that was not counted.
    """

    malignant: float
    diagnoses: dict[str, float]
    malignant_lesions: int | None = None

    def prediction_sets(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Which diagnoses cannot be ruled out, of shape (n_images, 7); the most probable one always stays."""
        least = np.array([self.diagnoses[code] for code in CODES])
        most_probable: NDArray[np.bool_] = probabilities == probabilities.max(axis=1, keepdims=True)
        return (probabilities >= least) | most_probable

    def risks(self, probabilities: Floats) -> NDArray[np.str_]:
        """The Risk of each image, of shape (n_images,).

        High where the most probable diagnosis is malignant; moderate where the malignant probability reaches the
        threshold, or a malignant or pre-cancerous diagnosis is in the prediction set; low where none of these holds.
        """
        malignancies = np.array([diagnosis.malignancy for diagnosis in TAXONOMY])
        is_high = malignancies[probabilities.argmax(axis=1)] == Malignancy.MALIGNANT
        is_called = metrics.malignant_scores(probabilities) >= self.malignant
        is_left = self.prediction_sets(probabilities)[:, malignancies != Malignancy.BENIGN].any(axis=1)
        return np.select([is_high, is_called | is_left], [Risk.HIGH, Risk.MODERATE], Risk.LOW)


def choose_thresholds(validation: Predictions) -> Thresholds:
    """Thresholds that keep the promised share of the validation part.

    Class-conditional split-conformal sets: 90% of the images of each diagnosis have it in their set (Sadinle, Lei &
    Wasserman 2019, "Least ambiguous set-valued classifiers"; finite-sample rank of Angelopoulos & Bates 2021).
    """
    truth, probabilities = validation.truth, validation.probabilities
    is_malignant = metrics.is_malignant(truth)
    malignant = metrics.malignant_scores(probabilities)[is_malignant]
    by_class = {code: probabilities[truth == k, k] for k, code in enumerate(CODES)}
    return Thresholds(
        malignant=_least_kept(malignant, MALIGNANT_MISSES),
        diagnoses={code: _least_kept(scores, SET_MISSES) for code, scores in by_class.items()},
        malignant_lesions=len(np.unique(np.array(validation.lesion_ids)[is_malignant])),
    )


def _least_kept(scores: Floats, one_in: int) -> float:
    """The highest threshold that loses at most one exchangeable score in `one_in`; 0 where too few are known."""
    rank = (len(scores) + 1) // one_in
    return float(np.sort(scores)[rank - 1]) if rank else 0.0


@dataclass(frozen=True)
class CalledLow:
    """Number of images, how many of them come out at low risk, and the 95% interval of that share by lesions."""

    images: int
    low_risk: int
    share: Estimate


@dataclass(frozen=True)
class OperatingPoint:
    """What thresholds chosen on the validation part achieve on this one; NaN where undefined.

    Sensitivity and specificity of malignant against the rest; `coverage` is the share of images whose prediction set
    holds the truth, `set_size` the mean number of diagnoses in it. `called_low` has, by the malignancy of the truth,
    the images whose risk comes out low; it is empty in a report made before there was such a count.
    """

    thresholds: Thresholds
    sensitivity: float
    specificity: float
    coverage: float
    set_size: float
    called_low: dict[str, CalledLow] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class ThresholdReport:
    """What calling an image malignant from a probability on finds and misses, with intervals from resampling lesions.

    `missed` counts malignant images that are not called so, `false_alarms` others that are. The positive predictive
    value is NaN where nothing is called malignant.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    positive_predictive_value: Estimate
    malignant: int
    missed: int
    others: int
    false_alarms: int


@dataclass(frozen=True)
class Subgroup:
    """How well the images of one group are recognised, with intervals from resampling its lesions; NaN for too few."""

    n: int
    n_lesions: int
    headline: dict[str, Estimate]


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated, by which version of this package, and when (ISO 8601, UTC); None where that is unknown."""

    dataset: str | None = None
    dataset_fingerprint: str | None = None
    version: str | None = None
    date: str | None = None

    @classmethod
    def now(cls, dataset: Dataset | None = None) -> Self:
        """An evaluation that takes place now, on a data set where one is known."""
        date = datetime.now(UTC).isoformat(timespec="seconds")
        title, fingerprint = (dataset.title, dataset.fingerprint) if dataset else (None, None)
        return cls(title, fingerprint, __version__, date)


@dataclass(frozen=True)
class Report:
    """The evaluation of one part: headline metrics with intervals, each diagnosis, and who is taken for whom.

    `confusion` has shape (7, 7): rows are the truth, columns the prediction. `subgroups` holds each group's by the name
    of the grouping and of the group. A report that another version made may lack some of METRICS in `headline` and of
    SUBGROUP_METRICS in the groups.
    """

    n: int
    n_lesions: int
    headline: dict[str, Estimate]
    per_class: dict[str, ClassReport]
    confusion: tuple[tuple[int, ...], ...]
    operating_point: OperatingPoint | None = None
    subgroups: dict[str, dict[str, Subgroup]] = dataclasses.field(default_factory=dict)
    evaluation: Evaluation = Evaluation()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: the headline metrics stand beside the other keys, and null stands for undefined."""
        values = to_plain(self)
        return {"n": values.pop("n"), "n_lesions": values.pop("n_lesions"), **values.pop("headline"), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The report that `to_dict` wrote, by this version or another: what only one of them knows is left out.

        Raises KeyError, TypeError or AttributeError when something else is missing or has another shape.
        """
        subgroups = {
            grouping: {
                name: {**group, "headline": _known(group["headline"], SUBGROUP_METRICS)}
                for name, group in groups.items()
            }
            for grouping, groups in values.get("subgroups", {}).items()
        }
        known = {
            "headline": _known(values, METRICS),
            "per_class": {code: values["per_class"][code] for code in CODES},
            "subgroups": subgroups,
        }
        report: Self = from_plain(cls, {**values, **known})
        return report

    @property
    def not_computed(self) -> tuple[str, ...]:
        """The METRICS that it lacks, because another version made it."""
        return tuple(name for name in METRICS if name not in self.headline)

    @property
    def not_computed_of_groups(self) -> tuple[str, ...]:
        """The SUBGROUP_METRICS that a group lacks, likewise."""
        groups = [group for groups in self.subgroups.values() for group in groups.values()]
        return tuple(name for name in SUBGROUP_METRICS if any(name not in group.headline for group in groups))


def _known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


SUBGROUP_METRICS: dict[str, Callable[[NDArray[np.int64]], Iterable[NDArray[np.bool_]]]] = {
    "accuracy": lambda truth: (truth >= 0,),
    "melanoma_sensitivity": lambda truth: (truth == CODES.index("mel"),),
    "malignant_auc": lambda truth: (metrics.is_malignant(truth), ~metrics.is_malignant(truth)),
}
"""What a group of images is judged by, and from the truth which images, each kind for itself, that rests on."""

MIN_LESIONS = 20
"""Of fewer no figure of a group is given: one or two more or less would change it, and the resamples do not show it."""


def evaluate(predictions: Predictions, thresholds: Thresholds | None = None, groups: Groups | None = None) -> Report:
    """Judge the predictions; with thresholds from the validation part the operating point, with groups each of these.

    Bare diagnoses have no ranking and no confidence: what needs probabilities is then undefined.
    """
    (confusion,) = metrics.confusions(predictions.truth, predictions.predicted, np.ones((1, len(predictions.truth))))
    return Report(
        n=len(predictions.image_ids),
        n_lesions=len(set(predictions.lesion_ids)),
        headline=_headline(predictions, METRICS),
        per_class=_per_class(predictions, confusion),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        operating_point=None if thresholds is None else _judge(thresholds, predictions),
        subgroups={name: _subgroups(predictions, members) for name, members in (groups or {}).items()},
    )


def evaluate_parts(parts: Mapping[str, Predictions], groups: Groups | None = None) -> dict[str, Report]:
    """The report of each part, thresholds being chosen on the part "validation" where there is one."""
    thresholds = choose_thresholds(parts["validation"]) if "validation" in parts else None
    return {part: evaluate(predictions, thresholds, groups) for part, predictions in parts.items()}


def headline_values(predictions: Predictions, names: Iterable[str] = METRICS) -> dict[str, Floats]:
    """Each of these metrics on the images and on all resamples of lesions, of shape (1 + N_RESAMPLES,)."""
    undefined = np.full(1 + metrics.N_RESAMPLES, np.nan)
    return {
        name: undefined
        if METRICS[name].needs_probabilities and predictions.are_labels
        else resampled(predictions, METRICS[name].function)
        for name in names
    }


def _headline(predictions: Predictions, names: Iterable[str]) -> dict[str, Estimate]:
    return {name: Estimate.of(values) for name, values in headline_values(predictions, names).items()}


def _subgroups(predictions: Predictions, group_of: Mapping[str, str]) -> dict[str, Subgroup]:
    """Each group of the images, in the alphabet's order but for "unknown", which comes last."""
    names = np.array([group_of[image_id] for image_id in predictions.image_ids])
    ordered = sorted(set(names.tolist()), key=lambda name: (name == "unknown", name))
    return {name: _subgroup(predictions.only(names == name)) for name in ordered}


def _subgroup(predictions: Predictions) -> Subgroup:
    lesions = np.array(predictions.lesion_ids)
    enough = [
        name
        for name, kinds in SUBGROUP_METRICS.items()
        if all(len(np.unique(lesions[kind])) >= MIN_LESIONS for kind in kinds(predictions.truth))
    ]
    undefined = dict.fromkeys(SUBGROUP_METRICS, Estimate(np.nan, np.nan, np.nan))
    return Subgroup(len(lesions), len(np.unique(lesions)), undefined | _headline(predictions, enough))


def resampled(predictions: Predictions, function: Callable[..., Floats]) -> Floats:
    """A function of truth, probabilities and weights on the images and all resamples, of shape (1 + N_RESAMPLES, …)."""
    return metrics.bootstrap(partial(function, predictions.truth, predictions.probabilities), predictions.lesion_ids)


def _per_class(predictions: Predictions, confusion: Floats) -> dict[str, ClassReport]:
    lesions = np.array(predictions.lesion_ids)
    recalls = [Estimate.of(values) for values in resampled(predictions, metrics.class_recalls).T]
    f1_scores = [Estimate.of(values) for values in resampled(predictions, metrics.class_f1_scores).T]
    aucs = metrics.class_aucs(predictions.truth, predictions.probabilities, np.ones((1, len(predictions.truth))))[0]
    return {
        code: ClassReport(
            precision=float(metrics.precisions(confusion)[k]),
            recall=recalls[k].value,
            f1=f1_scores[k].value,
            support=int(confusion[k].sum()),
            auc=np.nan if predictions.are_labels else float(aucs[k]),
            recall_low=recalls[k].low,
            recall_high=recalls[k].high,
            f1_low=f1_scores[k].low,
            f1_high=f1_scores[k].high,
            lesions=len(np.unique(lesions[predictions.truth == k])),
        )
        for k, code in enumerate(CODES)
    }


def _judge(thresholds: Thresholds, predictions: Predictions) -> OperatingPoint:
    called = metrics.malignant_scores(predictions.probabilities) >= thresholds.malignant
    malignant = metrics.is_malignant(predictions.truth)
    sets = thresholds.prediction_sets(predictions.probabilities)
    return OperatingPoint(
        thresholds=thresholds,
        sensitivity=_share(called[malignant]),
        specificity=_share(~called[~malignant]),
        coverage=_share(sets[np.arange(len(sets)), predictions.truth]),
        set_size=float(sets.sum(axis=1).mean()),
        called_low=_called_low(thresholds, predictions),
    )


def judge_thresholds(predictions: Predictions, thresholds: Sequence[float]) -> list[ThresholdReport]:
    """Each threshold of the malignant probability, all on the same resamples of lesions."""
    malignant = metrics.is_malignant(predictions.truth)
    called = metrics.malignant_scores(predictions.probabilities)[:, None] >= np.array(thresholds)
    shares = metrics.bootstrap(partial(metrics.detection, malignant, called), predictions.lesion_ids)
    estimates = [[Estimate.of(values) for values in of_threshold] for of_threshold in shares.transpose(1, 2, 0)]
    return [
        ThresholdReport(
            threshold=threshold,
            sensitivity=estimates[k][0],
            specificity=estimates[k][1],
            positive_predictive_value=estimates[k][2],
            malignant=int(malignant.sum()),
            missed=int((malignant & ~called[:, k]).sum()),
            others=int((~malignant).sum()),
            false_alarms=int((called[:, k] & ~malignant).sum()),
        )
        for k, threshold in enumerate(thresholds)
    ]


def _called_low(thresholds: Thresholds, predictions: Predictions) -> dict[str, CalledLow]:
    is_low = thresholds.risks(predictions.probabilities) == Risk.LOW
    kinds = tuple(reversed(Malignancy))  # what matters most stands first
    truths = np.array([diagnosis.malignancy for diagnosis in TAXONOMY])[predictions.truth]
    among = np.stack([truths == kind for kind in kinds], axis=1)
    low = among & is_low[:, None]

    def shares(weights: Floats) -> Floats:
        images = weights @ among
        return np.divide(weights @ low, images, out=np.full(images.shape, np.nan), where=images > 0)

    estimates = [Estimate.of(values) for values in metrics.bootstrap(shares, predictions.lesion_ids).T]
    return {
        str(kind): CalledLow(int(among[:, k].sum()), int(low[:, k].sum()), estimates[k]) for k, kind in enumerate(kinds)
    }


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else np.nan


def save_report(path: Path, parts: Mapping[str, Report]) -> None:
    """Write the reports of named parts ("validation", "test") as JSON, atomically."""
    content = {part: report.to_dict() for part, report in parts.items()}
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False).encode())


def load_report(path: Path) -> Parts[Report]:
    """What `save_report` wrote. Raises UserError, with the command that makes it anew, where it is missing or damaged."""
    cure = partial(_cure, Run(path.parent))
    try:
        return Parts(path, {part: _checked(Report.from_dict(values)) for part, values in read_json(path).items()}, cure)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds no report ({error}): {cure()}.") from error


def _cure(run: Run) -> str:
    """What helps against a report that is lost: the predictions, where they are whole."""
    try:
        load_predictions(run.predictions_path)
    except UserError:
        return RESTORE
    return "restore the file" if is_shipped(run) else f"make it anew with `{evaluation_command(run)}`"


def evaluation_command(run: Run, of_groups: bool = False) -> str:
    """The command that computes a run's figures, also those of groups of images, and saves them where it may."""
    options = ["--save"] * (not is_shipped(run)) + ["--dataset DATASET"] * (of_groups or is_shipped(run))
    return f"python -m skin evaluate {shlex.quote(run.name)} {' '.join(options)}"


def _checked(report: Report) -> Report:
    if {len(report.confusion), *map(len, report.confusion)} != {len(CODES)}:
        raise ValueError(f"the confusion matrix is not {len(CODES)} by {len(CODES)}")
    if report.operating_point and report.operating_point.thresholds.diagnoses.keys() != set(CODES):
        raise ValueError("thresholds are missing")
    if not any(row.support for row in report.per_class.values()):
        raise ValueError("no diagnosis has an image")
    return checked(report)
