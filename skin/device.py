"""The device that trainings run on, told without loading a training library, and the way to a GPU that is left unused."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from skin.errors import UsageError

TENSORFLOW_WITH_CUDA = "pip install 'tensorflow[and-cuda]>=2.21,<2.22'"
JAX_WITH_CUDA = "pip install 'jax[cuda12]'"

_TELLING = ("tensorflow", "tensorflow-cpu", "nvidia-cudnn-cu12", "jax-cuda12-plugin", "jax-cuda13-plugin")
"""Distributions whose presence decides whether a GPU can be used."""


@dataclass(frozen=True)
class Machine:
    """The facts that decide on the device.

    `system` is as `platform.system()` names it; `gpu` is the maker of a GPU that is there, or ""; `backend` is Keras';
    `packages` are those of _TELLING that are installed.
    """

    system: str
    gpu: str
    backend: str
    packages: frozenset[str]


def look(environ: Mapping[str, str] = os.environ) -> Machine:
    """This machine, as this process would train on it."""
    return Machine(
        platform.system(),
        _gpu(environ),
        environ.get("KERAS_BACKEND", "tensorflow"),
        frozenset(name for name in _TELLING if _is_installed(name)),
    )


def check_shared(devices: int, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError where Keras' backend cannot share a batch among so many devices."""
    backend = look(environ).backend
    if devices > 1 and backend != "jax":
        raise UsageError(
            f"devices={devices} takes Keras on JAX, not on {backend}: install JAX (`{JAX_WITH_CUDA}`) and set "
            "KERAS_BACKEND=jax, or leave devices at 1."
        )


def _gpu(environ: Mapping[str, str]) -> str:
    if environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):  # hidden on purpose
        return ""
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi", path=environ.get("PATH")):
        return "NVIDIA"
    return "Apple" if (platform.system(), platform.machine()) == ("Darwin", "arm64") else ""


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def sentence(machine: Machine, gpus: int | None = None) -> str:
    """The device of a training and, where a GPU is left unused, why and what to do.

    `gpus` is how many GPUs the training library found, None where it was not asked.
    """
    obstacle = _OBSTACLES.get(machine.backend, _unknown)(machine) if machine.gpu else ""
    is_used = gpus > 0 if gpus is not None else bool(machine.gpu) and not obstacle
    if is_used:
        return f"Training runs on the GPU ({machine.gpu})." if machine.gpu else "Training runs on the GPU."
    if not machine.gpu:
        return "Training runs on the CPU."
    reason = obstacle or f"{machine.backend} does not find it; its log says which driver or library it lacks."
    return f"Training runs on the CPU, although there is a GPU ({machine.gpu}): {reason}"


def _of_tensorflow(machine: Machine) -> str:
    if machine.gpu == "Apple":
        return "TensorFlow 2.21 has no build for it."
    if machine.system != "Linux":
        return f"TensorFlow has no CUDA build for {machine.system}; train in WSL 2, as on Linux."
    change = f"Run `pip uninstall -y tensorflow tensorflow-cpu`, then `{TENSORFLOW_WITH_CUDA}`."
    if {"tensorflow", "tensorflow-cpu"} <= machine.packages:
        return f"tensorflow and tensorflow-cpu are both installed, one over the other. {change}"
    if "tensorflow-cpu" in machine.packages:
        return f"the installed tensorflow-cpu cannot use it. {change}"
    if "nvidia-cudnn-cu12" not in machine.packages:
        return f"TensorFlow came without CUDA's libraries. Run `{TENSORFLOW_WITH_CUDA}`."
    return ""


def _of_jax(machine: Machine) -> str:
    if machine.gpu == "Apple":
        return "JAX has no build for it."
    if not machine.packages & {"jax-cuda12-plugin", "jax-cuda13-plugin"}:
        return f"the installed JAX cannot use it. Run `{JAX_WITH_CUDA}`."
    return ""


def _unknown(_: Machine) -> str:
    return ""


_OBSTACLES = {"tensorflow": _of_tensorflow, "jax": _of_jax}
"""Obstacles that keep each of Keras' backends off a GPU that is there: a sentence that says what to do, or ""."""
