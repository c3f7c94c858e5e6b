"""A classifier at inference, cut where the data divides: an encoder sees the image, a head hears of the patient.

Encoding is nearly all that a prediction costs. What is asked of an encoded image afterwards, of another patient or of the
heat map of any class, runs the head alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skin.data.views import ORIENTATIONS, orient
from skin.progress import Progress, silent

if TYPE_CHECKING:
    from skin.models.classifier import Classifier

_BATCH = 4
"""Few enough images for the activations to stay in the processor's cache: 32 at once take a fifth longer."""


@dataclass(frozen=True)
class Features:
    """The encoder's output for n images.

    `feature_map` has four axes, the images first and the rest as the network lays it out; `embedding`, of shape
    (n, channels), is its mean over the places.
    """

    feature_map: NDArray[np.float32]
    embedding: NDArray[np.float32]

    def joined(self, more: Features) -> Features:
        """These features with those of more images behind them."""
        return Features(
            np.concatenate([self.feature_map, more.feature_map]), np.concatenate([self.embedding, more.embedding])
        )


class Network(Protocol):
    """A trained classifier. Every patient is encoded in WIDTH columns; a network of images alone ignores them."""

    def encode(self, images: NDArray[np.uint8]) -> Features:
        """Features of images of shape (n, size, size, 3)."""

    def classify(self, embedding: NDArray[np.float32], patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of shape (n, 7) from embeddings of shape (n, channels) and as many patients."""

    def grad_cam(self, features: Features, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Grad-CAM of every class, of shape (n, height, width, 7) and not negative."""


class KerasNetwork:
    """A Classifier run by Keras, for the backends that cannot export. Its temperature is 1."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._takes_patient = len(classifier.head.inputs) > 1

    def encode(self, images: NDArray[np.uint8]) -> Features:
        """As Network.encode."""
        return Features(*map(np.asarray, self._classifier.encoder.predict_on_batch(images)))

    def classify(self, embedding: NDArray[np.float32], patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """As Network.classify."""
        logits = self._classifier.head.predict_on_batch([embedding, *self._known(patients)])
        return softmax(np.asarray(logits), axis=-1)

    def grad_cam(self, features: Features, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """As Network.grad_cam."""
        inputs = [features.feature_map, features.embedding, *self._known(patients)]
        return np.asarray(self._classifier.grad_cam.predict_on_batch(inputs))

    def _known(self, patients: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [patients] if self._takes_patient else []


@dataclass(frozen=True)
class EncodedImage:
    """An image that went through the encoder: `pixels` of shape (size, size, 3), features of its first orientations.

    May be asked from several threads.
    """

    network: Network
    pixels: NDArray[np.uint8]
    views: Features

    def probabilities(self, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of shape (n_patients, 7) were the image of each of these patients; the mean over the views."""
        n_views = len(self.views.embedding)
        embedding = np.tile(self.views.embedding, (len(patients), 1))
        probabilities = self.network.classify(embedding, np.repeat(patients, n_views, axis=0))
        return probabilities.reshape(len(patients), n_views, -1).mean(axis=1)

    @cached_property
    def orientations(self) -> Features:
        """Features of the image in all eight orientations; those that no prediction needed are encoded now."""
        n_views = len(self.views.embedding)
        if n_views == ORIENTATIONS:
            return self.views
        return self.views.joined(self.network.encode(_oriented(self.pixels, range(n_views, ORIENTATIONS))))


def encode_image(network: Network, pixels: NDArray[np.uint8], views: int) -> EncodedImage:
    """The image, of shape (size, size, 3), encoded in so many of its orientations."""
    return EncodedImage(network, pixels, network.encode(_oriented(pixels, range(views))))


def _oriented(pixels: NDArray[np.uint8], orientations: range) -> NDArray[np.uint8]:
    return np.stack([orient(pixels, orientation) for orientation in orientations])


def view_probabilities(
    network: Network,
    pixels: NDArray[np.uint8],
    patients: NDArray[np.float32],
    rows: NDArray[np.int64],
    views: int = 1,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Probabilities of shape (views, n_rows, 7): those rows of pixels and patients in their first orientations."""
    step = max(1, _BATCH // views)
    batches = [rows[start : start + step] for start in range(0, len(rows), step)]

    def predicted(batch: NDArray[np.int64]) -> NDArray[np.float32]:
        images = np.concatenate([orient(pixels[batch], view) for view in range(views)])
        embedding = network.encode(images).embedding
        return network.classify(embedding, np.tile(patients[batch], (views, 1))).reshape(views, len(batch), -1)

    shown = progress(batches, desc="Predicting", total=len(batches))
    return np.concatenate([predicted(batch) for batch in shown], axis=1)
