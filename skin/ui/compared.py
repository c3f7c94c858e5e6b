"""What the Comparison tab is about: runs that were judged on the same test images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation.compare import Comparison, compare, in_order_of
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import Report
from skin.run import Epoch, Run
from skin.ui.subject import Key, Subject, load_subject, reported_run, subject_of
from skin.workspace import Workspace

PART = "test"

Subjects = Mapping[str, Subject]
"""What is compared, by the name of the run; the first is the baseline."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Two runs or more on the same images."""

    subjects: Subjects
    configs: Mapping[str, TrainConfig]

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each other run with the baseline; takes seconds. Raises UserError when their images differ."""
        baseline, *others = self.subjects
        first = self.subjects[baseline].predictions
        return tuple(compare(first, self.subjects[name].predictions, (baseline, name)) for name in others)

    @property
    def different(self) -> tuple[Comparison, ...]:
        """The comparisons but for those of a run with its own copy."""
        return tuple(comparison for comparison in self.comparisons if not comparison.identical)

    @property
    def reports(self) -> dict[str, Report]:
        """The report of each run."""
        return {name: subject.report for name, subject in self.subjects.items()}

    @property
    def histories(self) -> dict[str, tuple[Epoch, ...]]:
        """The finished epochs of each run."""
        return {name: subject.history for name, subject in self.subjects.items()}


def load_compared(workspace: Workspace, keys: Sequence[Key]) -> Compared:
    """What the keys stand for. Raises UserError when one is gone."""
    subjects = {key.run: load_subject(workspace, key) for key in keys}
    return Compared(subjects, {name: reported_run(workspace, name).config for name in subjects})


@dataclass(frozen=True)
class Fit:
    """Which runs can be compared: the first that can be read, and those on the same images as it.

    `obstacles` holds for every other run the sentence that says why not.
    """

    names: tuple[str, ...]
    obstacles: Mapping[str, str]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "Fit":
        """The runs sorted so; the earliest counts as the baseline."""
        baseline: Predictions | None = None
        names, obstacles = [], {}
        for run in runs:
            try:
                predictions = subject_of(run, PART).predictions
                if baseline is not None:
                    in_order_of(baseline, predictions)
            except UserError as error:
                obstacles[run.name] = str(error)
                continue
            baseline = predictions if baseline is None else baseline
            names.append(run.name)
        return cls(tuple(names), obstacles)
