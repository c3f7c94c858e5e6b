"""The device of a training, from what is known of the machine."""

from pathlib import Path

import pytest

from skin import device
from skin.device import Machine, check_shared, look, sentence
from skin.errors import UsageError

CPU, ON_GPU = "Training runs on the CPU.", "Training runs on the GPU (NVIDIA)."
SWAP = "pip uninstall -y tensorflow tensorflow-cpu`, then `pip install 'tensorflow[and-cuda]>=2.21,<2.22'"


def machine(gpu: str, *packages: str, system: str = "Linux", backend: str = "tensorflow") -> Machine:
    return Machine(system, gpu, backend, frozenset(packages))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (machine("", "tensorflow-cpu"), CPU),
        (machine("", "tensorflow", "nvidia-cudnn-cu12"), CPU),
        (machine("NVIDIA", "tensorflow", "nvidia-cudnn-cu12"), ON_GPU),
        (machine("NVIDIA", "jax-cuda13-plugin", "tensorflow-cpu", backend="jax"), ON_GPU),
        (machine("NVIDIA", backend="torch"), ON_GPU),
    ],
)
def test_where_no_gpu_is_left_unused_the_device_is_all_there_is_to_say(found: Machine, expected: str) -> None:
    assert sentence(found) == expected


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (machine("NVIDIA", "tensorflow-cpu"), f"the installed tensorflow-cpu cannot use it. Run `{SWAP}`."),
        (machine("NVIDIA", "tensorflow-cpu", "tensorflow", "nvidia-cudnn-cu12"), SWAP),
        (machine("NVIDIA", "tensorflow"), "came without CUDA's libraries"),
        (machine("NVIDIA", "tensorflow", system="Windows"), "train in WSL 2"),
        (machine("Apple", "tensorflow", system="Darwin"), "has no build for it"),
        (machine("Apple", backend="jax", system="Darwin"), "has no build for it"),
        (machine("NVIDIA", "tensorflow-cpu", backend="jax"), "pip install 'jax[cuda12]'"),
    ],
)
def test_a_gpu_that_is_left_unused_is_named_with_what_to_do(found: Machine, reason: str) -> None:
    said = sentence(found)
    assert said.startswith(f"Training runs on the CPU, although there is a GPU ({found.gpu}): ")
    assert reason in said


def test_what_the_training_library_found_counts_more_than_what_is_installed() -> None:
    assert sentence(machine("NVIDIA", "tensorflow"), gpus=1) == ON_GPU
    assert sentence(machine("", "tensorflow"), gpus=1) == "Training runs on the GPU."
    assert "does not find it" in sentence(machine("NVIDIA", "tensorflow", "nvidia-cudnn-cu12"), gpus=0)


def test_a_gpu_is_known_by_its_driver_and_not_where_it_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.touch(0o755)
    monkeypatch.setattr(device.platform, "system", lambda: "Linux")

    assert look({"PATH": str(tmp_path)}).gpu == "NVIDIA"
    assert look({"PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"}).gpu == ""


def test_many_devices_take_jax() -> None:
    check_shared(1, {"KERAS_BACKEND": "tensorflow"})
    check_shared(2, {"KERAS_BACKEND": "jax"})
    for environment in (dict[str, str](), {"KERAS_BACKEND": "torch"}):
        with pytest.raises(UsageError, match="takes Keras on JAX"):
            check_shared(2, environment)


def test_this_machine_trains_with_what_is_installed_here() -> None:
    found = look({"KERAS_BACKEND": "jax"})
    assert found.backend == "jax"
    assert {"tensorflow", "tensorflow-cpu"} & look().packages
