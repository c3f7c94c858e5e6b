"""From calibrated probabilities to one diagnosis: rules that are fitted on the validation part, and what each achieves.

No rule changes a probability. A diagnosis that is called under a rule need not be the most probable one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skin.errors import UsageError
from skin.evaluation import metrics
from skin.evaluation.metrics import METRICS, Estimate, Floats, Metric, Truth
from skin.evaluation.operating_point import TARGET, least_kept
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import implied_shares
from skin.task import Task

Decided = NDArray[np.int64]
"""The index of the diagnosis that each image is called, of shape (n_images,)."""

MOST_PROBABLE = "most-probable"

POWERS = np.linspace(0, 1, 21)
"""The powers of the class shares that `balanced` chooses from."""


class Decision(Protocol):
    """A rule as it was fitted on the validation part of a run."""

    def decide(self, task: Task, probabilities: Floats) -> Decided:
        """The decided diagnoses from calibrated probabilities of shape (n_images, n_classes)."""

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that were chosen on the validation part, by name."""

    @property
    def words(self) -> str:
        """The rule within a sentence, with its numbers."""


@dataclass(frozen=True)
class MostProbable:
    """The most probable diagnosis."""

    def decide(self, _task: Task, probabilities: Floats) -> Decided:
        """As Decision."""
        decided: Decided = probabilities.argmax(axis=1)
        return decided

    @property
    def parameters(self) -> dict[str, float]:
        """As Decision."""
        return {}

    @property
    def words(self) -> str:
        """As Decision."""
        return "the most probable diagnosis"


@dataclass(frozen=True)
class Balanced:
    """The diagnosis whose probability, divided by a power of the share that the model goes by, is the highest.

    At a power of 1 each diagnosis counts alike, as the balanced accuracy counts them, if the probabilities are right; by how
    far they are not, a lower power does better.
    """

    shares: tuple[float, ...]
    power: float

    @classmethod
    def fit(cls, validation: Predictions, _target: float) -> Balanced:
        """The rule with the power of the highest balanced accuracy, of several the lowest, which changes least."""
        shares = tuple(implied_shares(validation).tolist())
        rules = [cls(shares, float(power)) for power in POWERS]
        return max(rules, key=lambda rule: _balanced_accuracy(rule, validation))

    def decide(self, _task: Task, probabilities: Floats) -> Decided:
        """As Decision."""
        decided: Decided = (probabilities / np.array(self.shares) ** self.power).argmax(axis=1)
        return decided

    @property
    def parameters(self) -> dict[str, float]:
        """As Decision."""
        return {"power": self.power}

    @property
    def words(self) -> str:
        """As Decision."""
        return (
            "the highest probability once each is divided by its diagnosis' share, as the model reckons with it, to the power "
            f"{self.power:.2f}, which gave the best balanced accuracy on the validation part"
        )


def _balanced_accuracy(decision: Decision, predictions: Predictions) -> float:
    judged = decided_labels(decision, predictions)
    ones = np.ones((1, len(judged.truth)))
    return float(METRICS["balanced_accuracy"].function(judged.task, judged.truth, judged.probabilities, ones)[0])


@dataclass(frozen=True)
class AtSensitivity:
    """The most probable malignant diagnosis where the malignant probability reaches a threshold, else the most probable other."""

    target: float
    threshold: float

    @classmethod
    def fit(cls, validation: Predictions, target: float) -> AtSensitivity:
        """The rule with the highest threshold that finds the target's share of the malignant validation images."""
        is_malignant = metrics.is_malignant(validation.task, validation.truth)
        scores = metrics.malignant_scores(validation.task, validation.probabilities)[is_malignant]
        return cls(target, least_kept(scores, 1 - target))

    def decide(self, task: Task, probabilities: Floats) -> Decided:
        """As Decision."""
        called = metrics.malignant_scores(task, probabilities) >= self.threshold
        is_malignant = np.isin(np.arange(len(task)), task.malignant)
        fitting = np.where(called[:, None] == is_malignant, probabilities, -1)
        decided: Decided = fitting.argmax(axis=1)
        return decided

    @property
    def parameters(self) -> dict[str, float]:
        """As Decision."""
        return {"target": self.target, "threshold": self.threshold}

    @property
    def words(self) -> str:
        """As Decision."""
        return (
            f"whether its malignant probability reaches {self.threshold:.1%}, the threshold that finds {self.target:.0%} of the "
            "malignant validation images; then by the most probable diagnosis of that kind"
        )


@dataclass(frozen=True)
class Rule:
    """A row of DECISIONS: its name for people, what it is for, and the function that fits it.

    `fit` takes the validation predictions and the target, a sensitivity between 0 and 1. `applies` is whether a task has
    what the rule asks for.
    """

    label: str
    help: str
    fit: Callable[[Predictions, float], Decision]
    applies: Callable[[Task], bool] = lambda _: True


DECISIONS: dict[str, Rule] = {
    MOST_PROBABLE: Rule(
        "Most probable",
        "Is right most often; rare diagnoses are missed more.",
        lambda _validation, _target: MostProbable(),
    ),
    "balanced": Rule(
        "Balanced", "Finds rare diagnoses more often: each diagnosis counts alike, however rare.", Balanced.fit
    ),
    "sensitivity": Rule(
        "Malignant or not",
        "Misses few malignant lesions, at the price of more false alarms: malignant from a threshold on that reaches a target.",
        AtSensitivity.fit,
        applies=lambda task: task.tells_malignant,
    ),
}


def rules_of(task: Task) -> dict[str, Rule]:
    """The rows of DECISIONS that the task has what it takes for."""
    return {name: rule for name, rule in DECISIONS.items() if rule.applies(task)}


def fit_decision(name: object, validation: Predictions, target: float = TARGET) -> Decision:
    """The rule of this name, fitted on the validation part.

    Raises UsageError where there is no such rule for the task, or the target is no share.
    """
    return DECISIONS[check_rule(name, validation.task)].fit(validation, check_target(target))


def check_rule(name: object, task: Task) -> str:
    """The name of a rule of the task. Raises UsageError where there is none."""
    rules = rules_of(task)
    if not isinstance(name, str) or name not in rules:
        raise UsageError(f"There is no decision rule {str(name)[:40]!r} for this model: use one of {', '.join(rules)}.")
    return name


def check_target(target: object) -> float:
    """The target sensitivity. Raises UsageError where it is no number between 0 and 1."""
    is_number = isinstance(target, int | float) and not isinstance(target, bool)
    if not is_number or not 0 < float(target) < 1:  # type: ignore[arg-type]
        raise UsageError(
            f"The target sensitivity must be a number between 0 and 1, such as {TARGET}, not {target!r:.40}."
        )
    return float(target)  # type: ignore[arg-type]


def fit_decisions(validation: Predictions, target: float = TARGET) -> dict[str, Decision]:
    """Every rule of the task, fitted on the validation part."""
    return {name: fit_decision(name, validation, target) for name in rules_of(validation.task)}


def decided_labels(decision: Decision, predictions: Predictions) -> Predictions:
    """The predictions with the decided diagnosis as a bare one, all probability on it."""
    decided = decision.decide(predictions.task, predictions.probabilities)
    return replace(predictions, probabilities=np.eye(len(predictions.task), dtype=np.float32)[decided])


def _melanoma_specificity(task: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    place = task.index("mel")
    return _specificity(truth == place, probabilities.argmax(axis=1) == place, weights)


def _malignant_sensitivity(task: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    malignant, called = _malignant(task, truth, probabilities)
    return metrics.ratio(weights @ (malignant & called), weights @ malignant)


def _malignant_specificity(task: Task, truth: Truth, probabilities: Floats, weights: Floats) -> Floats:
    return _specificity(*_malignant(task, truth, probabilities), weights)


def _malignant(task: Task, truth: Truth, probabilities: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return metrics.is_malignant(task, truth), metrics.is_malignant(task, probabilities.argmax(axis=1))


def _specificity(positive: NDArray[np.bool_], called: NDArray[np.bool_], weights: Floats) -> Floats:
    return metrics.ratio(weights @ ~(positive | called), weights @ ~positive)


DECISION_METRICS: dict[str, Metric] = {
    **{name: METRICS[name] for name in ("accuracy", "balanced_accuracy", "melanoma_sensitivity")},
    "melanoma_specificity": Metric(
        "Melanoma specificity",
        "Share of the other images that are not called melanoma.",
        _melanoma_specificity,
        applies=METRICS["melanoma_sensitivity"].applies,
    ),
    "malignant_sensitivity": Metric(
        "Malignant sensitivity",
        "Share of the malignant images that are called a malignant diagnosis.",
        _malignant_sensitivity,
        applies=METRICS["malignant_auc"].applies,
    ),
    "malignant_specificity": Metric(
        "Malignant specificity",
        "Share of the other images that are called another diagnosis.",
        _malignant_specificity,
        applies=METRICS["malignant_auc"].applies,
    ),
}
"""The figures of a decision rule, functions of what is decided."""


def decision_metrics_of(task: Task) -> dict[str, Metric]:
    """The rows of DECISION_METRICS that the task has what it takes for."""
    return {name: metric for name, metric in DECISION_METRICS.items() if metric.applies(task)}


@dataclass(frozen=True)
class DecisionReport:
    """The numbers that a rule chose on the validation part, and its DECISION_METRICS here with their intervals."""

    parameters: dict[str, float]
    figures: dict[str, Estimate]


def judge_decisions(decisions: Mapping[str, Decision], predictions: Predictions) -> dict[str, DecisionReport]:
    """Each rule judged on the same resamples of lesions; none where the predictions are bare diagnoses."""
    if not decisions or predictions.are_labels:
        return {}
    known = decision_metrics_of(predictions.task)
    judged = [decided_labels(decision, predictions) for decision in decisions.values()]
    values = metrics.bootstrap(partial(_columns, judged, list(known.values())), predictions.lesion_ids)
    return {
        name: DecisionReport(
            decision.parameters, {figure: Estimate.of(values[:, rule, k]) for k, figure in enumerate(known)}
        )
        for rule, (name, decision) in enumerate(decisions.items())
    }


def _columns(judged: list[Predictions], known: list[Metric], weights: Floats) -> Floats:
    """The metrics of each rule on resamples of these weights, of shape (n_resamples, n_rules, n_metrics)."""
    rules = [[metric.function(own.task, own.truth, own.probabilities, weights) for metric in known] for own in judged]
    return np.array(rules).transpose(2, 0, 1)
