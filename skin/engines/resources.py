"""The resources that a job is given of a machine or a cluster."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # NumPy's BLAS, scikit-learn, and `allowed_threads` for ONNX Runtime, which reads no variable
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # XLA, and so JAX
    "LOKY_MAX_CPU_COUNT",  # joblib
)
"""Variables that tell the libraries which compute the number of threads that they may use."""


@dataclass(frozen=True)
class Resources:
    """A job's share of a machine or a cluster; an engine passes over what it has no use for.

    `cpus`, which is also the number of threads that compute, and `gpus` are for one job; 0 CPUs are the engine's usual
    share. `parallel` is how many jobs of a queue may train at once, `address` a cluster's, "" for the one that is found;
    `partition` is Slurm's, and `hours` after how many of them Slurm may end the job.
    """

    cpus: int = 0
    gpus: int = 0
    parallel: int = 1
    address: str = ""
    partition: str = ""
    hours: float = 24.0


def thread_variables(threads: int) -> dict[str, str]:
    """The environment under which a process computes with so many threads; with 0, as it likes.

    The sums of floats, and so the last digits of what is trained, depend on that number.
    """
    return dict.fromkeys(_THREAD_VARIABLES, str(threads)) if threads else {}


def allowed_threads(environ: Mapping[str, str] = os.environ) -> int:
    """The number of threads that this process may compute with; 0 where nobody said."""
    value = environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else 0
