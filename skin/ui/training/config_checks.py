"""Checks that a configuration's data set, backbone and weights are there and can be used."""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from skin.config import TrainConfig
from skin.data import datasets, splits
from skin.data.datasets import DATASETS
from skin.data.folder import SUFFIXES
from skin.errors import UserError
from skin.models.backbones import find_backbone
from skin.training.data import check_config

NAMED_DATASETS = tuple(name for name in DATASETS if name != "folder")

N_IMAGES = {"demo": 400, "kaggle": 10_015}
"""Images of the data sets that may not be on this disk yet."""


def problems(config: TrainConfig) -> dict[str, str]:
    """A sentence for each field that names what is not there or cannot be used; no image is opened for it."""
    checks = {"dataset": _dataset_problem, "backbone": _backbone_problem, "weights": _weights_problem}
    sentences = {field: check(config) for field, check in checks.items()}
    return {field: sentence for field, sentence in sentences.items() if sentence}


def n_images(config: TrainConfig) -> int:
    """Usable images of the data set, as far as its table tells; 0 for one that cannot be used."""
    if config.dataset in NAMED_DATASETS:
        return N_IMAGES[config.dataset]
    return _survey_dataset(config)[0]


def _dataset_problem(config: TrainConfig) -> str:
    return "" if config.dataset in NAMED_DATASETS else _survey_dataset(config)[1]


def _backbone_problem(config: TrainConfig) -> str:
    try:
        find_backbone(config.backbone)
    except UserError as error:
        return str(error)
    return ""


def _weights_problem(config: TrainConfig) -> str:
    if config.weights in ("imagenet", "none"):
        return ""
    with suppress(OSError, ValueError):  # the path is too long, or none at all
        if Path(config.weights).is_file():
            return ""
    return f"There is no weights file {config.weights!r}: give its path, imagenet or none."


def _survey_dataset(config: TrainConfig) -> tuple[int, str]:
    """The number of images in the folder, and what speaks against training on them."""
    try:
        folder = datasets.find_folder(config.dataset)
        return _survey_folder(folder, _stamp(folder), config)
    except UserError as error:
        return 0, str(error)


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """Changes when the folder's table does, or an image is added or taken away."""
    try:
        parts = [path for path in folder.iterdir() if path.is_dir() or path.suffix.lower() not in SUFFIXES]
        return tuple((str(path), path.stat().st_mtime_ns) for path in [folder, *sorted(parts)])
    except OSError:
        return ()


@lru_cache(maxsize=16)
def _survey_folder(folder: Path, stamp: tuple[tuple[str, int], ...], config: TrainConfig) -> tuple[int, str]:  # noqa: ARG001 (a folder that changed is another one)
    try:
        contents = datasets.listing(folder)
        check_config(config, contents.task)
        splits.draw(contents.images, config)
    except UserError as error:
        return 0, str(error)
    return len(contents.images), ""
