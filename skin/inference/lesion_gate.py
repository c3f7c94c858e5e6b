"""The lesion gate: tells whether a picture is one that a run's network can judge at all, a lesion as those it learned from.

A gate belongs to a run. It is fitted to the run's training part, and its thresholds are chosen on the validation part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skin.errors import UserError
from skin.files import read_arrays, write_arrays
from skin.inference.out_of_distribution import Ensemble
from skin.inference.picture_checks import CHECKS, measure
from skin.run import Run

GATE = "scope.npz"
"""The file of the gate in the audit's folder."""

UNLIKE = "It does not look like the images of lesions that this model learned from."
TOO_SMALL = "The picture is too small: {} by {} pixels, and its shorter side must have {}."


@dataclass(frozen=True)
class InScope:
    """The gate's answer: None where the picture was not checked; the reason of anything but True."""

    in_scope: bool | None
    reason: str = ""

    @property
    def is_refused(self) -> bool:
        """True where the picture is none to be judged."""
        return self.in_scope is False


NOT_CHECKED = InScope(None, "It was not checked whether this is a picture of a lesion.")


@dataclass(frozen=True)
class LesionGate:
    """A score with its threshold, the least value of each of CHECKS, and the least side of a picture in pixels."""

    score: Ensemble
    threshold: float
    bounds: Mapping[str, float]
    min_side: int

    def refusal(self, score: float, values: Mapping[str, float], side: int) -> str:
        """The reason to refuse a picture with this score, these values of CHECKS and this shorter side; "" for none."""
        if side < self.min_side:
            return "too small"
        failed = [name for name in CHECKS if values[name] < self.bounds.get(name, -np.inf)]
        return failed[0] if failed else "unlike" if score > self.threshold else ""

    def judge(self, embedding: NDArray[np.float32], pixels: NDArray[np.uint8], size: tuple[int, int]) -> InScope:
        """The answer to a picture of so many pixels in width and height.

        `pixels` have the network's size, and the embedding, of shape (channels,), is theirs.
        """
        reason = self.refusal(float(self.score(embedding[None])[0]), measure(pixels), min(size))
        if not reason:
            return InScope(True)
        if reason == "too small":
            return InScope(False, TOO_SMALL.format(*size, self.min_side))
        return InScope(False, CHECKS[reason].reason if reason in CHECKS else UNLIKE)

    def save(self, path: Path) -> None:
        """Write the gate. Raises UserError when the disk is full."""
        limits = {"threshold": self.threshold, "bounds": dict(self.bounds), "min_side": self.min_side}
        write_arrays(path, {**self.score.arrays(), "limits": np.array(json.dumps(limits))})

    @classmethod
    def load(cls, run: Run) -> Self:
        """The gate of a run. Raises UserError where it is missing or damaged, with the command that makes it."""
        path = run.audit_folder / GATE
        try:
            arrays = read_arrays(path)
            limits = json.loads(str(arrays.pop("limits")))
            bounds = {name: _finite(limits["bounds"][name]) for name in limits["bounds"]}
            ensemble = Ensemble.of_arrays(arrays)
            gate = cls(ensemble, _finite(limits["threshold"]), bounds, int(limits["min_side"]))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            state = "is damaged" if path.exists() else "is not there yet"
            raise UserError(
                f"{NOT_CHECKED.reason} The gate of {run.name} {state}: `{run.audit_command}` makes it from the images."
            ) from error
        return gate


def _finite(value: Any) -> float:
    """The number. Raises ValueError where it is none."""
    if not np.isfinite(float(value)):
        raise ValueError(f"{value} is no limit")
    return float(value)
