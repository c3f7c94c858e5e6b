"""One temperature that makes probabilities mean what they say (Guo et al. 2017)."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from skin.errors import UserError
from skin.files import read_json, write_atomically


def tempered(views: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """The mean over views of probabilities of shape (views, n, 7), with each view's logits divided by the temperature."""
    logits = np.log(np.maximum(views, np.finfo(np.float32).tiny))
    return softmax(logits / temperature, axis=-1).mean(axis=0, dtype=np.float32)


def fit_temperature(views: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """The temperature with the lowest validation cross-entropy."""

    def of_log(log_temperature: float) -> float:
        return cross_entropy(views, truth, float(np.exp(log_temperature)))

    return float(np.exp(minimize_scalar(of_log, bounds=(-2.0, 2.0), method="bounded").x))


def cross_entropy(views: NDArray[np.float32], truth: NDArray[np.int64], temperature: float) -> float:
    """The mean loss in nats of the probabilities at a temperature."""
    probabilities = tempered(views, temperature)
    return float(-np.log(probabilities[np.arange(len(truth)), truth] + 1e-12).mean())


def save_temperature(path: Path, temperature: float) -> None:
    """Write the temperature as JSON, atomically."""
    write_atomically(path, json.dumps({"temperature": temperature}).encode())


def known_temperature(path: Path) -> float | None:
    """The temperature that `save_temperature` wrote, None where the file is missing or damaged."""
    try:
        return load_temperature(path)
    except UserError:
        return None


def load_temperature(path: Path) -> float:
    """The temperature that `save_temperature` wrote. Raises UserError when the file is missing or damaged."""
    try:
        temperature = float(read_json(path)["temperature"])
    except (ValueError, KeyError, TypeError, OverflowError):
        temperature = np.nan
    if not 0 < temperature < np.inf:
        raise UserError(f"{path} holds no temperature: restore the file, or train the run again.")
    return temperature
