"""The cost of a wrong or missing field of the patient: permutation importance of what a multimodal model knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from skin.audit.inputs import AuditInput
from skin.evaluation.headline import headline, headline_columns
from skin.evaluation.metrics import METRICS, Estimate, Floats, bootstrap
from skin.evaluation.predictions import Predictions
from skin.evaluation.shares import mean
from skin.evaluation.wording import is_beyond_chance, percent, points
from skin.inference.predictor import predictions_of
from skin.records import check_names
from skin.task import listed

SHUFFLES = 10
"""Permutations of each field, whose mean is told."""

FOLLOWED = ("accuracy", "balanced_accuracy", "melanoma_sensitivity", "malignant_auc")
"""The METRICS whose change is told, where the task has what they take."""

_SEED = 20180814


@dataclass(frozen=True)
class FieldCost:
    """Changes of the metrics where a field is another image's, the mean over SHUFFLES, and where it is unknown.

    `other_diagnosis` is the share of images whose most probable diagnosis the permutation changes.
    """

    permuted: dict[str, Estimate]
    unknown: dict[str, Estimate]
    other_diagnosis: Estimate


@dataclass(frozen=True)
class Permutation:
    """The cost of each field of the patient and of all at once, in one view of each image.

    Without any field where the model looks at the image alone.
    """

    n: int
    n_lesions: int
    figures: dict[str, Estimate]
    fields: dict[str, FieldCost]
    together: FieldCost | None

    def __post_init__(self) -> None:
        check_names(self.figures, METRICS)
        for cost in (*self.fields.values(), *([self.together] if self.together else [])):
            if not (cost.permuted.keys() == cost.unknown.keys() == self.figures.keys()):
                raise ValueError("a field does not have the metrics of the patients as they are")

    def sentences(self) -> list[str]:
        """The figures in words."""
        if self.together is None:
            return ["This model looks at the image alone: nothing that is known of the patient changes its answer."]
        costs = {**self.fields, "all of them": self.together}
        return [
            f"Each field of the patient was given another test image's value, {SHUFFLES} times at random, and was then left "
            "unknown; one view of each image.",
            *(_in_words(name, cost) for name, cost in costs.items()),
        ]


def _in_words(name: str, cost: FieldCost) -> str:
    return (
        f"{name.replace('_', ' ').capitalize()}: a wrong value changes {percent(cost.other_diagnosis)} of the most probable "
        f"diagnoses; {_beyond_chance(cost.permuted)}. Left unknown: {_beyond_chance(cost.unknown)}."
    )


def _beyond_chance(changes: Mapping[str, Estimate]) -> str:
    told = [f"{METRICS[name].label} {points(change)}" for name, change in changes.items() if is_beyond_chance(change)]
    return listed(told) or "no metric changes beyond chance"


Answer = Callable[[NDArray[np.float32]], Predictions]
"""The predictions for the images of a part, were they of these encoded patients, of shape (n_images, width)."""


def compute(inputs: AuditInput) -> Permutation:
    """The cost of each field on the run's test images."""
    predictor, images, embeddings = inputs.predictor, inputs.images("test"), inputs.embeddings("test")

    def answer(patients: NDArray[np.float32]) -> Predictions:
        return predictions_of(predictor.task, images, predictor.network.classify(embeddings, patients))

    columns = predictor.task.columns if predictor.takes_patient else {}
    return measure_costs(answer, inputs.patients[inputs.rows["test"]], columns)


def measure_costs(answer: Answer, patients: NDArray[np.float32], columns: Mapping[str, slice]) -> Permutation:
    """The cost of each field of the patients, of shape (n_images, width), by the columns that encode it."""
    before = answer(patients)
    names = [name for name in FOLLOWED if METRICS[name].applies(before.task)]
    cost = partial(_cost, answer, patients, before, names)
    return Permutation(
        n=len(before.image_ids),
        n_lesions=len(set(before.lesion_ids)),
        figures=headline(before, names),
        fields={field: cost([own]) for field, own in columns.items()},
        together=cost(list(columns.values())) if columns else None,
    )


def _cost(
    answer: Answer, patients: NDArray[np.float32], before: Predictions, names: list[str], columns: list[slice]
) -> FieldCost:
    """The cost of these columns, which go together from one image to another."""
    rng = np.random.default_rng(_SEED)
    orders = [rng.permutation(len(patients)) for _ in range(SHUFFLES)]
    permuted = [answer(_replaced(patients, patients[order], columns)) for order in orders]
    unknown = answer(_replaced(patients, np.broadcast_to(before.task.unknown, patients.shape), columns))
    changed = np.mean([after.predicted != before.predicted for after in permuted], axis=0)
    return FieldCost(
        _changes(before, permuted, names), _changes(before, [unknown], names), mean(changed, before.lesion_ids)
    )


def _replaced(patients: NDArray[np.float32], others: NDArray[np.float32], columns: list[slice]) -> NDArray[np.float32]:
    """The patients with these columns of the others."""
    replaced = patients.copy()
    for own in columns:
        replaced[:, own] = others[:, own]
    return replaced


def _changes(before: Predictions, afters: list[Predictions], names: list[str]) -> dict[str, Estimate]:
    """The mean change of each metric, on the same resamples of lesions."""

    def changes(weights: Floats) -> Floats:
        mean_after = np.mean([headline_columns(after, names, weights) for after in afters], axis=0)
        return mean_after - headline_columns(before, names, weights)

    return {
        name: Estimate.of(values) for name, values in zip(names, bootstrap(changes, before.lesion_ids).T, strict=True)
    }
