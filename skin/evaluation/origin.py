"""The origin of a report's figures, as the page, the files and the command line tell it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation.evidence import warnings
from skin.evaluation.metrics import METRICS
from skin.evaluation.report import Report, evaluation_command
from skin.evaluation.summary import best, challenging, scope
from skin.run import Run

FACTS = {
    "run": "Run",
    "part": "Part",
    "dataset": "Data set",
    "dataset_fingerprint": "Fingerprint of the data set",
    "split": "Split",
    "seed": "Seed",
    "malignant_threshold": "Called malignant from",
    "version": "Version of Skin Lesion Lab",
    "date": "Evaluated",
}
"""The facts that are told, by the names that JSON and CSV give them, and as people read them."""


@dataclass(frozen=True)
class Origin:
    """The run and the part whose predictions were judged, and the run's settings; None where nobody knows.

    `command` computes what this version knows and the run's report lacks, `group_command` of groups of images, too; ""
    where there is no run.
    """

    run: str | None = None
    part: str | None = None
    config: TrainConfig | None = None
    command: str = ""
    group_command: str = ""

    @classmethod
    def of_run(cls, run: Run, part: str) -> Self:
        """The origin of a run's report; its settings are unknown where the file that holds them is damaged."""
        try:
            config = run.config
        except UserError:
            config = None
        return cls(run.name, part, config, evaluation_command(run), evaluation_command(run, of_groups=True))

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting of the run; of paths only the name, for where a file lies on this machine is nobody's business."""
        values = dataclasses.asdict(self.config) if self.config else {}
        return {name: Path(value).name if name in ("dataset", "weights") else value for name, value in values.items()}

    def facts(self, report: Report) -> dict[str, Any]:
        """A value for each of FACTS, None for what is unknown."""
        point = report.operating_point
        known = {
            "run": self.run,
            "part": self.part,
            "malignant_threshold": point and point.thresholds.malignant,
            **{name: value for name, value in vars(report.evaluation).items() if value is not None},
        }
        return {name: known.get(name, self.settings.get(name)) for name in FACTS}

    def to_dict(self, report: Report) -> dict[str, Any]:
        """The report as JSON has it, what is known of its origin and what there is too little evidence for first."""
        values = report.to_dict()
        del values["evaluation"]
        return {
            **self.facts(report),
            "task": report.task.name,
            "unknown_labels": report.evaluation.unknown_labels,
            "scope": scope(report),
            "settings": self.settings,
            "warnings": warnings(report),
            "not_computed": dict.fromkeys([*report.not_computed, *_later(report)], self.command),
            "best": best(report),
            "challenging": challenging(report),
            **values,
        }

    def gap(self, report: Report) -> str:
        """The sentence on the metrics that the report lacks and the command that computes them, "" where it has all."""
        labels = [*(METRICS[name].label for name in report.not_computed), *_later(report).values()]
        return _lack("this report", labels, self.command)

    def group_gap(self, report: Report) -> str:
        """Likewise on the metrics of the groups of images."""
        labels = [METRICS[name].label for name in report.not_computed_of_groups]
        return _lack("the report of these groups", labels, self.group_command)


LATER = {"decisions": "decision rules", "operating_points": "operating points", "calibration": "calibration"}
"""Sections that a report made before them lacks, by their keys in JSON, and in words."""


def _later(report: Report) -> dict[str, str]:
    return LATER if report.is_without_decisions else {}


def _lack(what: str, labels: Sequence[str], command: str) -> str:
    return f"Not computed when {what} was made: {', '.join(labels)}; `{command}` computes it." if labels else ""


UNKNOWN = Origin()
"""The origin of predictions that were made elsewhere."""
