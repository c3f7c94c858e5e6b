"""The kinds of experiments: which runs answer which question. A kind is a function and a row of KINDS."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skin.config import MODELS, TrainConfig
from skin.data import splits
from skin.data.dataset import Dataset
from skin.errors import UsageError
from skin.experiments.outcome import Contrast
from skin.experiments.plan import Plan, members_of
from skin.experiments.sweep import SWEEP
from skin.models.backbones import find_backbone
from skin.training.data import check_config

Variants = dict[str, dict[str, str]]
"""The settings that each variant changes in the recipe, by its name. The first is compared with the second, the third with the fourth."""


@dataclass(frozen=True)
class Kind:
    """A row of KINDS.

    `cause` is what the second of two variants has and the first has not, as the subject of a sentence. `variants` makes
    the variants for the chosen models and raises UsageError where it has no use for them; `folds` is how many there are
    unless somebody says otherwise, 0 for one split.
    """

    title: str
    question: str
    cause: str
    variants: Callable[[Sequence[str]], Variants]
    folds: int


def _models(models: Sequence[str]) -> Variants:
    if set(models) != set(MODELS):
        raise UsageError("The experiment metadata compares both models: choose both.")
    return {model: {"model": model} for model in MODELS}


def _leaks(models: Sequence[str]) -> Variants:
    leaks = {"without": "leak-without", "with": "leak-with"}
    return {
        f"{model}-{leak}" if len(models) > 1 else leak: {"model": model, "split": split}
        for model in models
        for leak, split in leaks.items()
    }


KINDS: dict[str, Kind] = {
    "metadata": Kind(
        "Metadata",
        "Does what is known of the patient help? The image-only against the multimodal model, under one recipe.",
        "metadata",
        _models,
        folds=5,
    ),
    "leak": Kind(
        "Leak",
        "What does a leak feign? One test set, trained without and with the other images of its lesions, on as many images.",
        "the leak",
        _leaks,
        folds=0,
    ),
}
"""The kinds by the name that the command line uses."""


def find_kind(name: str) -> Kind:
    """The kind of this name. Raises UsageError that names the kinds there are, or where a sweep's best settings are told."""
    if name == SWEEP:
        raise UsageError(
            "A sweep compares no two variants: `python -m skin experiment show NAME` tells its best settings."
        )
    if name not in KINDS:
        raise UsageError(f"There is no kind of experiment {name!r}: use one of {', '.join((*KINDS, SWEEP))}.")
    return KINDS[name]


def plan(kind: str, name: str, recipe: TrainConfig, models: Sequence[str], folds: int | None, seeds: int) -> Plan:
    """The plan of an experiment of this kind over so many seeds and folds, None for those of the recipe or else the kind.

    The seeds count up from the recipe's. All runs share the seed of the split, so that a fold is the same for all seeds.
    Raises UsageError where there is no such kind or something of it is impossible.
    """
    own = find_kind(kind)
    if seeds < 1:
        raise UsageError(f"An experiment needs at least one seed, not {seeds}.")
    if folds is None:
        folds = recipe.folds or own.folds
    changes = {"folds": folds, "fold": 0, "split_seed": recipe.seed_of_split}
    shared = TrainConfig.parse({**dataclasses.asdict(recipe), **changes})
    variants = own.variants(models)
    members = members_of(name, variants, range(max(folds, 1)), range(recipe.seed, recipe.seed + seeds))
    made = Plan(name, shared, members, kind)
    _ = made.configs  # raises where a seed is past the last one
    return made


def contrasts(plan: Plan) -> list[Contrast]:
    """The variants that are compared with each other; of several pairs each is told by the model that it is of.

    Raises UsageError where the kind is of another version.
    """
    cause = find_kind(plan.kind).cause
    pairs = zip(plan.variants[::2], plan.variants[1::2], strict=True)
    return [Contrast(a, b, cause, where=a.rpartition("-")[0]) for a, b in pairs]


def check(plan: Plan, dataset: Dataset) -> None:
    """Raises UserError where a run of the plan cannot be trained on the data set, before any is made."""
    drawn = set()
    for config in plan.configs.values():
        find_backbone(config.backbone)
        check_config(config, dataset.task)
        split = config.split, config.seed_of_split, config.folds, config.fold
        if split not in drawn:
            drawn.add(split)
            splits.draw(dataset.images, config)
