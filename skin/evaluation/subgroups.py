"""The metrics of groups of images: by age, sex, site and the like."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.evaluation import metrics
from skin.evaluation.headline import headline
from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.predictions import Predictions
from skin.patient import UNKNOWN
from skin.task import Task


@dataclass(frozen=True)
class Subgroup:
    """Figures of the images of one group, with intervals from resampling its lesions; NaN for too few."""

    n: int
    n_lesions: int
    headline: dict[str, Estimate]


SUBGROUP_METRICS: dict[str, Callable[[Task, NDArray[np.int64]], Iterable[NDArray[np.bool_]]]] = {
    "accuracy": lambda _, truth: (truth >= 0,),
    "melanoma_sensitivity": lambda task, truth: (truth == task.index("mel"),),
    "malignant_auc": lambda task, truth: (metrics.is_malignant(task, truth), ~metrics.is_malignant(task, truth)),
}
"""Metrics of a group of images, and from the truth the images, each kind for itself, that each rests on."""


def subgroup_metrics(task: Task) -> list[str]:
    """The SUBGROUP_METRICS that the task has what it takes for."""
    return [name for name in SUBGROUP_METRICS if METRICS[name].applies(task)]


MIN_LESIONS = 20
"""Groups with fewer lesions get no figure: one or two more or less would change it, and no resample shows that."""


def subgroups(
    predictions: Predictions, group_of: Mapping[str, str], decided: Predictions | None = None
) -> dict[str, Subgroup]:
    """Each group of the images, in the alphabet's order but for "unknown", which comes last; `decided` as of `headline`."""
    names = np.array([group_of[image_id] for image_id in predictions.image_ids])
    ordered = sorted(set(names.tolist()), key=lambda name: (name == UNKNOWN, name))
    return {
        name: _subgroup(predictions.only(names == name), decided and decided.only(names == name)) for name in ordered
    }


def _subgroup(predictions: Predictions, decided: Predictions | None) -> Subgroup:
    lesions = np.array(predictions.lesion_ids)
    task = predictions.task
    judged = subgroup_metrics(task)
    enough = [
        name
        for name in judged
        if all(len(np.unique(lesions[kind])) >= MIN_LESIONS for kind in SUBGROUP_METRICS[name](task, predictions.truth))
    ]
    undefined = dict.fromkeys(judged, Estimate(np.nan, np.nan, np.nan))
    return Subgroup(len(lesions), len(np.unique(lesions)), undefined | headline(predictions, enough, decided))
