"""Features that a frozen backbone makes of every image, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.files import locked, replace_file
from skin.models.export import export_model
from skin.models.onnx import open_session
from skin.progress import Progress, silent
from skin.workspace import Workspace

_BATCH = 32

EXPORT_PAYS_FROM = 1000
"""So many images at least are worth the export that ONNX Runtime needs: up to there Keras alone was faster on a CPU."""


def features_path(config: TrainConfig, dataset: Dataset, workspace: Workspace) -> Path:
    """The file of the features that runs of this configuration share: whatever they depend on is in its name."""
    recipe = [dataset.key, config.image_size, config.weights, config.scaling]
    if config.weights == "none":
        recipe.append(config.seed)
    elif config.weights != "imagenet":
        recipe.append(Path(config.weights).stat().st_mtime_ns)
    return workspace.features / f"{config.backbone}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]}.npy"


def frozen_features(
    backbone: keras.Model, pixels: NDArray[np.uint8], path: Path, progress: Progress = silent
) -> NDArray[np.float32]:
    """The pooled feature map of every image, of shape (n_images, channels), read from `path` if it is there.

    Of several runs that need it at once one computes it and the others wait. Batch normalisation runs in inference mode.
    Raises UserError when the disk is full.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                features = _compute(backbone, pixels, progress)
                replace_file(path, lambda partial: np.save(partial, features))
    return np.load(path)


def _compute(backbone: keras.Model, pixels: NDArray[np.uint8], progress: Progress) -> NDArray[np.float32]:
    pooled = keras.Model(backbone.input, keras.layers.GlobalAveragePooling2D()(backbone.output))
    starts = range(0, len(pixels), _BATCH)
    batches = (
        pixels[start : start + _BATCH] for start in progress(starts, desc="Computing features", total=len(starts))
    )
    if keras.backend.backend() != "tensorflow" or len(pixels) < EXPORT_PAYS_FROM:
        return np.concatenate([np.asarray(pooled.predict_on_batch(batch)) for batch in batches])
    with tempfile.TemporaryDirectory() as folder:  # ONNX Runtime is about three times as fast as Keras on a CPU
        exported = Path(folder) / "backbone.onnx"
        export_model(pooled, exported)
        session = open_session(exported)
        return np.concatenate([session.run(None, {"image": np.ascontiguousarray(batch)})[0] for batch in batches])
