"""Splits of a data set into training, validation and test parts, and what they leak."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pandas as pd

from skin.config import TrainConfig
from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.files import write_atomically
from skin.patient import UNKNOWN

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


class Splitter(Protocol):
    """A way to split: 70/15/15, or of so many folds the one that tests, counted from 0, and the next that validates.

    The folds of a seed are the same whichever of them tests. Raises UserError where the images are too few.
    """

    def __call__(self, images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split: ...


def by_image(images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split:
    """The images, stratified by diagnosis: what much of the literature does, and it leaks.

    Lesions of several images end up in several parts. Drawn exactly as in the reference system, from the table's order.
    Raises UserError when a diagnosis has too few images to be in every part.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import

    if folds:
        return _of_folds(images, [image.image_id for image in images], seed, (folds, fold))
    labels = np.array([image.diagnosis for image in images])
    try:
        train, rest = train_test_split(np.arange(len(images)), test_size=0.3, random_state=seed, stratify=labels)
        validation, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=labels[rest])
    except ValueError as error:
        raise UserError(
            "A diagnosis has too few images for a split by image: use the split by-lesion, or more images."
        ) from error
    return _split(images, {"train": train, "validation": validation, "test": test})


def by_lesion(images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split:
    """The images of every diagnosis, divided as near as whole lesions allow; no lesion is in two parts.

    The lesions of a diagnosis are shuffled and cut where their images pass 70 and 85%. A diagnosis of three lesions or
    more is in every part. Raises UserError when a part would be empty.
    """
    if folds:
        return _of_folds(images, [image.lesion_id for image in images], seed, (folds, fold))
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


def _of_folds(images: Sequence[LesionImage], groups: Sequence[str], seed: int, which: tuple[int, int]) -> Split:
    """The split of fold number `which[1]` of `which[0]`, stratified by diagnosis and made of whole groups."""
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    folds, fold = which
    labels = [image.diagnosis for image in images]
    pairs = set(zip(groups, labels, strict=True))  # a lesion may have images of two diagnoses
    code, n_groups = min(Counter(label for _, label in pairs).items(), key=lambda pair: pair[::-1])
    if n_groups < folds:
        raise UserError(
            f"{code} has too few lesions to be in each of {folds} folds (enough for {n_groups}): use fewer folds, or add images."
        )
    drawn = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    rows = [test for _, test in drawn]
    test, validation = rows[fold], rows[(fold + 1) % folds]
    train = np.setdiff1d(np.arange(len(images)), np.concatenate([test, validation]))
    return _split(images, {"train": train, "validation": validation, "test": test})


def by_source(images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split:
    """Every image of one source tests, and nothing else of its lesions is used; the rest trains and validates by lesion.

    There is a fold for each source, in alphabetical order: what a model loses in another clinic, with its cameras and its
    patients. Raises UserError for another number of folds, and where the images name no two sources.
    """
    sources = sources_of(images)
    if len(sources) < 2:
        raise UserError("The images of this data set name no two sources to tell apart: use the split by-lesion.")
    if folds != len(sources):
        numbered = ", ".join(f"{number} ({source})" for number, source in enumerate(sources))
        raise UserError(
            f"A split by-source has a fold for each source: use folds={len(sources)} and the fold {numbered}."
        )
    test = [image for image in images if (image.source or UNKNOWN) == sources[fold]]
    seen = {image.lesion_id for image in test}
    rest = by_lesion([image for image in images if image.lesion_id not in seen], seed)
    rows = {image.image_id: row for row, image in enumerate(images)}
    train = sorted((*rest.train, *rest.test), key=rows.__getitem__)
    return Split(tuple(train), rest.validation, tuple(image.image_id for image in test))


def sources_of(images: Iterable[LesionImage]) -> list[str]:
    """The archives that the images come from, in the order of the folds by source."""
    return sorted({image.source or UNKNOWN for image in images})


def leak_without(images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split:
    """By lesion, with one image of each test lesion to test on; its other images are left out."""
    return _one_test_image_a_lesion(images, by_lesion(images, seed, folds, fold), seed)


def leak_with(images: Sequence[LesionImage], seed: int, folds: int = 0, fold: int = 0) -> Split:
    """As `leak_without`, and the other images of the test lesions take the place of training images.

    As many of each diagnosis are replaced, so that the training part keeps its size and its class counts.
    """
    whole = by_lesion(images, seed, folds, fold)
    tested = _one_test_image_a_lesion(images, whole, seed)
    rng = np.random.default_rng([seed, 1])
    siblings = set(whole.test) - set(tested.test)
    train = siblings | set(whole.train)
    for code in sorted({image.diagnosis for image in images}):
        own = {image.image_id for image in images if image.diagnosis == code}
        replaceable, n = sorted(own & set(whole.train)), len(own & siblings)
        if n > len(replaceable):
            raise UserError(
                f"{code} has too few training images to replace {n} of them: add images, or use more folds."
            )
        train -= set(rng.choice(replaceable, n, replace=False).tolist())
    return Split(tuple(image.image_id for image in images if image.image_id in train), tested.validation, tested.test)


def _one_test_image_a_lesion(images: Sequence[LesionImage], split: Split, seed: int) -> Split:
    """The split with one image, drawn at random, of each lesion of its test part. Raises UserError where each has but one."""
    rng = np.random.default_rng([seed, 0])
    test = set(split.test)
    tested = [image for image in images if image.image_id in test]
    rows = _rows_of_lesions(tested)
    kept = {str(rng.choice(sorted(tested[row].image_id for row in rows[lesion]))) for lesion in sorted(rows)}
    if kept == test:
        raise UserError(
            "No test lesion has several images: this data set has no leak to measure; use the split by-lesion."
        )
    return Split(split.train, split.validation, tuple(image_id for image_id in split.test if image_id in kept))


def _split(images: Sequence[LesionImage], rows: Mapping[str, Iterable[int]]) -> Split:
    return Split(**{part: tuple(images[row].image_id for row in sorted(rows[part])) for part in PARTS})


SPLITTERS: dict[str, Splitter] = {
    "by-lesion": by_lesion,
    "by-image": by_image,
    "by-source": by_source,
    "leak-without": leak_without,
    "leak-with": leak_with,
}
"""Every way to split, by its name in a TrainConfig."""

WHOLE = ("by-lesion", "by-image")
"""Those that use every image and need nothing but lesions; each of the others answers a question of its own."""


def draw(images: Sequence[LesionImage], config: TrainConfig) -> Split:
    """The split that the configuration asks for. Raises UserError where the images are too few."""
    return SPLITTERS[config.split](images, config.seed_of_split, config.folds, config.fold)


def key_of_test(config: TrainConfig) -> tuple[str | int, ...]:
    """Equal for configurations that are tested on the same images."""
    rule = "leak" if config.split in ("leak-without", "leak-with") else config.split
    return config.dataset, rule, config.seed_of_split, config.folds, config.fold


@dataclass(frozen=True)
class Overlap:
    """The common lesions of two parts: `lesions` of them, which are in `images` images of the second part."""

    first: str
    second: str
    lesions: int
    images: int


@dataclass(frozen=True)
class LeakAudit:
    """The overlaps of a split's parts.

    `shared_test_images` test images show a lesion that is in the training part too; by diagnosis out of `test_by_diagnosis`.
    """

    overlaps: tuple[Overlap, ...]
    shared_test_images: int
    shared_test_by_diagnosis: dict[str, int]
    test_by_diagnosis: dict[str, int]


def audit(split: Split, images: Sequence[LesionImage]) -> LeakAudit:
    """The overlaps of the parts of the split. Raises UserError when the split names an image that is not there."""
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
