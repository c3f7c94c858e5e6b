"""An experiment at one moment, and the key by which the page chooses it among the runs."""

from contextlib import suppress
from dataclasses import dataclass

from skin.errors import UserError
from skin.experiments.experiment import EARLY, Experiment, Summary, is_shipped
from skin.experiments.plan import Member
from skin.run import Run, State

_PREFIX = "experiments/"
"""The beginning of a key; no run's name holds a slash."""


def key_of(name: str) -> str:
    """The key of the experiment of this name."""
    return f"{_PREFIX}{name}"


def name_in(key: str) -> str:
    """The name of the experiment that the key stands for, "" for the name of a run."""
    return key.removeprefix(_PREFIX) if key.startswith(_PREFIX) else ""


@dataclass(frozen=True)
class ExperimentSnapshot:
    """All that the page shows of an experiment; without a summary, `problem` says why."""

    experiment: Experiment
    summary: Summary | None
    problem: str = ""

    @property
    def state(self) -> str:
        """The state in words, with the number of runs that are finished."""
        if self.summary is None:
            return "damaged"
        counts = self.summary.counts
        early = f", {counts[EARLY]} stopped early" if EARLY in counts else ""
        return (
            f"{self.summary.state}, {counts.get(State.FINISHED, 0)} of {len(self.summary.members)} runs finished{early}"
        )

    @property
    def is_at_work(self) -> bool:
        """True while one of its runs trains or waits to, or somebody hands over those that are left."""
        return self.summary is not None and (
            self.summary.is_driven or any(row.is_running for row in self.summary.members)
        )

    @property
    def can_resume(self) -> bool:
        """True where there are runs to train, nobody does, and it is the user's own."""
        is_over = self.summary is None or self.summary.state is State.FINISHED or is_shipped(self.experiment)
        return not (is_over or self.is_at_work)

    @property
    def share(self) -> float:
        """The share of the whole work that is done, from 0 to 1, each run counting the same."""
        rows = self.summary.members if self.summary else ()
        shares = [
            1.0 if row.state in (State.FINISHED, EARLY) else row.status.share if row.status else 0.0 for row in rows
        ]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """The name, the state and the place of each run."""
        return tuple((row.member.name, row.state, row.where) for row in self.summary.members) if self.summary else ()

    def member(self, run: Run) -> Member | None:
        """The member that the run is, None where the plan does not name it."""
        rows = self.summary.members if self.summary else ()
        return next((row.member for row in rows if row.member.name == run.name), None)

    @property
    def log_lines(self) -> list[str]:
        """The lines that its driver wrote."""
        with suppress(OSError):
            return self.experiment.log_path.read_text(errors="replace").splitlines()
        return []


def take(experiment: Experiment) -> ExperimentSnapshot:
    """The experiment as it is now."""
    try:
        return ExperimentSnapshot(experiment, experiment.status())
    except UserError as error:
        return ExperimentSnapshot(experiment, None, str(error))
