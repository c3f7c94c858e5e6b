"""Splits of a data set into training, validation and test parts, and what they leak."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.files import write_atomically

PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class Split:
    """Image ids of each part, in the data set's order."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The image ids by the part's name."""
        return {part: getattr(self, part) for part in PARTS}

    def save(self, path: Path) -> None:
        """Write the columns image_id and part. Raises UserError when the disk is full."""
        rows = [(image_id, part) for part, ids in self.parts.items() for image_id in ids]
        write_atomically(path, pd.DataFrame(rows, columns=["image_id", "part"]).to_csv(index=False).encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises UserError when the file is missing or damaged."""
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            parts = {part: tuple(table["image_id"][table["part"] == part]) for part in PARTS}
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"The split {path} cannot be read ({error}): delete the run and train again.") from error
        if table["image_id"].duplicated().any() or sum(map(len, parts.values())) != len(table):
            raise UserError(
                f"The split {path} names an image twice or an unknown part: delete the run and train again."
            )
        return cls(**parts)


def by_image(images: Sequence[LesionImage], seed: int) -> Split:
    """70/15/15 of the images, stratified by diagnosis: what much of the literature does, and it leaks.

    Lesions of several images end up in several parts. Drawn exactly as in the reference system, from the table's order.
    Raises UserError when a diagnosis has too few images to be in every part.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import

    labels = np.array([image.diagnosis for image in images])
    try:
        train, rest = train_test_split(np.arange(len(images)), test_size=0.3, random_state=seed, stratify=labels)
        validation, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=labels[rest])
    except ValueError as error:
        raise UserError(
            "A diagnosis has too few images for a split by image: use the split by-lesion, or more images."
        ) from error
    return _split(images, {"train": train, "validation": validation, "test": test})


def by_lesion(images: Sequence[LesionImage], seed: int) -> Split:
    """70/15/15 of the images of every diagnosis, as near as whole lesions allow; no lesion is in two parts.

    The lesions of a diagnosis are shuffled and cut where their images pass 70 and 85%. A diagnosis of three lesions or
    more is in every part. Raises UserError when a part would be empty.
    """
    rows = _rows_of_lesions(images)
    rng = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for code in sorted({image.diagnosis for image in images}):
        lesions = sorted(lesion for lesion, own in rows.items() if images[own[0]].diagnosis == code)
        for part, members in zip(PARTS, _cut(rng.permutation(lesions).tolist(), rows), strict=True):
            parts[part] += [row for lesion in members for row in rows[lesion]]
    if not all(parts.values()):
        raise UserError("The data set has too few lesions to be split: each part needs at least one; add images.")
    return _split(images, parts)


def _rows_of_lesions(images: Sequence[LesionImage]) -> dict[str, list[int]]:
    rows = defaultdict(list)
    for row, image in enumerate(images):
        rows[image.lesion_id].append(row)
    return rows


def _cut(lesions: Sequence[str], rows: Mapping[str, Sequence[int]]) -> tuple[Sequence[str], ...]:
    """The lesions in three parts, cut where the sum of their images comes nearest to the shares."""
    if not lesions:
        return (), (), ()
    sums = np.cumsum([len(rows[lesion]) for lesion in lesions])
    goals = np.cumsum(SHARES[:2]) * sums[-1]
    first, second = (int(np.abs(sums - goal).argmin()) + 1 for goal in goals)
    last = len(lesions)
    first = min(first, max(1, last - 2))
    second = min(max(second, first + 1), max(first, last - 1))
    return lesions[:first], lesions[first:second], lesions[second:]


def _split(images: Sequence[LesionImage], rows: Mapping[str, Iterable[int]]) -> Split:
    return Split(**{part: tuple(images[row].image_id for row in sorted(rows[part])) for part in PARTS})


SPLITTERS: dict[str, Callable[[Sequence[LesionImage], int], Split]] = {"by-lesion": by_lesion, "by-image": by_image}
"""Every way to split, by its name in a TrainConfig; each takes the images and a seed."""


@dataclass(frozen=True)
class Overlap:
    """What two parts share: `lesions` lesions, which are in `images` images of the second part."""

    first: str
    second: str
    lesions: int
    images: int


@dataclass(frozen=True)
class LeakAudit:
    """What a split's parts share.

    `shared_test_images` test images show a lesion that is in the training part too; by diagnosis out of `test_by_diagnosis`.
    """

    overlaps: tuple[Overlap, ...]
    shared_test_images: int
    shared_test_by_diagnosis: dict[str, int]
    test_by_diagnosis: dict[str, int]


def audit(split: Split, images: Sequence[LesionImage]) -> LeakAudit:
    """What the parts of the split share. Raises UserError when the split names an image that is not there."""
    by_id = {image.image_id: image for image in images}
    try:
        parts = {part: [by_id[image_id] for image_id in ids] for part, ids in split.parts.items()}
    except KeyError as error:
        raise UserError(
            f"The split names an image {error} that the data set lacks: use the data it was made for."
        ) from error
    leaked = _siblings(parts["test"], parts["train"])
    return LeakAudit(
        overlaps=tuple(_overlap(parts, first, second) for first, second in combinations(PARTS, 2)),
        shared_test_images=len(leaked),
        shared_test_by_diagnosis=_counts(leaked),
        test_by_diagnosis=_counts(parts["test"]),
    )


def _siblings(images: Iterable[LesionImage], others: Iterable[LesionImage]) -> list[LesionImage]:
    lesions = {image.lesion_id for image in others}
    return [image for image in images if image.lesion_id in lesions]


def _overlap(parts: Mapping[str, Sequence[LesionImage]], first: str, second: str) -> Overlap:
    shared = _siblings(parts[second], parts[first])
    return Overlap(first, second, len({image.lesion_id for image in shared}), len(shared))


def _counts(images: Sequence[LesionImage]) -> dict[str, int]:
    return dict(Counter(image.diagnosis for image in images))
