"""What a training goes on from, and what becomes of it when its files are damaged."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skin.config import TrainConfig
from skin.errors import UserError
from skin.run import Epoch, Run
from skin.training import checkpoint
from skin.training.checkpoint import Checkpoint
from skin.workspace import Workspace

FIRST = Epoch(1, 1, 1.5, 0.5, 1.4, 0.6, 0.5, 1e-3, 2.0, 100.0)
EPOCHS = (FIRST, dataclasses.replace(FIRST, epoch=2), dataclasses.replace(FIRST, stage=2))


def state(n_epochs: int) -> Checkpoint:
    """After so many epochs; its arrays tell how many."""
    arrays = [np.full((3, 4), n_epochs, np.float32), np.array(n_epochs)]
    return Checkpoint(EPOCHS[:n_epochs], arrays, arrays[:1], arrays)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    """Three epochs trained, as the trainer does it."""
    run = Run.create(workspace, "first", TrainConfig())
    run.split_path.write_text("image_id,part\na,train\n")
    for n_epochs in (1, 2, 3):
        checkpoint.save(run, state(n_epochs))
        run.write_history(EPOCHS[:n_epochs])
    return run


def newest(run: Run) -> Path:
    return run.state_paths[1]


def flip(path: Path) -> None:
    """One bit of the weights, with everything in the file that tells of it."""
    arrays = dict(np.load(path))
    arrays["weights_0"][0, 0] = 7
    np.savez(path, **arrays)


class Trap:
    """What a pickle runs when it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("sprung"),)  # type: ignore[return-value]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "random": lambda path: path.write_bytes(np.random.default_rng(0).bytes(1000)),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Trap())),
    "flipped": flip,
    "another-shape": lambda path: np.savez(path, other=np.zeros(3)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


def test_it_goes_on_from_the_last_epoch(run: Run) -> None:
    found = checkpoint.resume(run)
    assert found is not None
    assert found.history == EPOCHS
    assert [array.tolist() for array in found.weights] == [[[3.0] * 4] * 3, 3]
    assert (len(found.optimizer), len(found.best)) == (1, 2)
    assert found.title == "after epoch 1 of stage 2"


def test_a_run_that_was_never_trained_begins(workspace: Workspace) -> None:
    assert checkpoint.resume(Run.create(workspace, "new", TrainConfig())) is None


@pytest.mark.parametrize("kind", DAMAGES)
def test_where_the_newest_is_damaged_the_one_before_is_taken_and_said(run: Run, kind: str) -> None:
    DAMAGES[kind](newest(run))
    found = checkpoint.resume(run)
    assert found is not None
    assert found.history == tuple(run.history()) == EPOCHS[:2]
    assert found.weights[1] == 2
    assert found.title.startswith("after epoch 2 of stage 1")
    assert ("state-1.npz: " in found.title) == (kind != "missing")


@pytest.mark.parametrize("kind", DAMAGES)
def test_where_both_are_damaged_it_refuses_in_a_sentence_and_touches_nothing(run: Run, kind: str) -> None:
    for path in run.state_paths:
        DAMAGES[kind](path)
    before = run.history_path.read_bytes()
    with pytest.raises(
        UserError, match=r"'first' cannot go on, because no checkpoint of it is whole .*start a new run"
    ):
        checkpoint.resume(run)
    assert run.history_path.read_bytes() == before
    assert not Path("sprung").exists()


@pytest.mark.parametrize("path", ["config.json", "split.csv"])
def test_a_checkpoint_of_other_settings_or_another_split_is_refused(run: Run, path: str) -> None:
    with (run.folder / path).open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match="belongs to other settings or to another split"):
        checkpoint.resume(run)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\n", b"{}\n"])
def test_a_lost_or_damaged_history_is_put_right(run: Run, content: bytes | None) -> None:
    run.history_path.unlink()
    if content is not None:
        run.history_path.write_bytes(content)
    assert checkpoint.resume(run) is not None
    assert tuple(run.history()) == EPOCHS


def test_a_cut_history_is_put_right(run: Run) -> None:
    """Also what a kill between the two writes of an epoch leaves."""
    run.write_history(EPOCHS[:1])
    checkpoint.resume(run)
    assert tuple(run.history()) == EPOCHS
    with run.history_path.open("ab") as file:
        file.write(b'{"stage": 1, "epo')
    checkpoint.resume(run)
    assert run.history_path.read_bytes().count(b"\n") == 3


def test_only_two_are_kept_and_none_of_a_finished_run(run: Run) -> None:
    assert sorted(path.name for path in run.folder.glob("state*")) == ["state-0.npz", "state-1.npz"]
    checkpoint.remove(run)
    assert list(run.folder.glob("state*")) == []
