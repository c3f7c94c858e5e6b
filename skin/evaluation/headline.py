"""The headline metrics of predictions, with their intervals by resampling lesions."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from skin.evaluation import metrics
from skin.evaluation.metrics import METRICS, Estimate, Floats, metrics_of
from skin.evaluation.predictions import Predictions


def headline(predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, Estimate]:
    """Each of these metrics, else of all that the task has, with its 95% interval."""
    return {name: Estimate.of(values) for name, values in headline_values(predictions, names).items()}


def headline_values(predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, Floats]:
    """Each of these metrics, else of all that the task has, on the images and on all resamples of lesions.

    Of shape (1 + N_RESAMPLES,).
    """
    undefined = np.full(1 + metrics.N_RESAMPLES, np.nan)
    return {
        name: undefined
        if METRICS[name].needs_probabilities and predictions.are_labels
        else resampled(predictions, partial(METRICS[name].function, predictions.task))
        for name in (metrics_of(predictions.task) if names is None else names)
    }


def resampled(predictions: Predictions, function: Callable[..., Floats]) -> Floats:
    """A function of truth, probabilities and weights on the images and all resamples, of shape (1 + N_RESAMPLES, …)."""
    return metrics.bootstrap(partial(function, predictions.truth, predictions.probabilities), predictions.lesion_ids)
