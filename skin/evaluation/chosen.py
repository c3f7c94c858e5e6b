"""All that is chosen on the validation part of a run, and never on the part that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skin.evaluation.decision import MOST_PROBABLE, Decision, check_rule, check_target, fit_decisions
from skin.evaluation.operating_point import TARGET, Thresholds, choose_targets, choose_thresholds
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import UNCHANGED, ClassShares, Prevalence, parse_prevalence


@dataclass(frozen=True)
class DecisionChoice:
    """The decision that a person or a program asks for, as they sent it.

    A row of DECISIONS, the target of those that have one, and what `parse_prevalence` reads.
    """

    decision: str = MOST_PROBABLE
    target: float = TARGET
    prevalence: str | Mapping[str, float] = UNCHANGED


@dataclass(frozen=True)
class Chosen:
    """Thresholds, decision rules by name, and the threshold for malignant of each target sensitivity.

    `decision` names the rule to judge by, `prevalence` is the one of predictive values, None for that of the images; `shares`
    are what the probabilities are reweighed from.
    """

    thresholds: Thresholds
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    targets: Mapping[float, float] = field(default_factory=dict)
    decision: str = MOST_PROBABLE
    prevalence: Prevalence | None = None
    shares: ClassShares | None = None


def choose(validation: Predictions, choice: DecisionChoice = DecisionChoice()) -> Chosen:
    """Everything that is chosen on these predictions of the validation part.

    Raises UsageError where there is no rule or prevalence as the choice says.
    """
    shares = ClassShares.of(validation)
    return Chosen(
        choose_thresholds(validation),
        fit_decisions(validation, check_target(choice.target)),
        choose_targets(validation),
        check_rule(choice.decision, validation.task),
        parse_prevalence(choice.prevalence, validation.task, shares.counted),
        shares,
    )
