"""The results of an experiment's folder: what its finished runs say together, or the trials of a sweep."""

from dataclasses import dataclass
from typing import Any, Self

from skin.errors import UserError
from skin.evaluation.predictions import Predictions, load_predictions
from skin.experiments.experiment import Experiment, MemberStatus, Summary
from skin.experiments.kinds import contrasts, is_search
from skin.experiments.outcome import Cell, Outcome, outcome
from skin.experiments.overview import Overview, histories_of
from skin.experiments.sweep_results import SweepResults
from skin.run import State

PART = "test"


@dataclass(frozen=True, eq=False)
class Results(Overview):
    """An experiment that compares variants, and the outcome of what has finished."""

    outcome: Outcome

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The results of what has finished; each other run is left out with the reason. Takes seconds.

        Raises UserError when the plan is missing or damaged, or of a kind that this version does not know.
        """
        summary, histories = experiment.status(), histories_of(experiment)
        return cls(experiment.plan, experiment.created, summary, histories, _outcome(experiment, summary))

    @property
    def unusable(self) -> list[str]:
        """A sentence for each run that has finished and yet is in no figure."""
        finished = {
            (row.member.variant, row.member.fold, row.member.seed) for row in self.summary.members if _is_finished(row)
        }
        left_out = [(Cell(row.variant, row.fold, row.seed), row.reason) for row in self.outcome.left_out]
        return [f"{cell} is in no figure: {reason}" for cell, reason in left_out if cell in finished]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self.facts, "outcome": self.outcome.to_dict()}


def read(experiment: Experiment) -> Results | SweepResults:
    """The results of an experiment of any kind. Raises UserError when its plan is damaged, or of an unknown kind."""
    return SweepResults.of(experiment) if is_search(experiment.plan) else Results.of(experiment)


def _outcome(experiment: Experiment, summary: Summary) -> Outcome:
    runs: dict[Cell, Predictions] = {}
    missing = {}
    for row in summary.members:
        cell = Cell(row.member.variant, row.member.fold, row.member.seed)
        try:
            runs[cell] = _predictions(experiment, row)
        except UserError as error:
            missing[cell] = str(error)
    first = experiment.run(experiment.plan.members[0])
    task = next(iter(runs.values())).task if runs else first.task
    return outcome(runs, contrasts(experiment.plan), task, missing)


def _predictions(experiment: Experiment, row: MemberStatus) -> Predictions:
    """Raises UserError with the reason why there are none."""
    if not _is_finished(row):
        raise UserError(f"It is {row.state}{f': {row.message}' if row.message else '.'}")
    return load_predictions(experiment.run(row.member).predictions_path)[PART]


def _is_finished(row: MemberStatus) -> bool:
    return row.state == State.FINISHED
