"""Answers kept beside the table that they become, in a file for each block of images that is done.

`answers.parquet.parts` holds `key.json`, which tells what was asked, and a JSON line for each image of a finished block.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from skin.errors import UserError
from skin.files import partial_path, read_json, refusals_said, write_atomically
from skin.inference.batch import Row


class Parts:
    """The finished blocks of one table."""

    def __init__(self, table: Path) -> None:
        self.folder = table.with_name(f"{table.name}.parts")

    @contextmanager
    def claimed(self, key: Mapping[str, object]) -> Iterator[None]:
        """Has the folder for this process alone, and removes it where the block ends well.

        Raises UserError when another process has it, or it holds answers to anything but what `key` tells.
        """
        with refusals_said(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self.folder / ".lock", timeout=0):
                    self._check(key)
                    yield
            except Timeout:
                raise UserError(
                    f"Another process writes to {self.folder}: wait for its end, or give another --out."
                ) from None
            shutil.rmtree(self.folder.rename(partial_path(self.folder)))  # at once, whatever ends this process

    def _check(self, key: Mapping[str, object]) -> None:
        path = self.folder / "key.json"
        if not self.done():
            write_atomically(path, json.dumps(key).encode())
            return
        kept = {}
        with suppress(ValueError):
            kept = read_json(path)
        if changed := [name for name in key if not isinstance(kept, dict) or kept.get(name) != key[name]]:
            raise UserError(
                f"{self.folder} holds answers for which the {changed[0]} were others: put them back, give another --out, "
                "or delete that folder to begin anew."
            )

    def done(self) -> set[int]:
        """The numbers of the blocks that are finished."""
        return {int(path.stem) for path in self.folder.glob("*.jsonl") if path.stem.isdecimal()}

    def keep(self, number: int, rows: Sequence[Row]) -> None:
        """Keep a finished block. Raises UserError when the disk is full or refuses."""
        write_atomically(self._path(number), "".join(f"{json.dumps(row)}\n" for row in rows).encode())

    def rows(self, number: int) -> list[Row]:
        """The rows of a finished block. Raises UserError when its file is damaged."""
        path = self._path(number)
        try:
            return [json.loads(line) for line in path.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is damaged: delete it, and give the same command again.") from error

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.jsonl"
