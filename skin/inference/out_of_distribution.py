"""Scores of how strange an embedding is beside those of the training part: the larger, the stranger.

Those that a large comparison found best for medical images (OpenMIBOOD, CVPR 2025), each fitted to the training part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float32]
ENSEMBLE = "ensemble"
"""The score that the gate uses."""

DIMENSIONS = 128
"""Principal components along which a Mahalanobis distance knows each variance."""

Score = Callable[[Floats], Floats]
"""Scores of shape (n,) of embeddings of shape (n, channels)."""


@dataclass(frozen=True)
class Mahalanobis:
    """The squared Mahalanobis distance of a point from the nearest class mean (Lee et al. 2018).

    The covariance that the classes share is that of probabilistic principal components (Tipping & Bishop 1999):
    `variances` along the columns of `basis`, of shape (channels, k), and `rest` in every other direction. `means` has shape
    (n_classes, channels).
    """

    means: Floats
    basis: NDArray[np.float16]
    variances: Floats
    rest: float

    @classmethod
    def fit(cls, points: Floats, truth: NDArray[np.int64], dimensions: int) -> Self:
        """The distance fitted to points of shape (n, channels) and their class indices."""
        means = _class_means(points.astype(np.float64), truth)
        within = points - means[np.searchsorted(np.unique(truth), truth)]
        variances, axes = np.linalg.eigh(within.T @ within / len(within))
        variances, axes = np.maximum(variances[::-1], _LEAST), axes[:, ::-1]
        k = min(dimensions, len(variances) - 1, len(within) - 1)
        return cls(
            means=means.astype(np.float32),
            basis=axes[:, :k].astype(np.float16),
            variances=variances[:k].astype(np.float32),
            rest=float(variances[k:].mean()),
        )

    def __call__(self, points: Floats) -> Floats:
        """The distance of each point."""
        distances: Floats = np.min([self._from(mean, points) for mean in self.means], axis=0)
        return distances

    def _from(self, mean: Floats, points: Floats) -> Floats:
        """The distance of each point from this mean."""
        offsets = points - mean
        inside = (offsets @ self._axes) ** 2
        outside = np.maximum((offsets**2).sum(axis=1) - inside.sum(axis=1), 0)
        distances: Floats = (inside / self.variances).sum(axis=1) + outside / self.rest
        return distances

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fields as arrays by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @cached_property
    def _axes(self) -> Floats:
        return _orthonormal(self.basis)

    @property
    def fits(self) -> bool:
        """True where the arrays fit each other and are numbers that a distance can be had from."""
        n_channels, k = self.basis.shape
        shapes = self.means.shape[1:], self.variances.shape
        numbers = np.concatenate([np.ravel(array) for array in self.arrays().values()])
        return (
            shapes == ((n_channels,), (k,))
            and bool(np.isfinite(numbers).all())
            and min(*self.variances.tolist(), self.rest) > 0
        )


@dataclass(frozen=True)
class Discriminant:
    """A linear discriminant of the classes, whose energy is high where it is sure of none (Liu et al. 2020).

    `weights` has shape (channels, n_classes), `bias` (n_classes,).
    """

    weights: Floats
    bias: Floats

    @classmethod
    def fit(cls, points: Floats, truth: NDArray[np.int64], shrinkage: float) -> Self:
        """The discriminant of points of shape (n, channels), their covariance mixed with so much of a sphere."""
        means = _class_means(points, truth)
        within = points - means[np.searchsorted(np.unique(truth), truth)]
        covariance = within.T @ within / len(within)
        covariance += np.eye(len(covariance)) * max(shrinkage * np.trace(covariance) / len(covariance), _LEAST)
        weights = np.linalg.solve(covariance, means.T)
        shares = np.unique(truth, return_counts=True)[1] / len(truth)
        bias = np.log(shares) - 0.5 * (weights.T * means).sum(axis=1)
        return cls(weights.astype(np.float32), bias.astype(np.float32))

    def logits(self, points: Floats) -> Floats:
        """Logits of shape (n, n_classes)."""
        return points @ self.weights + self.bias

    def energy(self, points: Floats) -> Floats:
        """The energy of each point."""
        energy: Floats = -logsumexp(self.logits(points), axis=1)
        return energy


@dataclass(frozen=True)
class Ensemble:
    """The Mahalanobis distances of an embedding and of its direction, and the energy of its direction, together.

    The direction's distance (Mahalanobis++, Mueller & Hein 2025) finds photographs and drawings, that of the embedding with
    its length patterns and far shots, the energy skin without a lesion. Each, the distances as logarithms, counts in units
    of its spread over the training part: `scales` has its mean and standard deviation there, of shape (3, 2).
    """

    whole: Mahalanobis
    direction: Mahalanobis
    discriminant: Discriminant
    scales: NDArray[np.float64]

    @classmethod
    def fit(cls, embeddings: Floats, truth: NDArray[np.int64]) -> Self:
        """The ensemble fitted to embeddings of shape (n, channels) and their class indices."""
        directions = unit(embeddings)
        whole, direction = (Mahalanobis.fit(points, truth, DIMENSIONS) for points in (embeddings, directions))
        raw = cls(whole, direction, Discriminant.fit(directions, truth, 1.0), np.zeros((3, 2)))
        parts = raw._parts(embeddings)
        scales = np.stack([parts.mean(axis=1), np.maximum(parts.std(axis=1), _LEAST)], axis=1)
        return replace(raw, scales=scales)

    def __call__(self, embeddings: Floats) -> Floats:
        """The score of each embedding."""
        score: Floats = ((self._parts(embeddings) - self.scales[:, :1]) / self.scales[:, 1:]).sum(axis=0)
        return score

    def _parts(self, embeddings: Floats) -> Floats:
        """The three scores, of shape (3, n)."""
        directions = unit(embeddings)
        distances = np.stack([self.whole(embeddings), self.direction(directions)])
        return np.stack([*np.log(np.maximum(distances, _LEAST)), self.discriminant.energy(directions)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The ensemble as arrays by name."""
        parts = {
            "whole": self.whole.arrays(),
            "direction": self.direction.arrays(),
            "discriminant": vars(self.discriminant),
        }
        named = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
        return {**named, "scales": self.scales}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The ensemble that `arrays` gave. Raises KeyError, TypeError or ValueError where it cannot be."""
        distances = {}
        for part in ("whole", "direction"):
            own = {name: arrays[f"{part}.{name}"] for name in ("means", "basis", "variances")}
            distances[part] = Mahalanobis(**own, rest=float(arrays[f"{part}.rest"]))
        discriminant = Discriminant(arrays["discriminant.weights"], arrays["discriminant.bias"])
        ensemble = cls(**distances, discriminant=discriminant, scales=arrays["scales"])
        if not (all(part.fits for part in distances.values()) and ensemble._is_sound):
            raise ValueError("its arrays do not fit each other")
        return ensemble

    @property
    def _is_sound(self) -> bool:
        """True where the rest of the arrays fits, and is of numbers."""
        weights, bias = self.discriminant.weights, self.discriminant.bias
        fits = weights.shape == (*self.whole.means.shape[1:], *bias.shape) and self.scales.shape == (3, 2)
        numbers = np.concatenate([weights.ravel(), bias.ravel(), self.scales.ravel()])
        return fits and bool(np.isfinite(numbers).all()) and self.scales[:, 1].min() > 0


def vim(embeddings: Floats, truth: NDArray[np.int64], dimensions: int = 256) -> Score:
    """Virtual-logit matching (Wang et al. 2022): the part outside the principal subspace against the logits.

    The network's head has a hidden layer and hears of the patient, so that the logits are those of a linear discriminant.
    """
    centre = embeddings.mean(axis=0)
    discriminant = Discriminant.fit(embeddings, truth, 1e-3)
    _, axes = np.linalg.eigh(np.cov(embeddings.T))
    null = axes[:, : max(1, len(axes) - dimensions)]

    def residual(asked: Floats) -> Floats:
        length: Floats = np.linalg.norm((asked - centre) @ null, axis=1)
        return length

    alpha = discriminant.logits(embeddings).max(axis=1).mean() / max(residual(embeddings).mean(), _LEAST)
    return lambda asked: alpha * residual(asked) + discriminant.energy(asked)


def nearest_neighbours(embeddings: Floats, truth: NDArray[np.int64], k: int = 5) -> Score:  # noqa: ARG001 (as the others)
    """The distance of a unit embedding to its kth nearest training image (Sun et al. 2022)."""
    from sklearn.neighbors import NearestNeighbors  # takes a second to import

    found = NearestNeighbors(n_neighbors=min(k, len(embeddings)), algorithm="brute").fit(unit(embeddings))
    return lambda asked: found.kneighbors(unit(asked))[0][:, -1]


def unit(embeddings: Floats) -> Floats:
    """The embeddings, of shape (n, channels), each of length one."""
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), _LEAST)


def _orthonormal(basis: NDArray[np.float16]) -> Floats:
    """The columns of a basis that was rounded, orthonormal again: what the rounding adds would pass for strangeness."""
    axes, mixing = np.linalg.qr(basis.astype(np.float32))
    return axes * np.sign(np.diag(mixing))


def _class_means(embeddings: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.floating]:
    """The mean of each class that there is, of shape (n_classes, channels)."""
    return np.stack([embeddings[truth == label].mean(axis=0) for label in np.unique(truth)])


_LEAST = 1e-12
"""No length and no variance is taken to be less."""


def _mahalanobis(embeddings: Floats, truth: NDArray[np.int64]) -> Score:
    """The Mahalanobis distance of the direction alone."""
    distance = Mahalanobis.fit(unit(embeddings), truth, DIMENSIONS)
    return lambda asked: distance(unit(asked))


METHODS: Mapping[str, Callable[[Floats, NDArray[np.int64]], Score]] = {
    ENSEMBLE: Ensemble.fit,
    "Mahalanobis": _mahalanobis,
    "ViM": vim,
    "nearest neighbours": nearest_neighbours,
}
"""The scores that an audit compares; why the gate uses the ensemble, docs/audit.md tells."""
