"""A job as a line for a shell on another machine, which must see the folders that this one sees."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from skin.engines.resources import thread_variables
from skin.files import unwritten
from skin.workspace import PROJECT

_TICKET = "SKIN_JOB"
"""Variable that names the job to the process that is it."""

_PASSED_ON = ("KERAS_BACKEND",)
"""Variables that a job shares with whoever hands it over, although a cluster starts it in an environment of its own."""


def script_of(command: Sequence[str], log: Path, ticket: str, threads: int) -> str:
    """A line for `sh -c` that turns into the command, its output appended to `log`, or says which folder is not seen."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables = {_TICKET: ticket, **passed_on, **thread_variables(threads)}
    return " ; ".join(
        [
            *(_check(path) for path in (PROJECT, log.absolute())),
            f"cd {shlex.quote(str(PROJECT))}",
            f"export {' '.join(f'{name}={shlex.quote(value)}' for name, value in variables.items())}",
            f"exec {shlex.join(command)} < /dev/null >> {shlex.quote(str(log.absolute()))} 2>&1",
        ]
    )


def _check(path: Path) -> str:
    return f"[ -e {shlex.quote(str(path))} ] || {{ echo {shlex.quote(unseen(str(path)))} ; exit 1 ; }}"


def unseen(path: str, machine: str = "This machine") -> str:
    """The sentence on a machine that does not see a file or folder."""
    return f"{machine} does not see {path}: use a --home, an installation and data that every machine shares at the same path."


def is_this_process(ticket: str) -> bool:
    """True in a process that was started as the job of this ticket."""
    return os.environ.get(_TICKET) == ticket


def check_log(log: Path) -> None:
    """Make sure that the log is there, for other machines to find. Raises UserError when it cannot be written."""
    try:
        log.open("ab").close()
    except OSError as error:
        raise unwritten(log, error) from error
