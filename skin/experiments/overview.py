"""The overview of an experiment: what it is, how far it is, and how its runs have trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skin.config import TrainConfig, differences
from skin.errors import UserError
from skin.experiments import kinds
from skin.experiments.experiment import Experiment, Summary
from skin.experiments.plan import Plan
from skin.run import Epoch

Histories = Mapping[str, Mapping[str, tuple[Epoch, ...]]]
"""The finished epochs of runs, by variant and name."""


@dataclass(frozen=True, eq=False)
class Overview:
    """An experiment, its state, and the histories of the runs that have trained."""

    plan: Plan
    created: float
    summary: Summary
    histories: Histories

    @property
    def question(self) -> str:
        """The question that the experiment asks."""
        return kinds.question(self.plan)

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
    def facts(self) -> dict[str, Any]:
        """The overview as JSON has it."""
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
        }


def histories_of(experiment: Experiment) -> Histories:
    """The histories of the runs that have trained, but for damaged ones."""
    histories: dict[str, dict[str, tuple[Epoch, ...]]] = {variant: {} for variant in experiment.plan.variants}
    for member in experiment.plan.members:
        try:
            history = tuple(experiment.run(member).history())
        except UserError:  # its figures say what is damaged, and the other curves can be drawn
            continue
        if history:
            histories[member.variant][member.name] = history
    return histories
