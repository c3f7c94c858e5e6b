"""The predictions of one part of a data set, and the file that a run keeps them in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skin.errors import UserError
from skin.files import parse_arrays, read_content, write_arrays
from skin.run import Run
from skin.task import HAM10000, Task


@dataclass(frozen=True)
class Predictions:
    """A model's predictions on a part of a data set.

    `truth` holds indices into the task's diagnoses, of shape (n_images,); `probabilities` has shape (n_images,
    n_classes), rows summing to 1. Raises UserError when they cannot be evaluated.
    """

    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    task: Task = HAM10000

    def __post_init__(self) -> None:
        complaint = _wrong_shapes(self) or _wrong_values(self)
        if complaint:
            raise UserError(f"These predictions cannot be evaluated: {complaint}.")

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable diagnosis of each image, of shape (n_images,)."""
        indices: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return indices

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """The predictions of the chosen images; `chosen` has shape (n_images,)."""
        rows = np.flatnonzero(chosen)
        image_ids, lesion_ids = (tuple(ids[row] for row in rows) for ids in (self.image_ids, self.lesion_ids))
        return type(self)(image_ids, lesion_ids, self.truth[rows], self.probabilities[rows], self.task)

    @property
    def are_labels(self) -> bool:
        """True where every prediction is a bare diagnosis, all probability on one class."""
        return bool((self.probabilities.max(axis=1) == 1).all())


def _wrong_shapes(predictions: Predictions) -> str | None:
    n = len(predictions.image_ids)
    if n == 0:
        return "there is no image"
    if len(predictions.lesion_ids) != n or predictions.truth.shape != (n,):
        return "each image needs one lesion and one true diagnosis"
    if predictions.probabilities.shape != (n, len(predictions.task)):
        return f"each image needs {len(predictions.task)} probabilities"
    return None


def _wrong_values(predictions: Predictions) -> str | None:
    if len(set(predictions.image_ids)) < len(predictions.image_ids):
        return "an image occurs twice"
    if not np.isin(predictions.truth, range(len(predictions.task))).all():
        return f"a true diagnosis is none of {', '.join(predictions.task.codes)}"
    sums = predictions.probabilities.sum(axis=1, dtype=np.float64)
    if not ((predictions.probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-3)):
        return "the probabilities of an image must be at least 0 and sum to 1"
    return None


Judged = TypeVar("Judged")


RESTORE = "restore the file, or train the run again"


class Parts(dict[str, Judged]):
    """Each part ("validation", "test") that a run's file holds; any other is a UserError, which ends in the advice."""

    def __init__(self, path: Path, parts: Mapping[str, Judged], advice: Callable[[], str] = lambda: RESTORE) -> None:
        super().__init__(parts)
        self._path = path
        self._advice = advice

    def __missing__(self, part: str) -> Judged:
        raise UserError(f"{self._path} tells nothing of a part {part!r}: {self._advice()}.")


def save_predictions(path: Path, parts: Mapping[str, Predictions]) -> None:
    """Write the predictions of named parts ("validation", "test") to an npz file, atomically."""
    arrays = {f"{part}.{name}": getattr(predictions, name) for part, predictions in parts.items() for name in _KINDS}
    write_arrays(path, arrays)


def load_predictions(path: Path) -> Parts[Predictions]:
    """The predictions in a run's folder. Raises UserError when they, or the run's task, are damaged."""
    task = Run(path.parent).task
    try:
        return Parts(path, _parts(read_content(path), task))
    except (ValueError, KeyError, TypeError, UserError) as error:
        raise UserError(f"{path} holds no predictions ({error}): {RESTORE}.") from error


@lru_cache(maxsize=64)
def _parts(content: bytes, task: Task) -> dict[str, Predictions]:
    """The predictions in a file's content; a page asks for those of the same runs with every section that it draws."""
    arrays = parse_arrays(content)
    for array in arrays.values():
        array.flags.writeable = False
    return {part: _predictions(arrays, part, task) for part in dict.fromkeys(name.split(".")[0] for name in arrays)}


def _predictions(arrays: Mapping[str, NDArray[Any]], part: str, task: Task) -> Predictions:
    fields = {name: arrays[f"{part}.{name}"] for name in _KINDS}
    if wrong := [name for name, array in fields.items() if array.dtype.kind not in _KINDS[name]]:
        raise ValueError(f"{wrong[0]} of {part} are of type {fields[wrong[0]].dtype}")
    return Predictions(
        image_ids=tuple(fields["image_ids"].ravel().tolist()),
        lesion_ids=tuple(fields["lesion_ids"].ravel().tolist()),
        truth=fields["truth"],
        probabilities=fields["probabilities"],
        task=task,
    )


_KINDS = {"image_ids": "U", "lesion_ids": "U", "truth": "iu", "probabilities": "f"}
"""The kinds of number or text that the fields of Predictions may be, as NumPy names them."""
