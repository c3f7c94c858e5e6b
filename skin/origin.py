"""Where the figures of a report come from, as the page, the files and the command line tell it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evidence import warnings
from skin.report import Report
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
"""What is told, by the names that JSON and CSV give it, and as people read it."""


@dataclass(frozen=True)
class Origin:
    """The run and the part whose predictions were judged, and the run's settings; None where nobody knows."""

    run: str | None = None
    part: str | None = None
    config: TrainConfig | None = None

    @classmethod
    def of_run(cls, run: Run, part: str) -> Self:
        """The origin of a run's report; its settings are unknown where the file that holds them is damaged."""
        try:
            return cls(run.name, part, run.config)
        except UserError:
            return cls(run.name, part)

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
        return {**self.facts(report), "settings": self.settings, "warnings": warnings(report), **values}


UNKNOWN = Origin()
"""Of predictions that were made elsewhere."""
