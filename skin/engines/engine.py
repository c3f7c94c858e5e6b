"""Engines, which trainings run on. An engine is one file beside this one and one row of ENGINES.

An engine runs commands and knows nothing of what they do: `skin.jobs` hands it `python -m skin resume RUN`, and everything
else passes through the run's folder, which the engine's machines must share. What `submit` returns, the handle, is kept in
the run's status beside the engine's name and given back as it is; nobody else looks into it. The names follow submitit's
Executor and Job.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from skin.engines import local
from skin.engines.heartbeat import is_recent
from skin.engines.ray import Ray
from skin.engines.resources import Resources
from skin.engines.slurm import Slurm
from skin.errors import UsageError, UserError

LOCAL = "local"


class Engine(Protocol):
    """A way to run commands, found again by their handles from other processes and, after a while, other machines.

    A handle may be damaged: to every question it is then a job that ended. `is_alive` is asked once a second for each run
    that is shown, so an engine that has to ask a scheduler remembers the answer for a while.
    """

    def settled(self, resources: Resources) -> Resources:
        """The resources with as many CPUs as `submit` gives a job where none are asked for.

        Raises UserError when jobs cannot be handed over from here, before anything is made for them.
        """

    def submit(self, command: Sequence[str], log: Path, resources: Resources) -> str:
        """Have the command run on these resources, its output appended to `log`, and return the handle.

        Raises UserError.
        """

    def stop(self, handle: str) -> None:
        """Send the job SIGTERM, on which a training saves its state, and give it a few seconds to end.

        Raises UserError when that cannot be done from here.
        """

    def is_alive(self, handle: str, heartbeat: float) -> bool:
        """True while the job runs or waits to run.

        `heartbeat` is when it last gave a sign of life, in seconds since the epoch: where nothing better is known,
        `is_recent` decides.
        """

    def ending(self, handle: str, log: Path) -> str:
        """The reason why the job, which is not alive, ended, as it is said after a colon; "" where nobody knows.

        `log` is that of `submit`.
        """

    def is_here(self, handle: str) -> bool:
        """True where the process that asks is the job."""

    def queue(self, handle: str) -> str | None:
        """A value that jobs share which train one after the other; None where a scheduler sees to that."""

    def where(self, handle: str) -> str:
        """The place that the job runs in, as it is said after "in"."""


ENGINES: dict[str, Engine] = {LOCAL: local.Local(), "ray": Ray(), "slurm": Slurm()}
"""The engines by name."""


@dataclass(frozen=True)
class Unknown:
    """The engine of a job that another version of the program handed over: its heartbeat is all that tells."""

    name: str

    def settled(self, resources: Resources) -> Resources:  # noqa: ARG002 (an Engine's signature)
        raise UsageError(f"There is no engine {self.name!r}: use one of {', '.join(ENGINES)}.")

    def submit(self, command: Sequence[str], log: Path, resources: Resources) -> str:  # noqa: ARG002
        raise UsageError(f"There is no engine {self.name!r}: use one of {', '.join(ENGINES)}.")

    def stop(self, handle: str) -> None:  # noqa: ARG002
        raise UserError(f"There is no engine {self.name!r} here: stop the run where it was started.")

    def is_alive(self, handle: str, heartbeat: float) -> bool:  # noqa: ARG002
        return is_recent(heartbeat)

    def ending(self, handle: str, log: Path) -> str:  # noqa: ARG002
        return ""

    def is_here(self, handle: str) -> bool:  # noqa: ARG002
        return False

    def queue(self, handle: str) -> str | None:  # noqa: ARG002
        return None

    def where(self, handle: str) -> str:  # noqa: ARG002
        return f"the engine {self.name}"


@dataclass(frozen=True)
class Job:
    """A command that an engine was handed."""

    engine: str
    handle: str
    resources: Resources = field(default_factory=Resources)

    @classmethod
    def submit(cls, engine: str, command: Sequence[str], log: Path, resources: Resources = Resources()) -> Self:
        """Have the engine of this name run the command, its output appended to `log`. Raises UserError."""
        return cls(engine, _engine(engine).submit(command, log, resources), resources)

    @classmethod
    def here(cls, known: Self | None = None) -> Self:
        """The process that asks: the known job where it is that one, else a process that no engine was handed."""
        return known if known and _engine(known.engine).is_here(known.handle) else cls(LOCAL, local.this_process())

    def stop(self) -> None:
        """Ask the job to save its state and end, and wait a few seconds for that. Raises UserError."""
        _engine(self.engine).stop(self.handle)

    def is_alive(self, heartbeat: float) -> bool:
        """True while the job, whose last sign of life was at `heartbeat`, runs or waits to run.

        The job itself asks nobody: each training would have to join its cluster, and a stop may come while it waits.
        """
        engine = _engine(self.engine)
        return engine.is_here(self.handle) or engine.is_alive(self.handle, heartbeat)

    def ending(self, log: Path) -> str:
        """The reason why the job, which is not alive and wrote this log, ended; "" where its engine does not know."""
        return _engine(self.engine).ending(self.handle, log)

    @property
    def where(self) -> str:
        """The place that the job runs in, as it is said after "in"."""
        return _engine(self.engine).where(self.handle)

    @property
    def queue(self) -> tuple[str, str] | None:
        """Equal for jobs that train one after the other; None where the job waits for no other."""
        queue = _engine(self.engine).queue(self.handle)
        return None if queue is None else (self.engine, queue)


def settled(engine: str, resources: Resources) -> Resources:
    """The resources with as many CPUs as the engine of this name gives a job where none are asked for.

    The last digits of what is trained depend on that number: with it, a run that goes on elsewhere stays the same.
    Raises UserError when jobs cannot be handed to the engine from here.
    """
    return _engine(engine).settled(resources)


def _engine(name: str) -> Engine:
    return ENGINES.get(name) or Unknown(name)
