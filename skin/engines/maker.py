"""The recipe from which a worker makes the function that answers."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Protocol

Answer = Callable[[Any], Any]
"""From an item to its answer."""


class Maker(Hashable, Protocol):
    """Makes the function that answers an item. It is pickled, as items and answers are; equal ones make the same."""

    @property
    def needs(self) -> Sequence[Path]:
        """Files and folders that every worker must see."""

    def __call__(self) -> Answer:
        """The function, made once by every worker."""
