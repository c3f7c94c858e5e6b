"""The kinds of experiments: which runs answer which question. A kind is a function and a row of KINDS."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skin.config import MODELS, TrainConfig
from skin.data import splits
from skin.data.dataset import Dataset
from skin.errors import UsageError
from skin.experiments import sweep
from skin.experiments.outcome import Contrast
from skin.experiments.plan import BOTH, Design, Plan, members_of
from skin.models.backbones import find_backbone
from skin.training.data import check_config

Variants = dict[str, dict[str, str]]
"""The settings that each variant changes in the recipe, by its name. The first is compared with the second, the third with the fourth."""


@dataclass(frozen=True)
class Kind:
    """A row of KINDS.

    `plan` makes the runs under a name and a recipe, and raises UsageError where the design is impossible; `takes` are the
    fields of the design that it heeds beside the models. `models` and `folds` are the choice of models and the number of
    folds unless somebody says otherwise, 0 for one split. `cause` is what the second of two variants has and the first has
    not, as the subject of a sentence; "" where no variants are compared in pairs.
    """

    title: str
    question: str
    plan: Callable[[str, TrainConfig, Design], Plan]
    takes: tuple[str, ...] = ("folds", "seeds")
    models: str = BOTH
    folds: int = 0
    cause: str = ""

    @property
    def is_search(self) -> bool:
        """True where the runs compete on the validation part: poor ones are stopped early, the best settings kept."""
        return not self.cause


def _metadata(name: str, recipe: TrainConfig, design: Design) -> Plan:
    if set(design.models) != set(MODELS):
        raise UsageError("The experiment metadata compares both models: choose both.")
    return _of_variants(name, recipe, design, {model: {"model": model} for model in MODELS})


def _leak(name: str, recipe: TrainConfig, design: Design) -> Plan:
    leaks = {"without": "leak-without", "with": "leak-with"}
    variants = {
        f"{model}-{leak}" if len(design.models) > 1 else leak: {"model": model, "split": split}
        for model in design.models
        for leak, split in leaks.items()
    }
    return _of_variants(name, recipe, design, variants)


def _of_variants(name: str, recipe: TrainConfig, design: Design, variants: Variants) -> Plan:
    """Each variant on each fold with each seed; these count up from the recipe's.

    All runs share the seed of the split, so that a fold is the same for all seeds.
    """
    if design.seeds < 1:
        raise UsageError(f"An experiment needs at least one seed, not {design.seeds}.")
    folds = design.folds or 0
    changes = {"folds": folds, "fold": 0, "split_seed": recipe.seed_of_split}
    shared = TrainConfig.parse({**dataclasses.asdict(recipe), **changes})
    seeds = range(recipe.seed, recipe.seed + design.seeds)
    return Plan(name, shared, members_of(name, variants, range(max(folds, 1)), seeds))


KINDS: dict[str, Kind] = {
    "metadata": Kind(
        "Metadata",
        "Does what is known of the patient help? The image-only against the multimodal model, under one recipe.",
        _metadata,
        folds=5,
        cause="metadata",
    ),
    "leak": Kind(
        "Leak",
        "How much better do figures look with a leak? Trained without and with other images of the test lesions, on equally many images.",
        _leak,
        cause="the leak",
    ),
    "sweep": Kind(
        "Sweep",
        "Which settings are best? Judged on the validation part alone; the test part is for the one that is chosen.",
        sweep.plan,
        takes=("vary", "trials"),
        models=MODELS[-1],
    ),
}
"""The kinds by the name that the command line uses."""


def find_kind(name: str) -> Kind:
    """The kind of this name. Raises UsageError that names the kinds there are."""
    if name not in KINDS:
        raise UsageError(f"There is no kind of experiment {name!r}: use one of {', '.join(KINDS)}.")
    return KINDS[name]


def design(kind: str, models: Sequence[str], **given: Any) -> Design:
    """The design for an experiment of this kind; what is None is as usual.

    Raises UsageError where there is no such kind, or it has no use for something given.
    """
    takes = find_kind(kind).takes
    known = {name: value for name, value in given.items() if value is not None}
    if useless := [f"--{name}" for name in known if name not in takes]:
        options = " and ".join(f"--{name}" for name in takes)
        raise UsageError(f"The experiment {kind} has no use for {' and '.join(useless)}: it takes {options}.")
    return Design(tuple(models), **known)


def plan(kind: str, name: str, recipe: TrainConfig, design: Design) -> Plan:
    """The plan of an experiment of this kind. Raises UsageError where there is no such kind or something is impossible."""
    own = find_kind(kind)
    if design.folds is None:
        design = dataclasses.replace(design, folds=recipe.folds or own.folds)
    made = dataclasses.replace(own.plan(name, recipe, design), kind=kind)
    _ = made.configs  # raises where settings are impossible together, or a seed is past the last one
    return made


def question(plan: Plan) -> str:
    """The question that the experiment asks; "" where its kind is of another version."""
    return KINDS[plan.kind].question if plan.kind in KINDS else ""


def is_search(plan: Plan) -> bool:
    """True where the runs compete on the validation part; False where the kind is of another version."""
    return plan.kind in KINDS and KINDS[plan.kind].is_search


def contrasts(plan: Plan) -> list[Contrast]:
    """The variants that are compared with each other; of several pairs each is told by the model that it is of.

    Raises UsageError where the kind compares none, or is of another version.
    """
    kind = find_kind(plan.kind)
    if kind.is_search:
        raise UsageError(
            f"{plan.name} compares no two variants: `python -m skin experiment show {plan.name}` tells its best settings."
        )
    pairs = zip(plan.variants[::2], plan.variants[1::2], strict=True)
    return [Contrast(a, b, kind.cause, where=a.rpartition("-")[0]) for a, b in pairs]


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
