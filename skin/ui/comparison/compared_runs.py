"""Runs that were evaluated on the same test images, loaded to be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation.compare import Comparison, compare, in_order_of
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import Report
from skin.run import Epoch, Run
from skin.ui.components.loaded_report import LoadedReport, ReportKey, get_reported_run, load_by_key, load_part
from skin.workspace import Workspace

PART = "test"

LoadedReports = Mapping[str, LoadedReport]
"""The reports that are compared, by the name of the run; the first is the baseline."""


@dataclass(frozen=True, eq=False)
class ComparedRuns:
    """Two runs or more on the same images."""

    loaded_reports: LoadedReports
    configs: Mapping[str, TrainConfig]

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each other run with the baseline; takes seconds. Raises UserError when their images differ."""
        baseline, *others = self.loaded_reports
        first = self.loaded_reports[baseline].predictions
        return tuple(compare(first, self.loaded_reports[name].predictions, (baseline, name)) for name in others)

    @property
    def different(self) -> tuple[Comparison, ...]:
        """The comparisons but for those of a run with its own copy."""
        return tuple(comparison for comparison in self.comparisons if not comparison.identical)

    @property
    def reports(self) -> dict[str, Report]:
        """The report of each run."""
        return {name: loaded.report for name, loaded in self.loaded_reports.items()}

    @property
    def histories(self) -> dict[str, tuple[Epoch, ...]]:
        """The finished epochs of each run."""
        return {name: loaded.history for name, loaded in self.loaded_reports.items()}


def load_compared_runs(workspace: Workspace, keys: Sequence[ReportKey]) -> ComparedRuns:
    """The runs that the keys stand for. Raises UserError when one is gone."""
    loaded_reports = {key.run: load_by_key(workspace, key) for key in keys}
    return ComparedRuns(loaded_reports, {name: get_reported_run(workspace, name).config for name in loaded_reports})


@dataclass(frozen=True)
class ComparableRuns:
    """The runs that can be compared: the first that can be read, and those on the same images as it.

    `obstacles` holds for every other run the sentence that says why not.
    """

    names: tuple[str, ...]
    obstacles: Mapping[str, str]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "ComparableRuns":
        """The runs sorted so; the earliest counts as the baseline."""
        baseline: Predictions | None = None
        names, obstacles = [], {}
        for run in runs:
            try:
                predictions = load_part(run, PART).predictions
                if baseline is not None:
                    in_order_of(baseline, predictions)
            except UserError as error:
                obstacles[run.name] = str(error)
                continue
            baseline = predictions if baseline is None else baseline
            names.append(run.name)
        return cls(tuple(names), obstacles)
