"""Trainings as jobs of Slurm, through submitit.

A handle is the kind of executor, a ticket, and the job as that one knows it: by its number on Slurm or, where submitit's
`local` executor stands in for Slurm, by the process that controls it.
"""

import re
import shlex
import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from skin.engines import local
from skin.engines.heartbeat import is_recent
from skin.engines.resources import Resources
from skin.engines.script import check_log, is_this_process, script_of
from skin.errors import UserError

if TYPE_CHECKING:
    import submitit
    from submitit.slurm.slurm import SlurmInfoWatcher

INSTALL = "pip install 'submitit>=1.5,<2'"

STAND_IN = "local"
"""The address under which submitit starts processes of this machine as it would start jobs."""

ASKED_SECONDS = 15
"""Slurm's accounting is asked no more often, and of all jobs at once."""

_ENDINGS = {
    "TIMEOUT": "Slurm's time limit was reached, more is asked for by --hours",
    "OUT_OF_MEMORY": "out of the memory that Slurm gave it",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "Slurm gave its place to another job",
    "CANCELLED": "it was cancelled in Slurm",
}
"""The reasons that states of Slurm stand for; others are told as they are."""

_NUMBER = re.compile(r"\d{1,18}")


@dataclass
class Slurm:
    """The engine of a Slurm cluster, on a machine with its commands."""

    _local: local.Local = field(default_factory=local.Local)

    def settled(self, resources: Resources) -> Resources:
        """The resources with one CPU where none is asked for. Raises UserError when submitit or Slurm is not here."""
        _check(_kind(resources))
        return replace(resources, cpus=resources.cpus or 1)

    def submit(self, command: Sequence[str], log: Path, resources: Resources) -> str:
        """Queue the command as a job. Raises UserError when Slurm is not here or refuses it."""
        given, kind, ticket = self.settled(resources), _kind(resources), uuid.uuid4().hex
        check_log(log)
        script = script_of(command, log, ticket, given.cpus)
        executor = _executor(kind, log.parent / ".slurm", given)
        try:
            # As `submit` does, but for the function that it would pickle beside the run, for the job to load.
            job = executor._submit_command(shlex.join(["sh", "-c", script]))
        except Exception as error:  # of submitit, which tells what sbatch said
            raise UserError(f"Slurm refused the job: {str(error).strip().splitlines()[-1]}") from error
        if kind != STAND_IN:
            return f"{kind} {ticket} {job.job_id}"
        threading.Thread(target=job.wait, daemon=True).start()  # or it would stay a zombie when it ends
        return f"{kind} {ticket} {local.handle_of(int(job.job_id))}"

    def stop(self, handle: str) -> None:
        """Have Slurm send the job SIGTERM, and kill it when that does not help."""
        kind, _, job = _parts(handle)
        if kind == STAND_IN:
            self._local.stop(job)
        elif kind:
            if shutil.which("scancel") is None:
                raise UserError(
                    f"The training runs in {self.where(handle)}: stop it on a machine with Slurm's commands."
                )
            import submitit

            submitit.SlurmJob(Path(), job).cancel(check=False)

    def is_alive(self, handle: str, heartbeat: float) -> bool:
        """True while Slurm has the job waiting or running; its heartbeat counts where Slurm does not say."""
        kind, _, job = _parts(handle)
        if kind == STAND_IN:
            return self._local.is_alive(job, heartbeat)
        if not kind:
            return False
        state = self._state(job)
        return is_recent(heartbeat) if state == "UNKNOWN" else not self._watcher.is_done(job, "cache")

    def ending(self, handle: str, log: Path) -> str:  # noqa: ARG002 (an Engine's signature)
        """The state that Slurm left the job in, in words."""
        kind, _, job = _parts(handle)
        if kind in ("", STAND_IN):
            return ""
        state = self._state(job).partition(" ")[0]  # CANCELLED is followed by whoever did it
        return "" if state == "UNKNOWN" else _ENDINGS.get(state, f"Slurm says {state}")

    def is_here(self, handle: str) -> bool:
        """True in a process that was started as the job."""
        return is_this_process(_parts(handle)[1])

    def queue(self, handle: str) -> str | None:  # noqa: ARG002 (an Engine's signature)
        """None: Slurm sees to that."""
        return None

    def where(self, handle: str) -> str:
        """The job's number and, once it runs, its node."""
        kind, _, job = _parts(handle)
        if kind == STAND_IN:
            return self._local.where(job)
        state = self._state(job) if kind else "UNKNOWN"
        node = self._watcher.get_info(job, "cache").get("NodeList", "") if state == "RUNNING" else ""
        return f"job {job} of Slurm{f' on {node}' if node else ''}"

    def _state(self, job: str) -> str:
        if find_spec("submitit") is None or shutil.which("sacct") is None:
            return "UNKNOWN"
        return self._watcher.get_state(job)

    @cached_property
    def _watcher(self) -> "SlurmInfoWatcher":
        from submitit.slurm.slurm import SlurmInfoWatcher

        return SlurmInfoWatcher(delay_s=ASKED_SECONDS)


def _kind(resources: Resources) -> str:
    return STAND_IN if resources.address == STAND_IN else "slurm"


def _check(kind: str) -> None:
    """Raises UserError when submitit or Slurm is not here."""
    if find_spec("submitit") is None:
        raise UserError(f"The engine slurm needs submitit: run `{INSTALL}` on every machine.")
    if kind != STAND_IN and shutil.which("srun") is None:
        raise UserError("Slurm's commands are not found here: run this on a machine from which jobs are sent.")


def _executor(kind: str, folder: Path, resources: Resources) -> "submitit.SlurmExecutor | submitit.LocalExecutor":
    """submitit's executor, told what the job needs."""
    import submitit

    minutes = max(1, round(60 * resources.hours))
    if kind == STAND_IN:
        local_executor = submitit.LocalExecutor(folder)
        local_executor.update_parameters(timeout_min=minutes)
        return local_executor
    folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(
        job_name="skin", time=minutes, cpus_per_task=resources.cpus, gpus_per_node=resources.gpus
    )
    if resources.partition:
        executor.update_parameters(partition=resources.partition)
    return executor


def _parts(handle: str) -> tuple[str, str, str]:
    """The kind of executor, the ticket and the job; three times "" of a damaged handle."""
    kind, ticket, job = [*handle.split(" ", 2), "", "", ""][:3]
    if kind == STAND_IN or (kind == "slurm" and _NUMBER.fullmatch(job)):
        return kind, ticket, job
    return "", "", ""
