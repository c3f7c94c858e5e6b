"""A classifier at inference, cut where the data divides: an encoder sees the image, a head hears of the patient.

Encoding is nearly all that a prediction costs. What is asked of an encoded image afterwards, of another patient or of the
heat map of any class, runs the head alone.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    """A trained classifier. Every patient is encoded as its task says; a network of images alone ignores them."""

    def encode(self, images: NDArray[np.uint8]) -> Features:
        """Features of images of shape (n, size, size, 3)."""

    def classify(self, embedding: NDArray[np.float32], patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of shape (n, n_classes) from embeddings of shape (n, channels) and as many patients."""

    def grad_cam(self, features: Features, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Grad-CAM of every class, of shape (n, height, width, n_classes) and not negative."""


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

    `source_size` has the width and height of the picture that the pixels were made of. May be asked from several threads.
    """

    network: Network
    pixels: NDArray[np.uint8]
    views: Features
    source_size: tuple[int, int]

    def probabilities(self, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of shape (n_patients, n_classes) were the image of each of these patients; the mean over the views."""
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


def encode_image(
    network: Network, pixels: NDArray[np.uint8], views: int, source_size: tuple[int, int] | None = None
) -> EncodedImage:
    """The image, of shape (size, size, 3), encoded in so many of its orientations.

    `source_size` is the width and height of the picture that it was made of, its own where that is not known.
    """
    features = network.encode(_oriented(pixels, range(views)))
    return EncodedImage(network, pixels, features, source_size or pixels.shape[1::-1])


def _oriented(pixels: NDArray[np.uint8], orientations: range) -> NDArray[np.uint8]:
    return np.stack([orient(pixels, orientation) for orientation in orientations])


def images_at_once(views: int) -> int:
    """Number of images that go through the network together in so many orientations."""
    return max(1, _BATCH // views)


def view_probabilities(
    network: Network, batches: Iterable[NDArray[np.uint8]], patients: NDArray[np.float32], views: int = 1
) -> NDArray[np.float32]:
    """Probabilities of shape (views, n_images, 7), in the first orientations, of images that come in batches.

    A batch has shape (n, size, size, 3); the patients, of shape (n_images, WIDTH), are those of the images in order.
    """
    probabilities, done = [], 0
    for images in batches:
        embedding = network.encode(np.concatenate([orient(images, view) for view in range(views)])).embedding
        known = np.tile(patients[done : done + len(images)], (views, 1))
        probabilities.append(network.classify(embedding, known).reshape(views, len(images), -1))
        done += len(images)
    return np.concatenate(probabilities, axis=1)


def row_probabilities(
    network: Network,
    pixels: NDArray[np.uint8],
    patients: NDArray[np.float32],
    rows: NDArray[np.int64],
    views: int = 1,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """`view_probabilities` of those rows of pixels and patients."""
    n = images_at_once(views)
    starts = range(0, len(rows), n)
    shown = progress(starts, desc="Predicting", total=len(starts))
    return view_probabilities(network, (pixels[rows[start : start + n]] for start in shown), patients[rows], views)
