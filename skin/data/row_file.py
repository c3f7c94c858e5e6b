"""An array on disk that is computed block by block: a computation that was cut short goes on where it ended."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from skin.errors import UserError
from skin.progress import Progress

Rows = Callable[[int, int], NDArray[Any]]
"""Computes the rows from a first one to before another."""


@dataclass(frozen=True)
class RowFile:
    """An .npy file of this shape and type; `what` names its rows in sentences."""

    path: Path
    shape: tuple[int, ...]
    dtype: str
    what: str

    def open(self, rows: Rows, block: int, progress: Progress, desc: str) -> NDArray[Any]:
        """The array, mapped read-only, and computed the first time, so many rows at once.

        Of two processes one computes it and the other waits. Raises UserError when the disk is full.
        """
        if not self._is_complete():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(self.path.with_suffix(".lock")):
                    if not self._is_complete():
                        self._build(rows, block, progress, desc)
            except OSError as error:
                raise UserError(
                    f"The {self.what} could not be cached in {self.path.parent} ({error.strerror}): free some space, or "
                    "use another --home."
                ) from error
        array: NDArray[Any] = np.load(self.path, mmap_mode="r")
        return array

    def _build(self, rows: Rows, block: int, progress: Progress, desc: str) -> None:
        """Append to a partial file, whose length says how many rows are done, and give it its name at the end."""
        partial, header = self.path.with_suffix(".partial"), self._header
        self._check_space(partial)
        with partial.open("ab") as file:
            if file.tell() < len(header):
                file.truncate(0)
                file.write(header)
            done = (file.tell() - len(header)) // self._row_bytes
            file.truncate(len(header) + done * self._row_bytes)
            starts = range(done, self.shape[0], block)
            for start in progress(starts, desc=desc, total=len(starts)):
                file.write(rows(start, min(start + block, self.shape[0])).astype(self.dtype, copy=False).tobytes())
                file.flush()
                os.fsync(file.fileno())
        partial.replace(self.path)

    @property
    def _header(self) -> bytes:
        buffer = BytesIO()
        described = {"shape": self.shape, "fortran_order": False, "descr": self.dtype}
        np.lib.format.write_array_header_1_0(buffer, described)
        return buffer.getvalue()

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize

    @property
    def _bytes(self) -> int:
        return len(self._header) + self.shape[0] * self._row_bytes

    def _is_complete(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self._bytes

    def _check_space(self, partial: Path) -> None:
        missing = self._bytes - (partial.stat().st_size if partial.exists() else 0)
        if shutil.disk_usage(partial.parent).free < missing:
            raise UserError(
                f"{missing / 1e9:.1f} GB are needed in {partial.parent} for the {self.what}: free some space, use a smaller "
                "image size, or another --home."
            )
