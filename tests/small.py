"""A training that takes seconds, and a disk that is soon full."""

from collections.abc import Callable
from pathlib import Path

SMALL = {
    "image_size": 64,
    "stage1_epochs": 3,
    "stage2_epochs": 2,
    "stage2_batch_size": 16,
    "views": 1,
    "audit": False,
}
"""Settings under which the real trainer with the real backbone takes seconds."""

AVERAGED = {"weight_averaging": 0.5, "kept_by": "calibrated-loss"}
"""A training that keeps two sets of weights, and one loss more."""

SmallDisk = Callable[[str], Path]
"""Mounts a real disk of this size ("256k") and returns its folder."""
