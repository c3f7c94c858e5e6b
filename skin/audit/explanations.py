"""Explanations, checked: how far two of them agree, and what is left of them once the network has forgotten everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from skin.audit.inputs import AuditInput
from skin.data.views import ORIENTATIONS
from skin.evaluation.metrics import Estimate
from skin.evaluation.shares import means
from skin.evaluation.wording import number, percent
from skin.inference.explain import EXPLANATIONS
from skin.models.network import Network, encode_image
from skin.models.onnx import OnnxNetwork
from skin.models.randomised import shuffling
from skin.records import check_names
from skin.task import listed

N_LESIONS = 64
"""Test lesions whose first image is explained, drawn at random: occlusion sees each of them fifty times."""

GRID = 16
"""Places a side at which two maps are compared."""

STRONGEST = 0.2
"""Share of the places that is taken for what a map points at."""

AGREEING = 0.5
"""Overlap of what two maps point at from which they agree."""


@dataclass(frozen=True)
class Forgetting:
    """A row of FORGETTING: what was shuffled in words, and whether the encoder was, too."""

    words: str
    of_encoder: bool


FORGETTING = {
    "head": Forgetting("its head's weights shuffled", False),
    "everything": Forgetting("all weights shuffled", True),
}
"""Networks that have forgotten what they learnt, by what of it (Adebayo et al. 2018)."""

_SEED = 20180814

Map = NDArray[np.float32]
"""The map of one class on GRID by GRID places."""


@dataclass(frozen=True)
class Likeness:
    """Likeness of pairs of maps, a mean over images.

    `correlation` is Spearman's over the places; `overlap` Dice's of the strongest fifth of the places of each, 0.2 by
    chance; `agree` the share of images whose overlap is at least a half. A map without anything is like no other: 0.
    """

    correlation: Estimate
    overlap: Estimate
    agree: Estimate


@dataclass(frozen=True)
class Agreement:
    """Likeness of the maps of two explanations of the same image, and of different images, which lie centred, too."""

    first: str
    second: str
    same_image: Likeness
    other_image: Likeness


@dataclass(frozen=True)
class Explanations:
    """The checks of the maps of the most probable diagnosis, on one image each of `n` test lesions.

    `randomised` is the likeness of an explanation's map to its map by a network whose weights were shuffled, by the
    explanation and by what was shuffled, one of FORGETTING.
    """

    n: int
    agreements: tuple[Agreement, ...]
    randomised: dict[str, dict[str, Likeness]]

    def __post_init__(self) -> None:
        check_names([kind for pair in self.agreements for kind in (pair.first, pair.second)], EXPLANATIONS)
        check_names(self.randomised, EXPLANATIONS)
        check_names([name for by_part in self.randomised.values() for name in by_part], FORGETTING)

    def sentences(self) -> list[str]:
        """The figures in words."""
        return [
            f"The maps of the most probable diagnosis in one image each of {self.n:,} test lesions. Two maps agree where "
            "the strongest fifth of the one and of the other share half of their places.",
            *(_agreement_in_words(agreement) for agreement in self.agreements),
            *(_forgetting_in_words(kind, by_part) for kind, by_part in self.randomised.items()),
        ]


def _agreement_in_words(pair: Agreement) -> str:
    first, second = (EXPLANATIONS[kind].title for kind in (pair.first, pair.second))
    return (
        f"{first} and {second} agree on {percent(pair.same_image.agree)} of the images, with a mean rank correlation of "
        f"{number(pair.same_image.correlation)}; maps of different images, which have their lesions in the middle too, do on "
        f"{percent(pair.other_image.agree)}, with {number(pair.other_image.correlation)}."
    )


def _forgetting_in_words(kind: str, by_part: Mapping[str, Likeness]) -> str:
    told = listed([f"{FORGETTING[name].words}, {number(alike.correlation)}" for name, alike in by_part.items()])
    return (
        f"The randomised-weights check, {EXPLANATIONS[kind].title}: rank correlation of the trained network's map with that of "
        f"a network that has forgotten what it learnt, {told}. Near 0 the map tells of what was learnt; near 1 it would "
        "tell of the picture alone."
    )


def compute(inputs: AuditInput) -> Explanations:
    """The checks of a run's explanations."""
    predictor = inputs.predictor
    networks: dict[str, Network] = {"": predictor.network}
    for name, forgetting in FORGETTING.items():
        change = shuffling(_SEED, forgetting.of_encoder)
        networks[name] = OnnxNetwork(inputs.run.onnx_path, predictor.task, change)
    maps: dict[tuple[str, str], list[Map]] = {(name, kind): [] for name in networks for kind in EXPLANATIONS}
    rows = _drawn(inputs)
    for row in inputs.progress(rows, desc="Explaining", total=len(rows)):
        for key, drawn in _explained(networks, inputs.pixels[row], inputs.patients[row]).items():
            maps[key].append(drawn)
    return judge_maps({key: np.stack(drawn) for key, drawn in maps.items()})


def _drawn(inputs: AuditInput) -> list[int]:
    """The rows of the first images of N_LESIONS test lesions, or of all where there are fewer."""
    first: dict[str, int] = {}
    for row, image in zip(inputs.rows["test"].tolist(), inputs.images("test"), strict=True):
        first.setdefault(image.lesion_id, row)
    order = np.random.default_rng(_SEED).permutation(len(first))[:N_LESIONS]
    rows = list(first.values())
    return [rows[place] for place in order]


def _explained(
    networks: Mapping[str, Network], pixels: NDArray[np.uint8], patient: NDArray[np.float32]
) -> dict[tuple[str, str], Map]:
    """The maps of what the first network takes for the most probable diagnosis, by network and explanation."""
    encoded = {name: encode_image(network, np.asarray(pixels), ORIENTATIONS) for name, network in networks.items()}
    most_probable = int(encoded[""].probabilities(patient[None])[0].argmax())
    return {
        (name, kind): _reduced(row.explain(image, patient)[..., most_probable])
        for name, image in encoded.items()
        for kind, row in EXPLANATIONS.items()
    }


def _reduced(heatmap: NDArray[np.float32]) -> Map:
    return np.asarray(Image.fromarray(heatmap).resize((GRID, GRID), Image.Resampling.BOX))


def judge_maps(maps: Mapping[tuple[str, str], NDArray[np.float32]]) -> Explanations:
    """The checks of maps of shape (n_images, GRID, GRID), by what was forgotten ("" for nothing) and by explanation."""
    kinds = [kind for forgotten, kind in maps if not forgotten]
    learnt = {kind: maps["", kind] for kind in kinds}
    return Explanations(
        n=len(learnt[kinds[0]]),
        agreements=tuple(
            Agreement(a, b, _likeness(learnt[a], learnt[b]), _likeness(learnt[a], np.roll(learnt[b], 1, axis=0)))
            for a, b in combinations(kinds, 2)
        ),
        randomised={kind: {name: _likeness(learnt[kind], maps[name, kind]) for name in FORGETTING} for kind in kinds},
    )


def _likeness(ones: NDArray[np.float32], others: NDArray[np.float32]) -> Likeness:
    pairs = list(zip(ones, others, strict=True))
    overlaps = np.array([_overlap(one, other) for one, other in pairs])
    values = np.column_stack([[_correlation(one, other) for one, other in pairs], overlaps, overlaps >= AGREEING])
    images = [str(place) for place in range(len(pairs))]
    return Likeness(*means(values, np.ones(values.shape, bool), images))


def _correlation(one: Map, other: Map) -> float:
    """Spearman's rank correlation, 0 where a map is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other, axis=None).statistic)


def _overlap(one: Map, other: Map) -> float:
    """Dice's coefficient of the strongest places of two maps; what says nothing is never among them."""
    places = [(drawn > 0) & (drawn >= np.quantile(drawn, 1 - STRONGEST)) for drawn in (one, other)]
    total = int(places[0].sum() + places[1].sum())
    return 2 * int((places[0] & places[1]).sum()) / total if total else 0.0
