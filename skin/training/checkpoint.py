"""Checkpoints that a training goes on from: the weights, the optimizer and the history after an epoch.

The last two are kept, in two files that are written in turn, so that whatever happens to one of them, the other is an
epoch older and whole. The history in the checkpoint is the one that counts: where `history.jsonl` tells another, because
of a kill between the two writes or of damage, it is put right, and the epochs that it loses are trained again, to the same
result. Each of the two holds the weights, the best weights and the optimizer's state, with AdamW four times the weights,
and a third is there while one is written; they go when the run is finished.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skin.errors import UserError
from skin.files import read_arrays, write_atomically
from skin.records import checked
from skin.run import Epoch, Run

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """The state after the last epoch of `history`: weights and optimizer as they are, and the best weights so far.

    `remark` says why a newer one was not taken, "" where this is the newest.
    """

    history: tuple[Epoch, ...]
    weights: Arrays
    optimizer: Arrays
    best: Arrays
    remark: str = ""

    @property
    def title(self) -> str:
        """The epoch after which it was made, and what was wrong with a newer one, in words."""
        last = self.history[-1]
        return f"after epoch {last.epoch} of stage {last.stage}{f' ({self.remark})' if self.remark else ''}"


def save(run: Run, checkpoint: Checkpoint) -> None:
    """Put the checkpoint in the place of the older of the two. Raises UserError when the disk is full."""
    groups = {name: getattr(checkpoint, name) for name in _GROUPS}
    arrays = {f"{name}_{i}": array for name, group in groups.items() for i, array in enumerate(group)}
    history = [dataclasses.asdict(epoch) for epoch in checkpoint.history]
    arrays["about"] = np.array(json.dumps({"belongs_to": _owner(run), "history": history}))
    arrays["digest"] = np.array(_digest(arrays))
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(run.state_paths[len(history) % 2], content.getvalue())


def resume(run: Run) -> Checkpoint | None:
    """The newest whole checkpoint, with the run's history put right after it; None where nothing was trained yet.

    Raises UserError when something was, and no checkpoint of it is whole.
    """
    found, problems = [], []
    for path in run.state_paths:
        if path.exists():
            try:
                found.append(_load(run, path))
            except (OSError, ValueError, KeyError, TypeError) as error:
                problems.append(f"{path.name}: {error}")
    if not found:
        _check_untrained(run, problems)
        return None
    newest = max(found, key=lambda checkpoint: len(checkpoint.history))
    run.write_history(newest.history)
    return dataclasses.replace(newest, remark="; ".join(problems))


def remove(run: Run) -> None:
    """Remove the checkpoints of a finished run."""
    for path in run.state_paths:
        path.unlink(missing_ok=True)


def _check_untrained(run: Run, problems: Sequence[str]) -> None:
    if problems or run.history():
        reason = "; ".join(problems) or "there is none"
        raise UserError(
            f"The run {run.name!r} cannot go on, because no checkpoint of it is whole ({reason}): restore it, or start a "
            "new run with its settings."
        )


def _load(run: Run, path: Path) -> Checkpoint:
    """The checkpoint in the file. Raises ValueError, KeyError, TypeError or OSError when it is damaged or of another run."""
    arrays = read_arrays(path)
    if str(arrays.pop("digest", "")) != _digest(arrays):
        raise ValueError("its checksum is wrong")
    about = json.loads(str(arrays.pop("about")))
    if about["belongs_to"] != _owner(run):
        raise ValueError("it belongs to other settings or to another split")
    history = tuple(checked(Epoch(**epoch)) for epoch in about["history"])
    if not history:
        raise ValueError("it is of no epoch")
    weights, optimizer, best = (_group(arrays, name) for name in _GROUPS)
    return Checkpoint(history, weights, optimizer, best)


_GROUPS = ("weights", "optimizer", "best")
"""The arrays of a Checkpoint, in its order."""


def _group(arrays: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    return [arrays[f"{name}_{i}"] for i in range(sum(key.startswith(f"{name}_") for key in arrays))]


def _owner(run: Run) -> str:
    """A digest of the run's settings and split."""
    return hashlib.sha256(run.config_path.read_bytes() + run.split_path.read_bytes()).hexdigest()


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
