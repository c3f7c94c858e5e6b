"""A small file beside a job's log that keeps how the job's process ended, written by whoever waits for that process.

A process that is killed cannot tell it itself, and who asks later did not start it. The functions are also pickled to Ray's
nodes, so they need nothing but the standard library.
"""

import signal
from contextlib import suppress
from pathlib import Path


def note(log: Path, ticket: str, code: int) -> None:
    """Keep the exit code of the job of this ticket, negative for a signal; nothing where that is 0 or the disk is full."""
    if code:
        with suppress(OSError):
            _path(log).write_text(f"{ticket}\n{code}")


def noted(log: Path, ticket: str) -> str:
    """The way in which the process of this job ended, in words; "" where that is not known."""
    try:
        of, code = _path(log).read_text().rsplit("\n", 1)
        return _words(int(code)) if of == ticket else ""
    except (OSError, ValueError):
        return ""


def _path(log: Path) -> Path:
    return log.with_suffix(".end")


def _words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}, see the end of its log"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}{', as when memory runs out' if -code == signal.SIGKILL else ''}"
