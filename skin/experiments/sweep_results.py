"""The results of a sweep: what each setting came to on the validation part, and which of the settings matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skin.experiments import sweep
from skin.experiments.experiment import Experiment, Summary
from skin.experiments.overview import Histories, Overview, histories_of
from skin.experiments.plan import Setting
from skin.records import to_plain
from skin.run import State, best_epoch

MIN_TRIALS = 10
"""Trials that it takes to tell which settings matter: of fewer, a forest finds chance."""


@dataclass(frozen=True)
class Trial:
    """A run of a sweep, its state, and its settings.

    `value` is its balanced accuracy on the validation part or, where it has not finished, that of the epoch that it would
    keep; NaN before the first one.
    """

    run: str
    state: str
    settings: dict[str, Setting]
    epochs: int
    value: float

    @property
    def is_finished(self) -> bool:
        """True where the value is the one that settings are judged by."""
        return self.state == State.FINISHED and bool(np.isfinite(self.value))


@dataclass(frozen=True)
class Influence:
    """The share of each setting in what a random forest explains of the values.

    `explained` is the share of the variance of trials that it was not grown from, at most 0 where it explains nothing.
    """

    explained: float
    shares: dict[str, float]


@dataclass(frozen=True, eq=False)
class SweepResults(Overview):
    """A sweep with its trials, the best first, those that have finished before the others.

    `influence` is None while there are fewer than MIN_TRIALS trials with a value.
    """

    trials: tuple[Trial, ...]
    influence: Influence | None

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The results as far as the runs are. Raises UserError when the plan is missing or damaged."""
        summary, histories = experiment.status(), histories_of(experiment)
        trials = sorted(_trials(experiment, summary, histories), key=_rank)
        return cls(experiment.plan, experiment.created, summary, histories, tuple(trials), influence(trials))

    @property
    def best(self) -> Trial | None:
        """The best of the finished trials."""
        return next((trial for trial in self.trials if trial.is_finished), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; null stands for a value that is not there."""
        best = self.best.run if self.best else None
        trials = to_plain(self.trials)
        return {
            **self.facts,
            "trials": trials,
            "best": best,
            "influence": to_plain(self.influence),
        }


def influence(trials: Sequence[Trial]) -> Influence | None:
    """The settings that matter, by permutation importance in a random forest; None of fewer than MIN_TRIALS trials.

    The values of a setting are shuffled, and the more the forest's fit suffers, the more the setting matters (Breiman
    2001, Machine Learning 45, 5–32). A trial that was stopped early counts with the value that it was stopped at.
    """
    from sklearn.ensemble import RandomForestRegressor  # takes a second to import
    from sklearn.inspection import permutation_importance

    known = [trial for trial in trials if np.isfinite(trial.value)]
    if len(known) < MIN_TRIALS:
        return None
    names = list(known[0].settings)
    columns = np.stack([_numbers([trial.settings[name] for trial in known]) for name in names], axis=1)
    values = np.array([trial.value for trial in known])
    forest = RandomForestRegressor(300, oob_score=True, random_state=0).fit(columns, values)
    lost = permutation_importance(forest, columns, values, n_repeats=30, random_state=0).importances_mean.clip(0)
    shares = lost / lost.sum() if lost.any() else lost
    return Influence(float(forest.oob_score_), dict(zip(names, shares.tolist(), strict=True)))


def _numbers(values: Sequence[Setting]) -> NDArray[np.float64]:
    """The values as a forest reads them: numbers as they are, names by their place in the alphabet."""
    if all(isinstance(value, int | float) for value in values):
        return np.array(values, np.float64)
    return np.unique([str(value) for value in values], return_inverse=True)[1].astype(np.float64)


def _trials(experiment: Experiment, summary: Summary, histories: Histories) -> list[Trial]:
    trials = []
    for row in summary.members:
        history = histories[row.member.variant].get(row.member.name, ())
        kept = best_epoch(history[-1:] and [epoch for epoch in history if epoch.stage == history[-1].stage])
        value = sweep.score(experiment.run(row.member)) if row.state == State.FINISHED else None
        if value is None:
            value = kept.val_balanced_accuracy if kept else np.nan
        trials.append(Trial(row.member.name, row.state, row.member.settings, len(history), value))
    return trials


def _rank(trial: Trial) -> tuple[bool, float]:
    return not trial.is_finished, -np.nan_to_num(trial.value, nan=-1.0)
