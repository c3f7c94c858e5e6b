"""An experiment: runs under one recipe that are made to be compared. Both models are its smallest case."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from skin import run as runs
from skin.config import MODELS, TrainConfig
from skin.workspace import Workspace

BOTH = "both"
"""The choice of a model that stands for every one of them."""


@dataclass(frozen=True)
class Experiment:
    """Runs that share a recipe in everything but what is compared.

    The run of an only model has the experiment's own name; of several each adds which model it is.
    """

    name: str
    recipe: TrainConfig
    models: tuple[str, ...]

    @property
    def configs(self) -> dict[str, TrainConfig]:
        """The configurations by the names of their runs, in the order in which they train."""
        return {
            f"{self.name}{ending}": dataclasses.replace(self.recipe, model=model)
            for model, ending in zip(self.models, _endings(self.models), strict=True)
        }


def models_of(choice: str) -> tuple[str, ...]:
    """The models that a choice of one, or of both, stands for."""
    return tuple(MODELS) if choice == BOTH else (choice,)


def plan(
    workspace: Workspace, recipe: TrainConfig, models: Sequence[str], name: str | None, otherwise: str
) -> Experiment:
    """An experiment of this name or, without one, of the name `otherwise`, numbered where that is taken.

    Raises UsageError when a run's name would be no folder name or is taken.
    """
    free = name or runs.free_name(workspace, otherwise, _endings(models))
    experiment = Experiment(free, recipe, tuple(models))
    for run_name in experiment.configs:
        runs.check_free(workspace, run_name)
    return experiment


def _endings(models: Sequence[str]) -> list[str]:
    return [f"-{model}" if len(models) > 1 else "" for model in models]
