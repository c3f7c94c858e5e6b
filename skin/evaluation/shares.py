"""Means over images, shares among them, with intervals from resampling their lesions."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skin.evaluation.metrics import Estimate, Floats, bootstrap


def mean_values(values: NDArray[Any], among: NDArray[np.bool_], lesion_ids: Sequence[str]) -> Floats:
    """The mean of each column over the images that count for it, on the images and on all resamples of their lesions.

    `values`, of flags or numbers, and `among` have shape (n_images, n_columns), the result (1 + N_RESAMPLES, n_columns);
    NaN where no image counts.
    """
    counted, content = among.astype(np.float64), np.where(among, values, 0).astype(np.float64)
    return bootstrap(partial(_weighted_means, counted, content), lesion_ids)


def means(values: NDArray[Any], among: NDArray[np.bool_], lesion_ids: Sequence[str]) -> list[Estimate]:
    """`mean_values` as an estimate of each column."""
    return [Estimate.of(column) for column in mean_values(values, among, lesion_ids).T]


def mean(values: NDArray[Any], lesion_ids: Sequence[str]) -> Estimate:
    """The mean of values of shape (n_images,), or the share of flags."""
    (estimate,) = means(values[:, None], np.ones((len(values), 1), bool), lesion_ids)
    return estimate


def _weighted_means(counted: Floats, content: Floats, weights: Floats) -> Floats:
    images = weights @ counted
    return np.divide(weights @ content, images, out=np.full(images.shape, np.nan), where=images > 0)
