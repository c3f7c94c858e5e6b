"""The process that is connected to a Ray cluster, and what it is asked. Nothing else imports Ray for trainings.

It is made by `skin.engines.ray`, which calls these functions in it one at a time.
"""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from skin.engines import ending
from skin.engines.script import unseen
from skin.workspace import PROJECT

NAMESPACE = "skin-lesion-lab"

STOP_SECONDS = 10.0
SEE_SECONDS = 20.0
"""For so long a node may take to say what it sees; one that does not is asked by the job itself."""

_WHERE_SECONDS = 0.2

REASON_WIDTH = 300
"""Letters of the reason that Ray gives."""

_BECAUSE = "The actor is dead because "


@dataclass(frozen=True)
class Found:
    """A cluster's word on a job, the address of the node that runs it, and why one that died did, where Ray knows."""

    state: Literal["waiting", "running", "ended"]
    node: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why a cluster does not take a job."""

    sentence: str


class Training:
    """The actor: a process of its node, with which it lives and ends."""

    def __init__(self, script: str, name: str, log: str) -> None:
        self._name, self._log = name, log
        # In the group of the actor's own process, which Ray kills as a whole whatever way that ends.
        self._process = subprocess.Popen(["sh", "-c", script])
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        ending.note(Path(self._log), self._name, self._process.wait())
        os._exit(0)

    def stop(self) -> None:
        """Send the process SIGTERM."""
        self._process.terminate()

    def node(self) -> str:
        """The address of the node."""
        import ray

        return ray.util.get_node_ip_address()


def connect(address: str) -> str:
    """Join the cluster and return its address: with "" the one that is found, else one that is started, as "local" always."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    quiet = os.open(os.devnull, os.O_WRONLY)  # Ray tells every driver what happens anywhere in the cluster
    for stream in (1, 2):
        os.dup2(quiet, stream)
    import ray

    for pickled in (sys.modules[__name__], ending):
        ray.cloudpickle.register_pickle_by_value(pickled)
    ray.init(address or None, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    return address if address.startswith("ray://") else ray.get_runtime_context().gcs_address


def _end_with_parent() -> None:
    """End, and with this process the cluster that it started, when the process that asks is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def start(name: str, script: str, log: str, cpus: int, gpus: int) -> Refusal | None:
    """Have the cluster run the script under this name as soon as a node has so many CPUs and GPUs free."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"] and _is_large_enough(node["Resources"], cpus, gpus)]
    if not nodes:
        asked = f"{cpus} CPUs and {gpus} GPUs" if gpus else f"{cpus} CPUs"
        return Refusal(f"No node of the Ray cluster has {asked}: ask for fewer, or add a node.")
    if sentence := unseen_by(nodes, [str(PROJECT), log]):
        return Refusal(sentence)
    options = {"name": name, "lifetime": "detached", "num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0}
    ray.remote(Training).options(**options).remote(script, name, log)
    return None


def _is_large_enough(resources: dict[str, float], cpus: int, gpus: int) -> bool:
    return resources.get("CPU", 0) >= cpus and resources.get("GPU", 0) >= gpus


def unseen_by(nodes: list[dict[str, Any]], paths: list[str]) -> str:
    """The sentence on a node that does not see one of the paths, "" where there is none."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def missing() -> str:
        return next((path for path in paths if not os.path.exists(path)), "")  # noqa: PTH110 (runs where Ray pickles it to)

    asked = {}
    for node in nodes:
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[ray.remote(missing).options(num_cpus=0, scheduling_strategy=here).remote()] = node["NodeManagerAddress"]
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=SEE_SECONDS)
    found = ((asked[answer], ray.get(answer)) for answer in answered)
    return next((unseen(path, f"The node {node} of the Ray cluster") for node, path in found if path), "")


def look(name: str) -> Found:
    """The cluster's word on the job of this name."""
    import ray

    try:
        answer = _actor(name).node.remote()
        answered, _ = ray.wait([answer], timeout=_WHERE_SECONDS)
        return Found("running", ray.get(answer)) if answered else Found("waiting")
    except ValueError:
        return Found("ended")
    except ray.exceptions.RayActorError as error:
        return Found("ended", reason=_in_one_line(error))


@lru_cache(maxsize=1024)
def _actor(name: str) -> Any:
    """The actor of this name: once it is dead, Ray forgets the name, and tells why it died to who has it already."""
    import ray

    return ray.get_actor(name)


def _in_one_line(error: Exception) -> str:
    """The reason in an error of Ray, without the actor's names before it and most of the advice after it."""
    said = str(error)
    return shorten(said.partition(_BECAUSE)[2] or said, REASON_WIDTH, placeholder=" (…)")


def stop(name: str) -> None:
    """Send the job SIGTERM, or have one that has not begun forgotten, and wait a few seconds for its end."""
    import ray

    try:
        actor = ray.get_actor(name)
        answered, _ = ray.wait([actor.node.remote()], timeout=STOP_SECONDS)
        if answered:
            actor.stop.remote()
        else:
            ray.kill(actor)
    except ValueError:
        return
    deadline = time.monotonic() + STOP_SECONDS
    while look(name).state != "ended" and time.monotonic() < deadline:
        time.sleep(0.1)
