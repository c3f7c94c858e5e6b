"""Figures under worse pictures: smaller, blurred, noisy, badly lit or coloured, compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.audit.inputs import AuditInput
from skin.audit.orientations import audited
from skin.data import corruptions
from skin.data.corruptions import Picture
from skin.evaluation.headline import headline_values
from skin.evaluation.metrics import METRICS, Estimate, Floats
from skin.evaluation.predictions import Predictions
from skin.evaluation.shares import mean
from skin.evaluation.wording import percent, points
from skin.inference.predictor import predictions_of
from skin.models.network import images_at_once, view_probabilities
from skin.progress import Progress, silent
from skin.records import check_names
from skin.task import listed

_SEED = 20180814


@dataclass(frozen=True)
class Perturbation:
    """A row of PERTURBATIONS: `function` makes a picture worse by a level, with noise from the generator.

    `levels` go from one end of the scale to the other without `unchanged`, at which the picture is what it was; `unit` says
    what a level is, and `format` how it is written.
    """

    title: str
    unit: str
    levels: tuple[float, ...]
    unchanged: float
    function: Callable[[Picture, float, np.random.Generator], Picture]
    format: str = "{:.0%}"


PERTURBATIONS: dict[str, Perturbation] = {
    "resolution": Perturbation(
        "Resolution",
        "pixels a side, of the network's",
        (0.15, 0.25, 0.5, 0.75),
        1,
        lambda picture, level, _: corruptions.downscale(picture, level),
    ),
    "blur": Perturbation(
        "Blur",
        "Gaussian's width, of the side",
        (0.005, 0.01, 0.02, 0.04),
        0,
        lambda picture, level, _: corruptions.blur(picture, level),
        "{:.1%}",
    ),
    "noise": Perturbation("Noise", "Gaussian's width, of the range", (0.02, 0.05, 0.1), 0, corruptions.add_noise),
    "brightness": Perturbation(
        "Brightness",
        "light, of the picture's own",
        (0.5, 0.75, 1.25, 1.5),
        1,
        lambda picture, level, _: corruptions.brighten(picture, level),
    ),
    "white_balance": Perturbation(
        "White balance",
        "red more, blue less",
        (-0.2, -0.1, 0.1, 0.2),
        0,
        lambda picture, level, _: corruptions.tint(picture, level),
        "{:+.0%}",
    ),
    "jpeg": Perturbation(
        "JPEG",
        "quality",
        (10, 30, 60, 90),
        100,
        lambda picture, level, _: corruptions.compress(picture, level),
        "{:.0f}",
    ),
}
"""Ways in which a picture may be worse; a new one is a function and a row."""


@dataclass(frozen=True)
class Level:
    """A level of a perturbation: the audited metrics, and their change from the unchanged pictures, paired by lesion.

    `other_diagnosis` is the share of images whose most probable diagnosis is another one than of the unchanged picture.
    """

    level: float
    figures: dict[str, Estimate]
    change: dict[str, Estimate]
    other_diagnosis: Estimate


@dataclass(frozen=True)
class Robustness:
    """The audited metrics of one view of each image, unchanged and at each level of each of PERTURBATIONS."""

    n: int
    n_lesions: int
    unchanged: dict[str, Estimate]
    curves: dict[str, tuple[Level, ...]]

    def __post_init__(self) -> None:
        check_names(self.curves, PERTURBATIONS)
        check_names(self.unchanged, METRICS)
        for level in (level for levels in self.curves.values() for level in levels):
            if not (level.figures.keys() == level.change.keys() == self.unchanged.keys()):
                raise ValueError(f"at {level.level} it does not have the metrics of the unchanged pictures")

    def sentences(self) -> list[str]:
        """The figures in words."""
        told = [f"{METRICS[name].label.lower()} {percent(estimate)}" for name, estimate in self.unchanged.items()]
        return [
            f"One view of each of the {self.n:,} test images: {listed(told)}. Each was then made worse as the network sees "
            "it, in one way at a time; a poor picture is worse in several at once.",
            *(f"{PERTURBATIONS[name].title}: {_in_words(name, levels)}." for name, levels in self.curves.items()),
            *self._on_melanoma(),
        ]

    def _on_melanoma(self) -> list[str]:
        """The greatest loss of melanoma sensitivity, where there is any beyond chance."""
        losses = [
            (-level.change["melanoma_sensitivity"].value, name, level)
            for name, levels in self.curves.items()
            for level in levels
            if "melanoma_sensitivity" in level.change and level.change["melanoma_sensitivity"].high < 0
        ]
        if not losses:
            return []
        _, name, level = max(losses, key=lambda loss: loss[0])
        row, found = PERTURBATIONS[name], level.figures["melanoma_sensitivity"]
        return [
            f"Most melanomas are lost at {row.title} {row.format.format(level.level)}: {percent(found)} of them are then "
            "found as such."
        ]


def _in_words(name: str, levels: tuple[Level, ...]) -> str:
    """The mildest level, to either side of unchanged, at which each of TOLD is lower beyond chance."""
    unchanged = PERTURBATIONS[name].unchanged
    below = [level for level in reversed(levels) if level.level < unchanged]
    above = [level for level in levels if level.level > unchanged]
    losses = [
        _loss(name, side, metric) for side in (below, above) if side for metric in TOLD if metric in side[0].change
    ]
    return "; ".join(losses)


def _loss(name: str, side: list[Level], metric: str) -> str:
    """The first loss of a metric beyond chance, from the mildest level on."""
    written, label = PERTURBATIONS[name].format.format, METRICS[metric].label.lower()
    first = next((level for level in side if level.change[metric].high < 0), None)
    if first is None:
        return f"{label} has lost nothing beyond chance at {written(side[-1].level)}"
    return f"{label} falls beyond chance at {written(first.level)}, {points(first.change[metric])}"


TOLD = ("accuracy", "melanoma_sensitivity")
"""The audited metrics whose losses are put in words: the nevi carry the one, and the other is what must not be lost."""


Answer = Callable[[Iterable[NDArray[np.uint8]]], Predictions]
"""The predictions for the images of a part, which come in batches of shape (n, size, size, 3)."""


def compute(inputs: AuditInput) -> Robustness:
    """The robustness of a run's answers to its test images, one view each."""
    rows, images, predictor = inputs.rows["test"], inputs.images("test"), inputs.predictor
    patients = inputs.patients[rows]

    def answer(batches: Iterable[NDArray[np.uint8]]) -> Predictions:
        (probabilities,) = view_probabilities(predictor.network, batches, patients)
        return predictions_of(predictor.task, images, probabilities)

    return measure_robustness(answer, inputs.pixels[rows], inputs.progress)


def measure_robustness(answer: Answer, pixels: NDArray[np.uint8], progress: Progress = silent) -> Robustness:
    """The robustness of answers to images of shape (n_images, size, size, 3).

    The same image gets the same noise at every level and in every call.
    """
    steps = [(name, level) for name, row in PERTURBATIONS.items() for level in row.levels]
    before = answer(perturbed(pixels, None, 0))
    expected = headline_values(before, audited(before.task))
    curves: dict[str, tuple[Level, ...]] = dict.fromkeys(PERTURBATIONS, ())
    for name, level in progress(steps, desc="Worse pictures", total=len(steps)):
        after = answer(perturbed(pixels, PERTURBATIONS[name], level))
        curves[name] += (_judged(level, before, after, expected),)
    return Robustness(
        n=len(before.image_ids),
        n_lesions=len(set(before.lesion_ids)),
        unchanged={name: Estimate.of(values) for name, values in expected.items()},
        curves=curves,
    )


def perturbed(
    pixels: NDArray[np.uint8], perturbation: Perturbation | None, level: float
) -> Iterator[NDArray[np.uint8]]:
    """The images, a few at a time, each made worse by the level; as they are without a perturbation."""
    n = images_at_once(1)
    for start in range(0, len(pixels), n):
        pictures = pixels[start : start + n]
        if perturbation is not None:
            rngs = [np.random.default_rng([_SEED, start + place]) for place in range(len(pictures))]
            changed = [perturbation.function(picture, level, rng) for picture, rng in zip(pictures, rngs, strict=True)]
            pictures = np.stack(changed)
        yield pictures


def _judged(level: float, before: Predictions, after: Predictions, expected: dict[str, Floats]) -> Level:
    values = headline_values(after, list(expected))
    return Level(
        level=level,
        figures={name: Estimate.of(values[name]) for name in expected},
        change={name: Estimate.of(values[name] - expected[name]) for name in expected},
        other_diagnosis=mean(after.predicted != before.predicted, before.lesion_ids),
    )
