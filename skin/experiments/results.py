"""The results of an experiment's folder: its outcome from what the finished runs predicted, and how they trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from skin.config import TrainConfig, differences
from skin.errors import UserError
from skin.evaluation.predictions import Predictions, load_predictions
from skin.experiments.experiment import Experiment, MemberStatus, Summary
from skin.experiments.kinds import KINDS, contrasts
from skin.experiments.outcome import Cell, Outcome, outcome
from skin.experiments.plan import Plan
from skin.run import Epoch, State

PART = "test"

Histories = Mapping[str, Mapping[str, tuple[Epoch, ...]]]
"""The finished epochs of runs, by variant and name."""


@dataclass(frozen=True, eq=False)
class Results:
    """An experiment, its state, the outcome of what has finished, and the histories of the runs that have trained."""

    plan: Plan
    created: float
    summary: Summary
    outcome: Outcome
    histories: Histories

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The results of what has finished; each other run is left out with the reason. Takes seconds.

        Raises UserError when the plan is missing or damaged, or of a kind that this version does not know.
        """
        summary = experiment.status()
        return cls(experiment.plan, experiment.created, summary, _outcome(experiment, summary), _histories(experiment))

    @property
    def question(self) -> str:
        """The question that the experiment asks."""
        return KINDS[self.plan.kind].question

    @property
    def training_seconds(self) -> float:
        """The time that all epochs took, added up."""
        return sum(epoch.seconds for runs in self.histories.values() for own in runs.values() for epoch in own)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all runs share; of paths only the name, for where a file lies is nobody's business."""
        configs = list(self.plan.configs.values())
        shared = {name: value for name, value in vars(configs[0]).items() if name not in differences(configs)}
        return {name: Path(value).name if name in ("dataset", "weights") else value for name, value in shared.items()}

    @property
    def changed_settings(self) -> dict[str, Any]:
        """Those of the settings that are not the default."""
        return {name: value for name, value in self.settings.items() if value != getattr(TrainConfig(), name)}

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
        return {
            "name": self.plan.name,
            "kind": self.plan.kind,
            "question": self.question,
            "created": datetime.fromtimestamp(self.created, UTC).isoformat(timespec="seconds"),
            "state": self.summary.state,
            "counts": self.summary.counts,
            "engine": self.plan.engine,
            "training_seconds": round(self.training_seconds, 1),
            "settings": self.settings,
            "outcome": self.outcome.to_dict(),
        }


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


def _histories(experiment: Experiment) -> Histories:
    histories: dict[str, dict[str, tuple[Epoch, ...]]] = {variant: {} for variant in experiment.plan.variants}
    for member in experiment.plan.members:
        try:
            history = tuple(experiment.run(member).history())
        except UserError:  # its figures say what is damaged, and the other curves can be drawn
            continue
        if history:
            histories[member.variant][member.name] = history
    return histories
