"""Predictions made up for tests."""

import numpy as np

from skin.evaluation.predictions import Predictions


def simulated(n: int = 400, seed: int = 0, skill: float = 1.0) -> Predictions:
    """Predictions of a model of some skill on `n` images, two of each lesion."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.concatenate([np.arange(7), rng.integers(7, size=n // 2 - 7)]), 2)
    probabilities = rng.dirichlet(np.ones(7), n) + skill * rng.random((n, 1)) * np.eye(7)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(
        image_ids=tuple(f"image{i}" for i in range(n)),
        lesion_ids=tuple(f"lesion{i // 2}" for i in range(n)),
        truth=truth,
        probabilities=probabilities.astype(np.float32),
    )


def labels(truth: list[int], predicted: list[int]) -> Predictions:
    """Bare diagnoses of as many lesions of one image."""
    ids = tuple(str(i) for i in range(len(truth)))
    return Predictions(ids, ids, np.array(truth), np.eye(7, dtype=np.float32)[predicted])
