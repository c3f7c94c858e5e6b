"""The plan of an experiment: runs under one recipe that are made to be compared. Both models are its smallest case."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from skin import run as runs
from skin.config import MODELS, TrainConfig
from skin.engines.engine import LOCAL
from skin.engines.resources import Resources
from skin.workspace import Workspace

BOTH = "both"
"""The choice of a model that stands for every one of them."""

Setting = str | int | float | bool


@dataclass(frozen=True)
class Design:
    """The runs that somebody asks for; each kind of experiment heeds some of the fields.

    `folds` None is for the number of the recipe, else of the kind. `vary` holds texts as
    `stage2_learning_rate=1e-4..1e-3:log` and `head_width=64,128`, of which `trials` settings at most are tried.
    """

    models: tuple[str, ...] = MODELS
    folds: int | None = None
    seeds: int = 1
    vary: tuple[str, ...] = ()
    trials: int = 10


@dataclass(frozen=True)
class Member:
    """A run of an experiment: its name, which of the variants that are compared it is, its fold and its seed.

    `settings` are what the variant changes in the recipe.
    """

    name: str
    variant: str
    fold: int
    seed: int
    settings: dict[str, Setting] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Plan:
    """The runs of an experiment, in the order in which they train, and what they train on.

    `kind` is a row of `kinds.KINDS`, "" where the runs lie among the user's other ones. The recipe is what they share.
    """

    name: str
    recipe: TrainConfig
    members: tuple[Member, ...]
    kind: str = ""
    engine: str = LOCAL
    resources: Resources = field(default_factory=Resources)

    def config(self, member: Member) -> TrainConfig:
        """The configuration of a member. Raises UsageError where a setting of it is none, or impossible."""
        own = {**member.settings, "fold": member.fold, "seed": member.seed}
        own["audit"] = self.recipe.audit and not self.kind
        return TrainConfig.parse({**dataclasses.asdict(self.recipe), **own})

    @property
    def configs(self) -> dict[str, TrainConfig]:
        """The configurations by the names of their runs, in the order in which they train."""
        return {member.name: self.config(member) for member in self.members}

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that are compared."""
        return _distinct(member.variant for member in self.members)

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that test, counted from 0."""
        return _distinct(member.fold for member in self.members)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return _distinct(member.seed for member in self.members)


def members_of(
    name: str, variants: Mapping[str, Mapping[str, Any]], folds: Sequence[int], seeds: Sequence[int]
) -> tuple[Member, ...]:
    """A member for each variant, by what it changes in the recipe, on each fold with each seed.

    Those that are compared with each other train one after the other. A run's name tells what varies; an only run has
    the experiment's own.
    """
    return tuple(
        Member(_name(name, (variant, variants), (fold, folds), (seed, seeds)), variant, fold, seed, dict(settings))
        for seed in seeds
        for fold in folds
        for variant, settings in variants.items()
    )


def models_of(choice: str) -> tuple[str, ...]:
    """The models that a choice of one, or of both, stands for."""
    return tuple(MODELS) if choice == BOTH else (choice,)


def of_models(
    workspace: Workspace, recipe: TrainConfig, models: Sequence[str], name: str | None, otherwise: str
) -> Plan:
    """One run of each of the models, under this name or, without one, the name `otherwise`, numbered where that is taken.

    Raises UsageError when a run's name would be no folder name or is taken.
    """
    variants = {model: {"model": model} for model in models}
    endings = [member.name for member in members_of("", variants, [recipe.fold], [recipe.seed])]
    free = name or runs.free_name(workspace, otherwise, endings)
    plan = Plan(free, recipe, members_of(free, variants, [recipe.fold], [recipe.seed]))
    for member in plan.members:
        runs.check_free(workspace, member.name)
    return plan


def _name(
    name: str,
    variant: tuple[str, Mapping[str, Any]],
    fold: tuple[int, Sequence[int]],
    seed: tuple[int, Sequence[int]],
) -> str:
    """The experiment's name and, of each pair of a value and all its values, the value where there are several."""
    parts = [
        text
        for text, values in ((variant[0], variant[1]), (f"fold{fold[0]}", fold[1]), (f"seed{seed[0]}", seed[1]))
        if len(values) > 1
    ]
    return "-".join([name, *parts])


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
