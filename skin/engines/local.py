"""Processes of this machine, each in a session of its own, so that it outlives whoever started it.

A handle names a process by pid, start time and machine: a recycled pid is another process, and the same pid on another
machine that shares the folder is, too.
"""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from joblib import cpu_count

from skin.engines import ending
from skin.engines.heartbeat import is_recent
from skin.engines.resources import Resources, thread_variables
from skin.errors import UserError
from skin.files import unwritten
from skin.workspace import PROJECT

STOP_SECONDS = 5.0

_NOTE_SECONDS = 1.0
"""For so long the note on how a process of this one's ended is waited for, which is written as soon as it has."""

_CLOCK_SECONDS = 2.0
"""The system derives start times from a boot time in whole seconds, so two readers may differ by one."""


@dataclass(frozen=True)
class Local:
    """The engine of this machine: it trains one run after the other, or a few at once that share the cores."""

    def settled(self, resources: Resources) -> Resources:
        """The resources with all cores, divided among the jobs that train at once."""
        return replace(resources, cpus=resources.cpus or max(1, cpu_count() // resources.parallel))

    def submit(self, command: Sequence[str], log: Path, resources: Resources) -> str:
        """Start the command. Raises UserError when the log cannot be written."""
        # As many as it likes where it has the machine for itself.
        threads = resources.cpus if resources.parallel == 1 else self.settled(resources).cpus
        environment = os.environ | thread_variables(threads)
        quiet = subprocess.DEVNULL
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    cwd=PROJECT,
                    env=environment,
                    stdin=quiet,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            raise unwritten(log, error) from error
        handle = handle_of(process.pid)
        # Nobody else waits for the process: without this it would stay a zombie when it ends.
        threading.Thread(target=_await, args=(process, handle, log), name=handle, daemon=True).start()
        return handle

    def stop(self, handle: str) -> None:
        """Send the process SIGTERM and wait for its end, up to STOP_SECONDS."""
        if _is_elsewhere(handle):
            raise UserError(f"The training runs in {self.where(handle)}: stop it there.")
        if process := process_of(handle):
            with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process.send_signal(signal.SIGTERM)
                process.wait(STOP_SECONDS)

    def is_alive(self, handle: str, heartbeat: float) -> bool:
        """True while the process lives: one of this machine is looked at, the heartbeat of one of another counts."""
        return is_recent(heartbeat) if _is_elsewhere(handle) else process_of(handle) is not None

    def ending(self, handle: str, log: Path) -> str:
        """The exit code or signal, where the process that started it outlived it."""
        for thread in threading.enumerate():
            if thread.name == handle:
                thread.join(_NOTE_SECONDS)
        return ending.noted(log, handle)

    def is_here(self, handle: str) -> bool:
        """True in the very process of the job."""
        process = process_of(handle)
        return process is not None and process.pid == os.getpid()

    def queue(self, handle: str) -> str | None:
        """The machine."""
        return _machine(handle)

    def where(self, handle: str) -> str:
        """The pid, and the machine where it is another one."""
        return f"process {handle.partition(' ')[0]}" + (f" of {_machine(handle)}" if _is_elsewhere(handle) else "")


def _await(process: subprocess.Popen[bytes], handle: str, log: Path) -> None:
    ending.note(log, handle, process.wait())


def handle_of(pid: int, started: float | None = None) -> str:
    """The handle of a process of this machine, which started at `started`, in seconds since the epoch, if that is known.

    Raises psutil.NoSuchProcess where it is not known, and there is no such process.
    """
    return f"{pid} {psutil.Process(pid).create_time() if started is None else started} {socket.gethostname()}"


def this_process() -> str:
    """The handle of the process that asks."""
    return handle_of(os.getpid())


def process_of(handle: str) -> psutil.Process | None:
    """The living process of this machine that the handle names, if there is one."""
    try:
        pid, started, machine = handle.split(" ", 2)
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - float(started)) < _CLOCK_SECONDS and machine == socket.gethostname()
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError, OverflowError):  # the latter two where no process can have that number
        return None


def _machine(handle: str) -> str:
    return handle.split(" ", 2)[-1]


def _is_elsewhere(handle: str) -> bool:
    return _machine(handle) != socket.gethostname()
