"""One run on two devices, which on a processor XLA feigns."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from commands import command
from small import SMALL
from waiting import wait_until

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.errors import UsageError
from skin.evaluation.predictions import load_predictions
from skin.run import Run, State
from skin.training import devices
from skin.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow

pytest.importorskip("jax")


ON_TWO = os.environ | {
    "KERAS_BACKEND": "jax",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
}
"""The environment of a process in which JAX finds two devices, and soon compiles."""

FIT = """
import json, sys
import keras
import numpy as np
from skin.config import TrainConfig
from skin.models.normalization import BatchNormalization
from skin.task import HAM10000
from skin.training import devices
from skin.training.batches import Batches, Examples

shared = int(sys.argv[1])
config = TrainConfig.parse({"devices": shared, "stage2_batch_size": 8, "image_size": 32})
rng = np.random.default_rng(0)
images, rows = rng.integers(0, 256, (20, 32, 32, 3), np.uint8), np.arange(20)
patients = np.repeat(HAM10000.unknown[None], 20, axis=0)
examples = Examples(images, rows, patients, np.eye(7, dtype=np.float32)[rows % 7], np.ones(20, np.float32), HAM10000)
keras.utils.set_random_seed(0)
with devices.sharing(shared):
    network = keras.Sequential([
        keras.Input((32, 32, 3), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3, 2),
        BatchNormalization(), keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.5), keras.layers.Dense(7),
    ])
    network.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    for epoch in (1, 2):
        network.fit(Batches(examples, config, 2, epoch), shuffle=False, verbose=0)
    logits = network.predict(images[devices.filled_up(rows[:3], shared)], verbose=0)[:3]
split = {str(variable.value.sharding.num_devices) for variable in network.variables}
alone = network.predict_on_batch(images[:3])  # as at the end of a training, where nothing is shared
print(json.dumps([sorted(split), logits.tolist(), np.asarray(alone).tolist()]))
"""


@pytest.fixture(scope="module")
def fitted() -> tuple[list[object], list[object]]:
    """A small network with our batch normalisation and dropout, trained by one device and by two."""
    words = [sys.executable, "-c", FIT]
    one, two = (
        subprocess.run([*words, n], cwd=PROJECT, env=ON_TWO, check=True, capture_output=True, text=True) for n in "12"
    )
    return json.loads(one.stdout), json.loads(two.stdout)


def test_a_batch_that_two_devices_share_teaches_what_it_teaches_one(fitted: tuple[list[object], list[object]]) -> None:
    (held_by_one, expected, _), (held_by_two, found, alone) = fitted
    assert (held_by_one, held_by_two) == (["1"], ["2"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(alone, expected, atol=1e-4)


@pytest.mark.exhaustive
def test_a_run_on_two_devices_ends_as_on_one_also_after_a_kill(workspace: Workspace, demo: Dataset) -> None:
    config = {**SMALL, "dataset": demo.name, "model": "multimodal", "stage1_epochs": 6, "stage2_epochs": 0}
    one, two = (Run.create(workspace, f"on-{n}", TrainConfig.from_preset("demo", **config, devices=n)) for n in (1, 2))
    subprocess.run(command(workspace, "resume", one.name), cwd=PROJECT, env=ON_TWO, check=True, capture_output=True)
    with subprocess.Popen(command(workspace, "resume", two.name), cwd=PROJECT, env=ON_TWO) as process:
        wait_until(lambda: len(two.history()) >= 2, 900)
        process.send_signal(signal.SIGKILL)
    subprocess.run(command(workspace, "resume", two.name), cwd=PROJECT, env=ON_TWO, check=True, capture_output=True)

    assert two.status().state is State.FINISHED
    assert len(two.history()) == 6
    assert "2 devices share each batch (cpu:0, cpu:1)." in two.log_path.read_text()
    for part, expected in load_predictions(one.predictions_path).items():
        found = load_predictions(two.predictions_path)[part]
        assert found.image_ids == expected.image_ids
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=2e-3)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"KERAS_BACKEND": "tensorflow"}, "devices=2 takes Keras on JAX, not on tensorflow: install JAX"),
        ({"KERAS_BACKEND": "jax", "XLA_FLAGS": ""}, "devices=2, but JAX finds 1 here (cpu:0): give no more than that"),
    ],
)
def test_devices_that_are_not_there_are_a_sentence_before_anything_is_made(
    workspace: Workspace, environment: dict[str, str], sentence: str
) -> None:
    words = ["train", "--preset", "demo", "--set", "devices=2", "--home", str(workspace.home)]
    done = subprocess.run(
        [sys.executable, "-m", "skin", *words],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not workspace.runs.exists()


def test_this_process_which_has_tensorflow_refuses_two_devices() -> None:
    devices.check(1)
    with pytest.raises(UsageError, match="takes Keras on JAX, not on tensorflow"):
        devices.check(2)


@pytest.mark.parametrize(("n_rows", "n_devices", "filled"), [(4, 2, 4), (5, 2, 6), (5, 4, 8), (1, 4, 4), (3, 1, 3)])
def test_rows_are_filled_up_with_their_first(n_rows: int, n_devices: int, filled: int) -> None:
    rows = devices.filled_up(np.arange(n_rows), n_devices)
    assert rows.tolist() == [number % n_rows for number in range(filled)]
