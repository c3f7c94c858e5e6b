"""A report with all that its pages show: the predictions, the history and the origin of one part of a run."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skin.audit.audit import AUDITS, gap, load_step
from skin.errors import UserError
from skin.evaluation.origin import UNKNOWN, Origin
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.report import Report, load_report
from skin.run import Epoch, Run, list_runs
from skin.workspace import Workspace


@dataclass(frozen=True, eq=False)
class LoadedReport:
    """Predictions of one part, their report, and what is known of the run that made them, None where that is unknown."""

    title: str
    predictions: Predictions
    report: Report
    history: tuple[Epoch, ...] = ()
    origin: Origin = UNKNOWN
    run: Run | None = None

    @cached_property
    def audit(self) -> dict[str, Any]:
        """The records of the run's audit by the names of AUDITS, without those that are not computed yet."""
        if self.run is None:
            return {}
        records = {name: load_step(self.run, name) for name in AUDITS}
        return {name: record for name, record in records.items() if record is not None}

    @property
    def audit_gap(self) -> str:
        """The sentence on the steps of the audit that are not there, and the command that computes them; "" for none."""
        return gap(self.run) if self.run else ""

    @property
    def dataset(self) -> str:
        """The name that `datasets.load` takes to read the run's images, "" where nobody named it."""
        return self.origin.config.dataset if self.origin.config else ""

    def mistakes(self) -> NDArray[np.int64]:
        """Rows of the images that were taken for something else, the surest first."""
        return self._surest_first(self.predictions.predicted != self.predictions.truth)

    def cell(self, truth: int, predicted: int) -> NDArray[np.int64]:
        """Rows of the images of a cell of the confusion matrix, the surest first."""
        return self._surest_first((self.predictions.truth == truth) & (self.predictions.predicted == predicted))

    def _surest_first(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-self.predictions.probabilities[rows].max(axis=1), kind="stable")]

    def caption(self, row: int) -> str:
        """The truth of an image, its prediction and how sure that is, as short as a picture's caption must be."""
        codes = self.predictions.task.codes
        truth, predicted = codes[self.predictions.truth[row]], codes[self.predictions.predicted[row]]
        verdict = f"{truth} ✓" if truth == predicted else f"{truth} → {predicted}"
        return f"{verdict} {self.predictions.probabilities[row].max():.0%}"

    def captions(self, rows: Iterable[int]) -> dict[str, str]:
        """Image ids with their captions."""
        return {self.predictions.image_ids[row]: self.caption(row) for row in rows}


@dataclass(frozen=True)
class ReportKey:
    """The subject: a part of a run, or an upload. The stamp changes with the run's report and its audit."""

    run: str = ""
    part: str = ""
    stamp: int = 0
    upload: LoadedReport | None = None

    @classmethod
    def of_run(cls, workspace: Workspace, run: str, part: str) -> Self:
        """The key of a part of a run. Raises UserError when the run has no report."""
        found = get_reported_run(workspace, run)
        paths = [path for path in (found.report_path, found.audit_folder) if path.exists()]
        return cls(run, part, max(path.stat().st_mtime_ns for path in paths))


def reported_runs(workspace: Workspace) -> dict[str, Run]:
    """The runs that have a report, newest first, by name."""
    return {run.name: run for run in list_runs(workspace) if run.report_path.is_file()}


def get_reported_run(workspace: Workspace, name: str) -> Run:
    """The run of this name. Raises UserError when it is gone or has no report yet."""
    run = reported_runs(workspace).get(name)
    if run is None:
        raise UserError(f"There is no report of a run {name!r}: choose another run, or wait until this one has ended.")
    return run


def load_by_key(workspace: Workspace, key: ReportKey) -> LoadedReport:
    """The report that the key stands for. Raises UserError when it is gone."""
    if key.upload is not None:
        return key.upload
    return load_part(get_reported_run(workspace, key.run), key.part)


def load_part(run: Run, part: str) -> LoadedReport:
    """A part of a run. Raises UserError when that has no report, or a file that it needs is damaged."""
    reports, predictions = load_report(run.report_path), load_predictions(run.predictions_path)
    origin = dataclasses.replace(Origin.of_run(run, part), config=run.config)
    title, history = f"{run.name}, {part} part", tuple(run.history())
    return LoadedReport(title, predictions[part], reports[part], history, origin, run)
