from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from skin.data.row_file import RowFile
from skin.progress import Item, silent


def rows(first: int, end: int) -> NDArray[np.float32]:
    return np.arange(3 * first, 3 * end, dtype=np.float32).reshape(-1, 3)


class EndedError(Exception):
    """The computation was ended."""


def dying(iterable: Iterable[Item], *, desc: str, total: int) -> Iterator[Item]:  # noqa: ARG001 (the Progress protocol)
    for number, item in enumerate(iterable):
        if number == 2:
            raise EndedError
        yield item


def test_rows_are_computed_once_and_what_was_cut_short_goes_on(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.npy", (10, 3), "<f4", "rows")
    with pytest.raises(EndedError):
        file.open(rows, 4, dying, "Counting")
    with file.path.with_suffix(".partial").open("ab") as partial:
        partial.write(b"half a row")
    asked = []

    def counted(first: int, end: int) -> NDArray[np.float32]:
        asked.append((first, end))
        return rows(first, end)

    for _ in range(2):
        np.testing.assert_array_equal(file.open(counted, 4, silent, "Counting"), rows(0, 10))
    assert asked == [(8, 10)]
