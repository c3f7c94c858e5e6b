"""Files under a full disk, a kill and a power cut."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import SmallDisk

from skin import files
from skin import run as runs
from skin.config import TrainConfig
from skin.errors import UserError
from skin.run import Run
from skin.workspace import PROJECT, Workspace


def fill(disk: Path) -> Path:
    """Leave not one byte free; returns what takes the room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        order.append(os.stat(descriptor).st_ino)
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        order.append("named")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    files.write_atomically(tmp_path / "it", b"content")
    assert order == [(tmp_path / "it").stat().st_ino, "named", tmp_path.stat().st_ino]


WRITER = """
import sys, time
from pathlib import Path
from skin.files import replace_file

def write(partial):
    partial.write_bytes(bytes(1000))
    print("writing", flush=True)
    time.sleep(600)

replace_file(Path(sys.argv[1]), write)
"""


def test_what_a_killed_process_was_writing_is_removed_and_what_a_living_one_writes_is_not(workspace: Workspace) -> None:
    run = Run.create(workspace, "first", TrainConfig())
    command = [sys.executable, "-c", WRITER, str(run.weights_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        (partial,) = run.folder.glob(f".{process.pid}@*.{run.weights_path.name}")
        runs.sweep(workspace)
        assert partial.stat().st_size == 1000
        process.send_signal(signal.SIGKILL)
    unfinished = workspace.runs / f".{process.pid}.second"
    unfinished.mkdir()
    os.utime(partial, (0, 0))  # were the pid already given to another process, that one would be younger

    runs.sweep(workspace)

    assert {path.name for path in run.folder.iterdir()} == {"config.json", "status.json"}
    assert not unfinished.exists()


def test_what_another_machine_writes_in_a_shared_folder_is_left_alone_for_a_day(workspace: Workspace) -> None:
    run = Run.create(workspace, "first", TrainConfig())
    partial = run.folder / ".99999999@another-machine.network.weights.h5"
    partial.write_bytes(b"half")

    runs.sweep(workspace)
    assert partial.exists()

    day_before_yesterday = time.time() - 2 * 86_400
    os.utime(partial, (day_before_yesterday, day_before_yesterday))
    runs.sweep(workspace)
    assert not partial.exists()


def test_a_run_that_a_full_disk_refuses_leaves_nothing_and_its_name_free(small_disk: SmallDisk) -> None:
    disk = small_disk("256k")
    workspace = Workspace(disk)
    workspace.runs.mkdir()
    filler = fill(disk)
    with pytest.raises(UserError, match=r"No space left on device.*free some space"):
        Run.create(workspace, "first", TrainConfig())
    assert list(workspace.runs.iterdir()) == []
    filler.unlink()
    assert Run.create(workspace, "first", TrainConfig()).config == TrainConfig()


def test_a_run_that_a_read_only_disk_refuses_is_a_sentence(small_disk: SmallDisk) -> None:
    disk = small_disk("256k")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(UserError, match=r"Read-only file system.*--home"):
        Run.create(Workspace(disk), "first", TrainConfig())


def test_a_folder_in_the_place_of_a_file_is_a_sentence(workspace: Workspace) -> None:
    run = Run.create(workspace, "first", TrainConfig())
    run.report_path.mkdir()
    with pytest.raises(UserError, match="remove the folder"):
        files.write_atomically(run.report_path, b"{}")
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "status.json", "report.json"}


class Trap:
    """What a pickle runs when it is loaded."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("sprung"),)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, harmless=np.zeros(3), objects=np.array([Trap()]))
    with pytest.raises(ValueError, match="damaged"):
        files.read_arrays(path)
    assert not Path("sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x80", b"{", b"[" * 100_000, None])
def test_whatever_is_wrong_with_json_is_a_value_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "it.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        files.read_json(path)
