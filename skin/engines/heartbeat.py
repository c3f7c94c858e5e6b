"""Signs of life of a job that runs where nobody here can look at its process.

A process that trains runs touches their status files every few seconds, which every machine that shares the folder sees.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

BEAT_SECONDS = 5.0

SILENT_SECONDS = 60.0
"""Silence after which a job is taken for dead; clocks may differ by as much."""


def is_recent(heartbeat: float) -> bool:
    """True where a sign of life, in seconds since the epoch, is recent enough to count."""
    return abs(time.time() - heartbeat) < SILENT_SECONDS


@contextmanager
def beating(paths: Sequence[Path], every: float = BEAT_SECONDS) -> Iterator[None]:
    """Touches the files from a thread of its own every so many seconds, until the end of the block.

    A touch changes no content, so it never gets in the way of whoever replaces the file, and needs no space on the disk.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every):
            for path in paths:
                with suppress(OSError):  # a run may be renamed once it is finished
                    os.utime(path)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
