"""Progress of long work, shown by whoever asks for it."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Progress(Protocol):
    """Wraps an iterable and shows how far it has come; tqdm and Gradio's `progress.tqdm` both fit."""

    def __call__(self, iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]: ...


def silent(iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:  # noqa: ARG001 (the Progress protocol)
    """Shows nothing."""
    return iterable


def console(iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:
    """A progress bar on standard error, where that is a terminal; it leaves nothing behind."""
    return tqdm(iterable, desc=desc, total=total, leave=False, dynamic_ncols=True, disable=None)
