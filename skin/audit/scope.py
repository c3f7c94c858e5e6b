"""The lesion gate of a run: fitted to the training part, its thresholds chosen on validation, tried on what is no lesion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skin.audit.embeddings import embed
from skin.audit.inputs import AuditInput
from skin.audit.negatives import DECORATIONS, NEGATIVES
from skin.data.pixels import decode, prepare
from skin.inference.lesion_gate import GATE, LesionGate
from skin.inference.out_of_distribution import ENSEMBLE, METHODS, Ensemble, Score
from skin.inference.picture_checks import CHECKS, measure

MOST_REFUSED = 0.015
"""Share of the validation images that the gate may refuse; 2% are promised of others, which vary about this share."""

_MADE = 80
"""Pictures of each kind of NEGATIVES and DECORATIONS."""

_SEED = 20180814
_FEWEST_PIXELS = 0.5
"""Least shorter side of a picture, in sides of the network's input."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Negatives:
    """The gate against one kind of pictures that are no lesions: how many there are, and the share that it refuses.

    `auroc` tells them from the test images by the score alone, 0.5 is chance; by the name of each method.
    """

    pictures: int
    refused: float
    auroc: dict[str, float]


@dataclass(frozen=True)
class Scope:
    """The lesion gate of a run and its test.

    The shares refused are of all reasons; `test_reasons` counts the refused test images by reason. `decorated` has the
    share of real test lesions that are refused with what may lie on them.
    """

    method: str
    validation_images: int
    validation_refused: float
    test_images: int
    test_refused: float
    test_reasons: dict[str, int]
    negatives: dict[str, Negatives]
    decorated: dict[str, float]

    def sentences(self) -> list[str]:
        """The figures in words."""
        refused = [
            f"{kind} {own.refused:.0%} (AUROC {own.auroc[self.method]:.3f})" for kind, own in self.negatives.items()
        ]
        decorated = [f"{kind} {share:.1%}" for kind, share in self.decorated.items()]
        return [
            f"By the score {self.method} and plain checks of the picture, {self.validation_refused:.1%} of {self.validation_images:,} validation images are refused, "
            f"and {self.test_refused:.1%} of {self.test_images:,} test images.",
            f"Refused of what is no lesion: {', '.join(refused)}.",
            f"Refused of test lesions with something on them: {', '.join(decorated)}.",
        ]


@dataclass(frozen=True)
class Pictures:
    """Pictures as the gate sees them: n embeddings, the values of CHECKS for each, and the shorter sides."""

    embeddings: NDArray[np.float32]
    values: Floats
    sides: NDArray[np.int64]


def compute(inputs: AuditInput) -> Scope:
    """Fit the gate, choose its thresholds, write it, and try it on the test part and on NEGATIVES."""
    train, truth = inputs.embeddings("train"), inputs.truth[inputs.rows["train"]]
    score = Ensemble.fit(train, truth)
    scores: dict[str, Score] = {
        ENSEMBLE: score,
        **{name: fit(train, truth) for name, fit in METHODS.items() if name != ENSEMBLE},
    }
    validation = _of_part(inputs, "validation")
    gate = choose_gate(score, validation, inputs.predictor.network.image_size)
    gate.save(inputs.run.audit_folder / GATE)
    test = _of_part(inputs, "test")
    refused = refusals(gate, test)
    trial = _Trial(gate, scores, {name: own(test.embeddings) for name, own in scores.items()})
    made = _made(inputs)
    return Scope(
        method=ENSEMBLE,
        validation_images=len(validation.sides),
        validation_refused=_share(refusals(gate, validation)),
        test_images=len(test.sides),
        test_refused=_share(refused),
        test_reasons=dict(Counter(filter(None, refused))),
        negatives={kind: trial.against(made[kind]) for kind in NEGATIVES},
        decorated={kind: _share(refusals(gate, made[kind])) for kind in DECORATIONS},
    )


def choose_gate(score: Ensemble, validation: Pictures, size: int) -> LesionGate:
    """The gate that refuses MOST_REFUSED of the validation images, by their score alone, for a network of this input size."""
    limits = [check.limit for check in CHECKS.values()]
    bounds = np.minimum(validation.values.min(axis=0), limits)
    named = dict(zip(CHECKS, bounds.tolist(), strict=True))
    min_side = int(min(_FEWEST_PIXELS * size, validation.sides.min()))
    strangest = np.sort(score(validation.embeddings))[::-1]
    return LesionGate(score, float(strangest[int(MOST_REFUSED * len(strangest))]), named, min_side)


def refusals(gate: LesionGate, pictures: Pictures) -> list[str]:
    """The reason to refuse each picture, "" where there is none."""
    scores = gate.score(pictures.embeddings)
    rows = zip(scores.tolist(), pictures.values, pictures.sides.tolist(), strict=True)
    return [gate.refusal(score, dict(zip(CHECKS, values, strict=True)), side) for score, values, side in rows]


def _share(refusals: Sequence[str]) -> float:
    return float(np.mean([bool(reason) for reason in refusals]))


@dataclass(frozen=True)
class _Trial:
    """The gate and the scores of METHODS, which the test images have."""

    gate: LesionGate
    scores: Mapping[str, Score]
    of_test: Mapping[str, NDArray[np.float32]]

    def against(self, strange: Pictures) -> Negatives:
        """The gate and every method against one kind of pictures that are no lesions."""
        found = {name: score(strange.embeddings) for name, score in self.scores.items()}
        return Negatives(
            pictures=len(strange.sides),
            refused=_share(refusals(self.gate, strange)),
            auroc={name: _auroc(self.of_test[name], found[name]) for name in self.scores},
        )


def _auroc(usual: NDArray[np.float32], strange: NDArray[np.float32]) -> float:
    from sklearn.metrics import roc_auc_score  # takes a second to import

    is_strange = np.repeat([False, True], [len(usual), len(strange)])
    return float(roc_auc_score(is_strange, np.concatenate([usual, strange])))


def _of_part(inputs: AuditInput, part: str) -> Pictures:
    """The pictures of a part."""
    rows = inputs.rows[part]
    shown = inputs.progress(rows.tolist(), desc=f"Checking the {part} images", total=len(rows))
    values = np.array([[*measure(inputs.pixels[row]).values()] for row in shown])
    return Pictures(inputs.embeddings(part), values, np.array([_shorter_side(path) for path in _paths(inputs, part)]))


def _paths(inputs: AuditInput, part: str) -> list[Path]:
    return [image.path for image in inputs.images(part)]


def _shorter_side(path: Path) -> int:
    with Image.open(path) as picture:
        return min(picture.size)


def _made(inputs: AuditInput) -> dict[str, Pictures]:
    """Pictures of each kind of NEGATIVES and DECORATIONS, made from test images drawn at random, the same each time."""
    rng = np.random.default_rng(_SEED)
    paths = _paths(inputs, "test")
    lesions = [decode(paths[row]) for row in rng.permutation(len(paths))[:_MADE]]
    kinds = {**NEGATIVES, **DECORATIONS}
    made = {}
    for kind in inputs.progress(kinds, desc="Trying what is no lesion", total=len(kinds)):
        if kind in NEGATIVES:
            pictures = [NEGATIVES[kind](rng, lesions) for _ in range(_MADE)]
        else:
            pictures = [DECORATIONS[kind](rng, lesion) for lesion in lesions]
        made[kind] = _seen(inputs, pictures)
    return made


def _seen(inputs: AuditInput, pictures: Sequence[Image.Image]) -> Pictures:
    size = inputs.predictor.network.image_size
    pixels = np.stack([prepare(picture, size) for picture in pictures])
    values = np.array([[*measure(picture).values()] for picture in pixels])
    return Pictures(embed(inputs.predictor, pixels), values, np.array([min(picture.size) for picture in pictures]))
