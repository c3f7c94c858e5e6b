"""The devices that share the batches of a training: Keras' data parallelism, which works on JAX alone.

Every device holds all variables and gets as many images of each batch; batch normalisation, loss and gradient are over
the whole batch, so that the result is that of one device, but for the order in which floats are added.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray

from skin.device import check_shared
from skin.errors import UsageError


def sentence(devices: int) -> str:
    """The devices that share each batch, by their names."""
    return f"{devices} devices share each batch ({', '.join(_first(devices))})."


def check(devices: int) -> None:
    """Raise UsageError where a batch cannot be shared among so many devices on this machine."""
    if devices == 1:
        return
    check_shared(devices, {"KERAS_BACKEND": keras.backend.backend()})
    found = keras.distribution.list_devices()
    if len(found) < devices:
        raise UsageError(
            f"devices={devices}, but JAX finds {len(found)} here ({', '.join(found)}): give no more than that. "
            f"(XLA_FLAGS=--xla_force_host_platform_device_count={devices} makes a processor stand for as many.)"
        )


@contextmanager
def sharing(devices: int) -> Iterator[None]:
    """Has the networks that are built inside share among so many devices the batches that they see inside."""
    if devices == 1:
        yield
        return
    found = _first(devices)
    with keras.distribution.DataParallel(devices=found, auto_shard_dataset=False).scope():
        yield


def _first(devices: int) -> list[str]:
    return keras.distribution.list_devices()[:devices]


def filled_up(rows: NDArray[np.int64], devices: int) -> NDArray[np.int64]:
    """The rows, and so many of them once more that they can be shared evenly."""
    return np.resize(rows, len(rows) + -len(rows) % devices)
