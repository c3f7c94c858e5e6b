"""The headline metrics of predictions, with their intervals by resampling lesions."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from skin.evaluation import metrics
from skin.evaluation.metrics import METRICS, Estimate, Floats, metrics_of
from skin.evaluation.predictions import Predictions


def headline(
    predictions: Predictions, names: Iterable[str] | None = None, decided: Predictions | None = None
) -> dict[str, Estimate]:
    """Each of these metrics, else of all that the task has, with its 95% interval.

    `decided` holds what another rule than the most probable diagnosis decides of the same images, as bare diagnoses.
    """
    return {name: Estimate.of(values) for name, values in headline_values(predictions, names, decided).items()}


def headline_values(
    predictions: Predictions, names: Iterable[str] | None = None, decided: Predictions | None = None
) -> dict[str, Floats]:
    """Each of these metrics, else of all that the task has, on the images and on all resamples of lesions.

    Of shape (1 + N_RESAMPLES,); `decided` as of `headline`.
    """
    known = list(metrics_of(predictions.task) if names is None else names)
    columns = partial(headline_columns, predictions, known, decided=decided)
    values = metrics.bootstrap(columns, predictions.lesion_ids)
    return dict(zip(known, values.T, strict=True))


def headline_columns(
    predictions: Predictions, names: Sequence[str], weights: Floats, decided: Predictions | None = None
) -> Floats:
    """The metrics of these names on resamples of these weights, of shape (n_resamples, n_names).

    NaN where a metric needs probabilities and there are bare diagnoses; `decided` as of `headline`.
    """
    columns = np.full((len(weights), len(names)), np.nan)
    for column, metric in enumerate(METRICS[name] for name in names):
        judged = predictions if metric.needs_probabilities or decided is None else decided
        if not (metric.needs_probabilities and judged.are_labels):
            columns[:, column] = metric.function(judged.task, judged.truth, judged.probabilities, weights)
    return columns


def resampled(predictions: Predictions, function: Callable[..., Floats]) -> Floats:
    """A function of truth, probabilities and weights on the images and all resamples, of shape (1 + N_RESAMPLES, …)."""
    return metrics.bootstrap(partial(function, predictions.truth, predictions.probabilities), predictions.lesion_ids)
