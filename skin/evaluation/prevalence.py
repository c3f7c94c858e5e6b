"""Probabilities for a clinic where the diagnoses have other shares (Saerens, Latinne & Decaestecker 2002).

The likelihood of an image under each diagnosis is taken to be the same everywhere: then a probability changes by the ratio
of the diagnosis' share there to its share in the probabilities at hand.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.errors import UsageError, UserError
from skin.evaluation.metrics import Floats, Truth
from skin.evaluation.predictions import Predictions
from skin.task import Task, listed

UNCHANGED = "unchanged"
"""The probabilities as the model gives them."""

_ROUNDING = 0.005
"""Shares that a person typed sum to 1 up to this."""

_STEPS, _TOLERANCE = 1000, 1e-9

_TINY = 1e-12
"""The least share that is reckoned with: an image whose only possible diagnosis never occurs keeps it."""


def class_shares(predictions: Predictions) -> NDArray[np.float64]:
    """The share of each diagnosis among the images, of shape (n_classes,); one without an image counts as having one."""
    counts = np.bincount(predictions.truth, minlength=len(predictions.task)).clip(1)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def reweigh(probabilities: Floats, old: Floats, new: Floats) -> NDArray[np.float64]:
    """Probabilities of shape (n, n_classes) under the shares `old`, as they are under the shares `new`."""
    weighted = probabilities.astype(np.float64) * (np.maximum(new, _TINY) / old)
    reweighed: NDArray[np.float64] = weighted / weighted.sum(axis=1, keepdims=True)
    return reweighed


def implied_shares(predictions: Predictions) -> NDArray[np.float64]:
    """The shares that the model's probabilities go by, of shape (n_classes,).

    Those from which the probabilities, reweighed to the counted shares, have the counted shares as their mean. A model that
    was trained with adjusted logits goes by others than it was shown: HAM10000's nevi are 67%, and the shipped models
    answer as if they were 45%.
    """
    counted = class_shares(predictions)
    implied = counted
    for _ in range(_STEPS):
        means = reweigh(predictions.probabilities, implied, counted).mean(axis=0)
        following = implied * np.maximum(means, _TOLERANCE) / counted
        following /= following.sum()
        if np.abs(following - implied).max() < _TOLERANCE:
            break
        implied = following
    return implied


@dataclass(frozen=True, eq=False)
class ClassShares:
    """The shares of the diagnoses in a model's training data, as its validation part has them, and those that it goes by."""

    counted: NDArray[np.float64]
    implied: NDArray[np.float64]

    @classmethod
    def of(cls, validation: Predictions) -> "ClassShares":
        """Those of a validation part, which was drawn as the training part was."""
        return cls(class_shares(validation), implied_shares(validation))


@dataclass(frozen=True)
class Prevalence:
    """The share of each diagnosis among the lesions that a model is asked about, by code; they sum to 1."""

    about: str
    shares: Mapping[str, float]

    @property
    def words(self) -> str:
        """The prevalence within a sentence."""
        return f"{self.about}: {in_percent(self.shares)}"

    def row(self, task: Task) -> NDArray[np.float64]:
        """The shares in the task's order, of shape (n_classes,)."""
        return np.array([self.shares[code] for code in task.codes])

    def image_weights(self, task: Task, truth: Truth) -> NDArray[np.float64]:
        """The weight of each image with which the images have these shares, of shape (n_images,).

        Raises UserError where there is no image of a diagnosis that has a share.
        """
        counts, shares = np.bincount(truth, minlength=len(task)), self.row(task)
        absent = [code for code, count, share in zip(task.codes, counts, shares, strict=True) if share and not count]
        if absent:
            raise UserError(f"No image here is of {listed(absent, 'or')}, so that this prevalence cannot be judged.")
        weights: NDArray[np.float64] = (shares / counts.clip(1))[truth] * len(truth)
        return weights


def in_percent(shares: Mapping[str, float]) -> str:
    """The shares within a sentence."""
    return listed([f"{share:.1%} {code}" for code, share in shares.items()])


@dataclass(frozen=True)
class NamedPrevalence:
    """A row of PREVALENCES: its name for people, the words for it, and its shares from those in the training data."""

    label: str
    about: str
    shares: Callable[[NDArray[np.float64]], NDArray[np.float64]]


PREVALENCES: dict[str, NamedPrevalence] = {
    "training": NamedPrevalence(
        "As in the training data", "diagnoses as common as in the training data", lambda counted: counted
    ),
    "equal": NamedPrevalence(
        "All alike", "diagnoses that are all as common", lambda counted: np.full(len(counted), 1 / len(counted))
    ),
}
"""Prevalences that have a name; any other is typed in."""

FORMAT = f"{UNCHANGED}, {', '.join(PREVALENCES)}, or a share for each diagnosis, such as mel=0.1,nv=0.9"


def parse_prevalence(told: object, task: Task, counted: NDArray[np.float64]) -> Prevalence | None:
    """The prevalence that a person typed or a program sent; None for UNCHANGED or nothing.

    A name, a text "CODE=SHARE,CODE=SHARE", or shares by code. Raises UsageError in one sentence.
    """
    if told is None or told in ("", UNCHANGED):
        return None
    if isinstance(told, str) and told in PREVALENCES:
        named = PREVALENCES[told]
        return Prevalence(named.about, dict(zip(task.codes, named.shares(counted).tolist(), strict=True)))
    if isinstance(told, Mapping):
        return _typed({str(code): share for code, share in told.items()}, task)
    if isinstance(told, str) and "=" in told:
        pairs = [pair.partition("=") for pair in told.split(",") if pair.strip()]
        return _typed({code.strip(): share for code, _, share in pairs}, task)
    raise UsageError(f"There is no prevalence {str(told)[:40]!r}: use {FORMAT}.")


def _typed(shares: Mapping[str, object], task: Task) -> Prevalence:
    codes = {code: task.find(code) for code in shares}
    if strange := [code for code, known in codes.items() if known is None]:
        raise UsageError(f"There is no diagnosis {strange[0]!r} in {task.title}: use {', '.join(task.codes)}.")
    numbers = {str(codes[code]): _number(code, share) for code, share in shares.items()}
    if missing := [code for code in task.codes if code not in numbers]:
        raise UsageError(
            f"The prevalence lacks {listed(missing)}: give a share for each diagnosis, 0 where it never occurs."
        )
    total = sum(numbers.values())
    if abs(total - 1) > _ROUNDING:
        raise UsageError(f"The shares of the prevalence sum to {total:g}: they must sum to 1.")
    return Prevalence("the diagnoses' shares that were given", {code: numbers[code] / total for code in task.codes})


def _number(code: str, share: object) -> float:
    try:
        number = float(str(share))
    except ValueError:
        number = np.nan
    if not 0 <= number <= 1:
        raise UsageError(f"The share of {code} must be a number from 0 to 1, not {str(share).strip()[:40]!r}.")
    return number


def shares_as_text(task: Task, shares: Floats) -> str:
    """The shares as `parse_prevalence` reads them, of a hundredth of a percent, that sum to 1."""
    parts = np.round(np.asarray(shares), 4)
    parts[parts.argmax()] += 1 - parts.sum()
    return ", ".join(f"{code}={share:.4f}" for code, share in zip(task.codes, parts, strict=True))
