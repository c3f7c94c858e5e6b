"""Whole trainings as detached actors of a Ray cluster, one an actor.

A process that is connected to a cluster lives no longer than the cluster, so this one never connects: a helper process for
each cluster does, and is asked. A handle is an actor's name and the address of its cluster.
"""

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from skin.engines import ending, ray_cluster
from skin.engines.heartbeat import is_recent
from skin.engines.ray_cluster import Found
from skin.engines.resources import Resources
from skin.engines.script import check_log, is_this_process, script_of
from skin.errors import UserError

INSTALL = "pip install 'ray[client,data]>=2.50,<3'"

CONNECT_SECONDS = 8.0
"""For so long an address is waited for that does not answer at all."""

START_SECONDS = 60.0
"""For so long a helper may load Ray and join a cluster, or start one."""

ANSWER_SECONDS = 40.0
"""For so long a helper may take to answer; it asks every node of a cluster what it sees."""

KEPT_SECONDS = 2.0
"""For so long an answer on a job counts."""

SILENT_SECONDS = 30.0
"""For so long a cluster that did not answer is not asked again."""

_SETTINGS, _FRAME_HEAD = b"\x04", 9
"""The type of a frame of HTTP/2, which is the fourth byte of its head, and the bytes of a head."""

_HTTP2_CLIENT = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0\0\0\0\0"
"""The first words of a client: the preface, and a frame of no settings."""

_NAME = re.compile(r"skin-[0-9a-f]{12}")
_ENDED = Found("ended")


@dataclass
class Cluster:
    """A process that is connected to a cluster of this address."""

    address: str
    _pool: ProcessPoolExecutor

    @classmethod
    def join(cls, address: str) -> "Cluster":
        """Join the cluster, or start one for as long as this process lives. Raises UserError."""
        check_reachable(address)
        pool = ProcessPoolExecutor(1, get_context("spawn"))
        return cls(_asked(pool, START_SECONDS, address, ray_cluster.connect, address), pool)

    def ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """The answer to a question of `ray_cluster`. Raises UserError when the cluster answers no longer."""
        return _asked(self._pool, ANSWER_SECONDS, self.address, question, *arguments)


def _asked(
    pool: ProcessPoolExecutor, seconds: float, address: str, question: Callable[..., Any], *arguments: Any
) -> Any:
    try:
        return pool.submit(question, *arguments).result(seconds)
    except Exception as error:  # whatever Ray raises, and what becomes of a process that ends with its cluster
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(cancel_futures=True)
        raise silent(address) from error


def silent(address: str) -> UserError:
    """The sentence on a cluster that does not answer."""
    return UserError(
        f"No Ray cluster answers at {address or 'this machine'}: start one with `ray start --head`, or name its address."
    )


def check_reachable(address: str) -> None:
    """Raise UserError when Ray is not installed, or no gRPC server, as Ray's are, listens at an address that names a host."""
    if find_spec("ray") is None:
        raise UserError(f"The engine ray needs Ray: run `{INSTALL}` on every machine.")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            is_server = "RAY_USE_TLS" in os.environ or _is_answered(connection)
    except (OSError, ValueError, OverflowError) as error:
        raise silent(address) from error
    if not is_server:
        raise silent(address)


def _is_answered(connection: socket.socket) -> bool:
    """True where the first frame that comes is SETTINGS, with which every HTTP/2 server, gRPC's too, begins (RFC 9113)."""
    connection.sendall(_HTTP2_CLIENT)
    return connection.recv(_FRAME_HEAD)[3:4] == _SETTINGS


@dataclass
class Ray:
    """The engine of a Ray cluster."""

    _clusters: dict[str, Cluster] = field(default_factory=dict)
    _silent: dict[str, float] = field(default_factory=dict)
    _found: dict[str, tuple[float, Found]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def settled(self, resources: Resources) -> Resources:
        """The resources with one CPU where none is asked for. Raises UserError when no cluster answers."""
        self._silent.pop(resources.address, None)
        self._cluster(resources.address)
        return replace(resources, cpus=resources.cpus or 1)

    def submit(self, command: Sequence[str], log: Path, resources: Resources) -> str:
        """Have a node of the cluster run the command as soon as it has the CPUs and GPUs free.

        Raises UserError when no cluster answers, none of its nodes is large enough or one does not see the log's folder.
        """
        check_log(log)
        given = self.settled(resources)
        name, cluster = f"skin-{uuid.uuid4().hex[:12]}", self._cluster(given.address)
        script = script_of(command, log, name, given.cpus)
        self._ask(cluster, ray_cluster.start, name, script, str(log.absolute()), given.cpus, given.gpus)
        return f"{name} {cluster.address}"

    def stop(self, handle: str) -> None:
        """Send the process SIGTERM where it runs and wait for its end, a few seconds long."""
        name, address = _parts(handle)
        if name:
            self._ask(self._cluster(address), ray_cluster.stop, name)
            self._found.pop(name, None)

    def is_alive(self, handle: str, heartbeat: float) -> bool:
        """True while the cluster knows the actor; its heartbeat counts where no cluster answers."""
        try:
            return self._look(handle).state != "ended"
        except UserError:
            return is_recent(heartbeat)

    def ending(self, handle: str, log: Path) -> str:
        """The exit code or signal of its process or, where the whole actor died, what Ray says of that."""
        name, _ = _parts(handle)
        if found := ending.noted(log, name):
            return found
        try:
            return self._look(handle).reason
        except UserError:
            return ""

    def is_here(self, handle: str) -> bool:
        """True in a process that was started as the job."""
        return is_this_process(_parts(handle)[0])

    def queue(self, handle: str) -> str | None:  # noqa: ARG002 (an Engine's signature)
        """None: the cluster sees to that."""
        return None

    def where(self, handle: str) -> str:
        """The node, and the cluster's address."""
        address = _parts(handle)[1]
        try:
            node = self._look(handle).node
        except UserError:
            node = ""
        return f"{f'node {node} of ' if node else ''}the Ray cluster {address}".rstrip()

    def _look(self, handle: str) -> Found:
        """The cluster's word on the job, at most a moment old. Raises UserError when it does not answer."""
        name, address = _parts(handle)
        if not name:
            return _ENDED
        with self._lock:
            asked, found = self._found.get(name, (0.0, _ENDED))
            if time.monotonic() - asked > KEPT_SECONDS or not asked:
                found = self._ask(self._cluster(address), ray_cluster.look, name)
                self._found[name] = (time.monotonic(), found)
            return found

    def _cluster(self, address: str) -> Cluster:
        with self._lock:
            if address not in self._clusters:
                if time.monotonic() < self._silent.get(address, 0.0):
                    raise silent(address)
                try:
                    joined = Cluster.join(address)
                except UserError:
                    self._silent[address] = time.monotonic() + SILENT_SECONDS
                    raise
                self._clusters |= {address: joined, joined.address: joined}
            return self._clusters[address]

    def _ask(self, cluster: Cluster, question: Callable[..., Any], *arguments: Any) -> Any:
        try:
            answer = cluster.ask(question, *arguments)
        except UserError:
            with self._lock:
                self._clusters = {known: other for known, other in self._clusters.items() if other is not cluster}
            raise
        if isinstance(answer, ray_cluster.Refusal):
            raise UserError(answer.sentence)
        return answer


def _parts(handle: str) -> tuple[str, str]:
    """The actor's name and the cluster's address; "" and "" of a damaged handle."""
    name, _, address = handle.partition(" ")
    return (name, address) if _NAME.fullmatch(name) and address else ("", "")
