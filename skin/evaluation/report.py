"""The evaluation of one part of a data set, and the file that a run keeps it in."""

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from skin import __version__
from skin.data.dataset import Dataset
from skin.data.groups import Groups
from skin.errors import UserError
from skin.evaluation import metrics
from skin.evaluation.chosen import Chosen, choose
from skin.evaluation.decision import MOST_PROBABLE, DecisionReport, decided_labels, judge_decisions
from skin.evaluation.headline import headline, resampled
from skin.evaluation.metrics import METRICS, Estimate, Floats, metrics_of
from skin.evaluation.operating_point import (
    NetBenefit,
    OperatingPoint,
    ThresholdReport,
    decision_curve,
    judge_targets,
    operating_point,
)
from skin.evaluation.predictions import RESTORE, Parts, Predictions, load_predictions
from skin.evaluation.reliability import CalibrationReport, calibration_report
from skin.evaluation.subgroups import SUBGROUP_METRICS, Subgroup, subgroup_metrics, subgroups
from skin.files import parse_json, read_content, write_atomically
from skin.records import checked, from_plain, to_plain
from skin.run import Run, is_shipped
from skin.task import HAM10000, Task


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
class Evaluation:
    """The evaluated data, the version of this package, and the time (ISO 8601, UTC); None where that is unknown.

    `unknown_labels` counts the images that were left out by a label that the model does not know.
    """

    dataset: str | None = None
    dataset_fingerprint: str | None = None
    version: str | None = None
    date: str | None = None
    unknown_labels: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def now(cls, dataset: Dataset | None = None, unknown_labels: Mapping[str, int] | None = None) -> Self:
        """An evaluation that takes place now, on a data set where one is known."""
        date = datetime.now(UTC).isoformat(timespec="seconds")
        title, fingerprint = (dataset.title, dataset.fingerprint) if dataset else (None, None)
        return cls(title, fingerprint, __version__, date, dict(unknown_labels or {}))


@dataclass(frozen=True)
class Report:
    """The evaluation of one part: headline metrics with intervals, each diagnosis, and who is taken for whom.

    `confusion` has shape (n_classes, n_classes): rows are the truth, columns the prediction. `subgroups` holds each group's by the name
    of the grouping and of the group. `decision` names the row of DECISIONS that these, and the metrics which take no
    probabilities, go by; `decisions` compares all rows. `prevalence` is the one that the predictive values of
    `operating_points` are for, None for that of the images. A report that another version made may lack some of METRICS in
    `headline` and of SUBGROUP_METRICS in the groups, and be empty in what came later.
    """

    n: int
    n_lesions: int
    headline: dict[str, Estimate]
    per_class: dict[str, ClassReport]
    confusion: tuple[tuple[int, ...], ...]
    operating_point: OperatingPoint | None = None
    subgroups: dict[str, dict[str, Subgroup]] = dataclasses.field(default_factory=dict)
    evaluation: Evaluation = Evaluation()
    task: Task = HAM10000
    decision: str = MOST_PROBABLE
    prevalence: dict[str, float] | None = None
    decisions: dict[str, DecisionReport] = dataclasses.field(default_factory=dict)
    operating_points: tuple[ThresholdReport, ...] = ()
    decision_curve: tuple[NetBenefit, ...] = ()
    calibration: CalibrationReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: the headline metrics stand beside the other keys, and null stands for undefined.

        The task is not among them: a run has it in a file of its own.
        """
        values = to_plain({name: value for name, value in vars(self).items() if name != "task"})
        return {"n": values.pop("n"), "n_lesions": values.pop("n_lesions"), **values.pop("headline"), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], task: Task = HAM10000) -> Self:
        """The report of the task that `to_dict` wrote, by this version or another: what only one of them knows is left out.

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
            "per_class": {code: values["per_class"][code] for code in task.codes},
            "subgroups": subgroups,
        }
        report: Self = from_plain(cls, {**values, **known})
        return dataclasses.replace(report, task=task)

    @property
    def not_computed(self) -> tuple[str, ...]:
        """The METRICS that it lacks, because another version made it."""
        return tuple(name for name in metrics_of(self.task) if name not in self.headline)

    @property
    def is_without_decisions(self) -> bool:
        """True of a report of probabilities that was made before there were decisions, operating points and the calibration."""
        return self.calibration is None and any(
            np.isfinite(self.headline[name].value)
            for name, metric in METRICS.items()
            if metric.needs_probabilities and name in self.headline
        )

    @property
    def not_computed_of_groups(self) -> tuple[str, ...]:
        """The SUBGROUP_METRICS that a group lacks, likewise."""
        groups = [group for groups in self.subgroups.values() for group in groups.values()]
        return tuple(
            name for name in subgroup_metrics(self.task) if any(name not in group.headline for group in groups)
        )


def _known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def evaluate(
    predictions: Predictions,
    chosen: Chosen | None = None,
    groups: Groups | None = None,
    temperature: float | None = None,
) -> Report:
    """Judge the predictions; with what was chosen on the validation part the decisions and operating points, with groups
    each of these, with the temperature that is in the predictions the calibration before it.

    Bare diagnoses have no ranking and no confidence: what needs probabilities is then undefined. Raises UserError where the
    chosen prevalence cannot be judged on these images.
    """
    decided = _decided(predictions, chosen) if chosen else None
    labels = decided or predictions
    (confusion,) = metrics.confusions(labels.truth, labels.probabilities, np.ones((1, len(labels.truth))))
    report = Report(
        n=len(predictions.image_ids),
        n_lesions=len(set(predictions.lesion_ids)),
        headline=headline(predictions, decided=decided),
        per_class=_per_class(predictions, labels, confusion),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        subgroups={name: subgroups(predictions, members, decided) for name, members in (groups or {}).items()},
        task=predictions.task,
        calibration=calibration_report(predictions, temperature, chosen.shares if chosen else None),
    )
    return _with_chosen(report, predictions, chosen) if chosen else report


def _decided(predictions: Predictions, chosen: Chosen) -> Predictions | None:
    """The decisions of the chosen rule as bare diagnoses; None where these are the most probable ones."""
    if chosen.decision == MOST_PROBABLE or predictions.are_labels:
        return None
    return decided_labels(chosen.decisions[chosen.decision], predictions)


def _with_chosen(report: Report, predictions: Predictions, chosen: Chosen) -> Report:
    """The report with what the rules and thresholds that were chosen on the validation part achieve."""
    report = dataclasses.replace(
        report,
        decision=chosen.decision,
        prevalence=dict(chosen.prevalence.shares) if chosen.prevalence else None,
        decisions=judge_decisions(chosen.decisions, predictions),
    )
    if not predictions.task.tells_malignant:
        return report
    report = dataclasses.replace(report, operating_point=operating_point(chosen.thresholds, predictions))
    if predictions.are_labels or not chosen.targets:
        return report
    return dataclasses.replace(
        report,
        operating_points=judge_targets(chosen.targets, predictions, chosen.prevalence),
        decision_curve=decision_curve(predictions),
    )


def evaluate_parts(
    parts: Mapping[str, Predictions], groups: Groups | None = None, temperature: float | None = None
) -> dict[str, Report]:
    """The report of each part, thresholds and rules being chosen on the part "validation" where there is one."""
    chosen = choose(parts["validation"]) if "validation" in parts else None
    return {part: evaluate(predictions, chosen, groups, temperature) for part, predictions in parts.items()}


def _per_class(predictions: Predictions, labels: Predictions, confusion: Floats) -> dict[str, ClassReport]:
    lesions = np.array(predictions.lesion_ids)
    recalls = [Estimate.of(values) for values in resampled(labels, metrics.class_recalls).T]
    f1_scores = [Estimate.of(values) for values in resampled(labels, metrics.class_f1_scores).T]
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
        for k, code in enumerate(predictions.task.codes)
    }


def save_report(path: Path, parts: Mapping[str, Report]) -> None:
    """Write the reports of named parts ("validation", "test") as JSON, atomically."""
    content = {part: report.to_dict() for part, report in parts.items()}
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False).encode())


def load_report(path: Path) -> Parts[Report]:
    """The saved report. Raises UserError, with the command that makes it anew, where it is missing or damaged."""
    run = Run(path.parent)
    cure, task = partial(_cure, run), run.task
    try:
        return Parts(path, _reports(read_content(path), task), cure)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds no report ({error}): {cure()}.") from error


@lru_cache(maxsize=64)
def _reports(content: bytes, task: Task) -> dict[str, Report]:
    """The reports in a file's content; a page asks for those of the same runs with every section that it draws."""
    return {part: _checked(Report.from_dict(values, task)) for part, values in parse_json(content).items()}


def _cure(run: Run) -> str:
    """The cure for a report that is lost: the predictions, where they are whole."""
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
    size, codes = len(report.task), set(report.task.codes)
    if {len(report.confusion), *map(len, report.confusion)} != {size}:
        raise ValueError(f"the confusion matrix is not {size} by {size}")
    if report.operating_point and report.operating_point.thresholds.diagnoses.keys() != codes:
        raise ValueError("thresholds are missing")
    if report.calibration and report.calibration.after.per_class.keys() != codes:
        raise ValueError("the calibration of a diagnosis is missing")
    if not any(row.support for row in report.per_class.values()):
        raise ValueError("no diagnosis has an image")
    return checked(report)
