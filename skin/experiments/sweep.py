"""Sweeps: settings that are tried against each other, judged on the validation part alone, the poor ones stopped early.

The settings are spread over the ranges as a Latin hypercube (McKay, Beckman & Conover 1979), so that each range is covered
evenly however many vary; poor runs are stopped by asynchronous successive halving, ASHA (Li et al. 2020, MLSys).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from skin.config import FieldInfo, TrainConfig, field_info
from skin.errors import UsageError, UserError
from skin.evaluation.report import load_report
from skin.experiments.experiment import Experiment
from skin.experiments.plan import Design, Member, Plan, Setting, members_of
from skin.files import write_atomically
from skin.run import Epoch, Run, best_epoch

MOST_TRIALS = 1000

REDUCTION = 3
"""One in so many of the runs that have reached a rung goes on."""

SCORE = "balanced_accuracy"
"""The figure of the validation part that settings are judged by."""

_FIXED = ("dataset", "split", "folds", "fold", "split_seed", "seed")
"""Fields that change the images that runs are judged on, or the chance: with them no run could be compared."""


@dataclass(frozen=True)
class Range:
    """The values of a setting from `low` to `high`, evenly spread, or evenly by their logarithms."""

    info: FieldInfo
    low: float
    high: float
    is_log: bool

    def value(self, share: float) -> Setting:
        """The value at this share of the range, to three digits."""
        low, high = (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)
        value = low + share * (high - low)
        value = float(f"{math.exp(value) if self.is_log else value:.3g}")
        value = min(max(value, self.low), self.high)
        return round(value) if self.info.type is int else value


@dataclass(frozen=True)
class Choices:
    """The values of a setting one by one."""

    info: FieldInfo
    values: tuple[Setting, ...]

    def value(self, share: float) -> Setting:
        """The value at this share of the list."""
        return self.values[int(share * len(self.values))]


Varied = Range | Choices


def plan(name: str, recipe: TrainConfig, design: Design) -> Plan:
    """The plan of a sweep: a run for each of the settings that are tried, on one split with one seed.

    Where all that varies are lists and have no more combinations than there are trials, each is tried. Raises UsageError
    where a text says nothing that can be tried.
    """
    if len(design.models) > 1 and not any(text.startswith("model=") for text in design.vary):
        raise UsageError(
            "A sweep trains one model: choose it with --model, or vary it with --vary model=image,multimodal."
        )
    settings = settings_of(parse(design.vary), design.trials, recipe.seed)
    digits = len(str(len(settings)))
    variants = {f"trial{number:0{digits}}": own for number, own in enumerate(settings, 1)}
    shared = replace(recipe, split_seed=recipe.seed_of_split)
    return Plan(name, shared, members_of(name, variants, [recipe.fold], [recipe.seed]))


def parse(texts: Sequence[str]) -> list[Varied]:
    """The settings that vary. Raises UsageError where one is none, cannot be varied, or has impossible values."""
    if not texts:
        raise UsageError("A sweep needs a setting to vary: --vary stage2_learning_rate=1e-4..1e-3:log, for one.")
    varied = [_varied(text) for text in texts]
    names = [own.info.name for own in varied]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is varied twice: name it once.")
    return varied


def _varied(text: str) -> Varied:
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise UsageError(f"--vary wants FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=VALUE,VALUE, not {text!r}.")
    field = field_info(name)
    if name in _FIXED:
        raise UsageError(
            f"{name} cannot be varied: all runs of a sweep are judged on the same images, with the same seed."
        )
    return _range(field, values) if ".." in values else _choices(field, values)


def _range(info: FieldInfo, text: str) -> Range:
    bounds, _, scale = text.partition(":")
    first, _, last = bounds.partition("..")
    if info.type not in (int, float) or info.choices:
        raise UsageError(f"{info.name} has no range: list its values, as {info.name}=VALUE,VALUE.")
    if scale not in ("", "log"):
        raise UsageError(f"A range ends with nothing or with :log, not with :{scale}.")
    low, high = info.parse(first), info.parse(last)
    if low >= high:
        raise UsageError(f"The range of {info.name} is the wrong way round: {first} is not less than {last}.")
    if scale and low <= 0:
        raise UsageError(f"The range of {info.name} begins at {first}, which has no logarithm: leave out :log.")
    return Range(info, low, high, bool(scale))


def _choices(info: FieldInfo, text: str) -> Choices:
    return Choices(info, tuple(dict.fromkeys(info.parse(value) for value in text.split(","))))


def settings_of(varied: Sequence[Varied], trials: int, seed: int) -> list[dict[str, Setting]]:
    """At most so many different settings; the same seed gives the same. Raises UsageError for an impossible number."""
    if not 1 <= trials <= MOST_TRIALS:
        raise UsageError(f"A sweep has 1 to {MOST_TRIALS} trials, not {trials}.")
    lists = [own.values for own in varied if isinstance(own, Choices)]
    if len(lists) == len(varied) and math.prod(map(len, lists)) <= trials:
        rows = list(itertools.product(*lists))
    else:
        shares = qmc.LatinHypercube(len(varied), rng=np.random.default_rng(seed)).random(trials)
        rows = [tuple(own.value(share) for own, share in zip(varied, row, strict=True)) for row in shares]
    return [dict(zip((own.info.name for own in varied), row, strict=True)) for row in dict.fromkeys(rows)]


def rungs(epochs: int) -> Iterator[int]:
    """The numbers of epochs after which a run may be stopped, each three times the one before: 1, 3 and 9 of 12."""
    rung = max(1, epochs // REDUCTION**3)
    while rung < epochs:
        yield rung
        rung *= REDUCTION


def standings(config: TrainConfig, history: Sequence[Epoch]) -> dict[int, float]:
    """The validation figure of a run on each rung that it has reached in its last stage.

    It is that of the epoch whose weights the run would keep if it ended there.
    """
    stage = config.stages[1] if config.stage2_epochs else config.stages[0]
    epochs = [epoch for epoch in history if epoch.stage == stage.number]
    reached = [rung for rung in rungs(stage.epochs) if rung <= len(epochs)]
    kept = {rung: best_epoch(epochs[:rung]) for rung in reached}
    return {rung: epoch.val_balanced_accuracy for rung, epoch in kept.items() if epoch}


def is_poor(value: float, others: Sequence[float]) -> bool:
    """True where a run is not among the best third of those that have reached its rung; the best is never poor."""
    return sum(other > value for other in others) >= max(1, (len(others) + 1) // REDUCTION)


def score(run: Run) -> float | None:
    """The validation figure that a finished run is judged by; None where its report is missing, damaged or lacks it."""
    try:
        return load_report(run.report_path)["validation"].headline[SCORE].value
    except (UserError, KeyError):
        return None


def best(experiment: Experiment) -> tuple[Member, float] | None:
    """The member with the highest score, and the score; None while none has one."""
    scores = [(member, score(experiment.run(member))) for member in experiment.plan.members]
    known = [(member, value) for member, value in scores if value is not None]
    return max(known, key=lambda pair: pair[1], default=None)


def best_path(experiment: Experiment) -> Path:
    """The file of the best settings, for `train --config`."""
    return experiment.folder / "best.json"


def keep_best(experiment: Experiment) -> None:
    """Write the best settings, if any run is finished. Raises UserError when the disk is full."""
    if found := best(experiment):
        config = replace(experiment.plan.config(found[0]), audit=experiment.plan.recipe.audit)
        write_atomically(best_path(experiment), config.to_json().encode())
