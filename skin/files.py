"""Files that a crash, a full disk or a reader never meets half-written."""

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock
from numpy.typing import NDArray

from skin.errors import UsageError, UserError

_PARTIAL = re.compile(r"\.(\d+)(?:@([\w-]+))?\..+", re.DOTALL)
"""Name of what a process is still writing: its pid and machine, then the name that it gets in the end."""

_MACHINE = re.sub(r"[^\w-]", "-", socket.gethostname()) or "-"

_FORGOTTEN_SECONDS = 86_400.0
"""Age after which nobody is taken to write what lies still in a folder that machines share."""

_CLOCK_SECONDS = 2.0
"""Seconds by which the start time of a process may lie behind the true one."""

_ADVICE = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
    errno.EFBIG: "free some space and try again",
    errno.EROFS: "use a folder that can be written to, with --home",
    errno.EACCES: "use a folder that can be written to, with --home",
    errno.EISDIR: "remove the folder that stands in its place",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file at once. Raises UserError when the disk is full or refuses."""
    replace_file(path, lambda partial: partial.write_bytes(content))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under another name, then put it in the place of `path` at once.

    What a power cut leaves is the old file or the new one: the new one is on the disk before it takes the name.
    Raises UserError when the disk is full or refuses.
    """
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        _flush(partial)
        partial.replace(path)
        with suppress(PermissionError):  # on Windows, where a folder cannot be opened
            _flush(path.parent)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder under another name, then give it the name at once: nobody meets it half-written.

    Raises UsageError where something stands in its place that is no empty folder, UserError when the disk is full or refuses.
    """
    partial = partial_path(folder)
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise UsageError(f"{folder} is there already, and not empty: name a new folder, or empty this one.")
        partial.mkdir(parents=True)
        write(partial)
        if folder.exists():
            folder.rmdir()  # not every system puts a folder in the place of an empty one
        partial.rename(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder} could not be written ({reason}): name a folder that you may write to.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_json(path: Path) -> Any:
    """The values in the JSON file. Raises ValueError when it is missing or damaged, whatever is wrong with it."""
    return parse_json(read_content(path))


def read_content(path: Path) -> bytes:
    """The content of the file. Raises ValueError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error


def parse_json(text: bytes) -> Any:
    """The values in a JSON text. Raises ValueError when it is damaged, whatever is wrong with it."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an npz file, no pickle among them. Raises ValueError when it is missing or damaged."""
    return parse_arrays(read_content(path))


def parse_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays in the content of an npz file, no pickle among them. Raises ValueError when it is damaged."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # on damaged data zipfile and NumPy raise nearly anything
        raise ValueError("it is damaged or cut short") from error


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put the arrays in the place of the npz file at once. Raises UserError when the disk is full or refuses."""
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def partial_path(path: Path) -> Path:
    """Beside `path`, what this process writes before it takes that name."""
    return path.with_name(f".{os.getpid()}@{_MACHINE}.{path.name}")


@contextmanager
def refusals_said(folder: Path) -> Iterator[None]:
    """Raises UserError where inside, in this folder if it does not say where, the disk is full or refuses."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        raise unwritten(Path(str(error.filename or folder)), error) from error


def unwritten(path: Path, error: OSError) -> UserError:
    """The sentence on a file or folder that could not be written."""
    advice = _ADVICE.get(error.errno or 0, "see to that folder and try again")
    return UserError(f"{path} could not be written ({error.strerror or error}): {advice}.")


@contextmanager
def locked(path: Path, seconds: float = -1) -> Iterator[None]:
    """Keeps other processes that ask for the same file out meanwhile, and waits for them, so long at most if not negative.

    Raises UserError when the folder cannot be written to.
    """
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except OSError as error:
        raise unwritten(path, error) from error
    try:
        yield
    finally:
        lock.release()


def leftovers(folder: Path) -> list[Path]:
    """Files in the folder that processes which are dead now were writing."""
    found = ((entry, _PARTIAL.fullmatch(entry.name)) for entry in folder.glob(".*"))
    return [entry for entry, name in found if name and not _may_be_written_by(int(name[1]), name[2] or _MACHINE, entry)]


def _may_be_written_by(pid: int, machine: str, entry: Path) -> bool:
    """True where this process lives and began before the entry was last written; a recycled pid did not.

    Of another machine nobody here knows: what was written lately is then taken to be in work.
    """
    try:
        if machine != _MACHINE:
            return abs(time.time() - entry.stat().st_mtime) < _FORGOTTEN_SECONDS
        return psutil.Process(pid).create_time() < entry.stat().st_mtime + _CLOCK_SECONDS
    except (psutil.NoSuchProcess, OverflowError, OSError):
        return False


def _flush(path: Path) -> None:
    """Have the system write the file, or the folder's names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
