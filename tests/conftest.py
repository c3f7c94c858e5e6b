"""What several tests need: a workspace, a small drawn data set, one really trained run."""

import dataclasses
import hashlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import judged
import numpy as np
import pytest
import tiny_network
from bare import Bare
from filelock import FileLock
from ham import CODES
from hypothesis import HealthCheck, settings
from joblib import cpu_count
from small import AVERAGED, SMALL, SmallDisk

from skin.config import TrainConfig
from skin.data import datasets
from skin.data.dataset import Dataset
from skin.engines.resources import thread_variables
from skin.evaluation.predictions import Predictions, save_predictions
from skin.inference.predictor import SHIPPED
from skin.run import Run, State
from skin.workspace import Workspace

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # the processes of the tests, and what they start, share the CPUs
    os.environ |= thread_variables(max(1, cpu_count() // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


ALL_SLOW = "\npytestmark = pytest.mark.slow\n"
BROWSER = Path(__file__).parent / "browser"
TAKE_LONG = ("ray_address", "trained_run", "audited")
"""Fixtures that start a cluster, train or audit."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules of slow tests alone out of the quick suite before it imports them: Keras takes seconds to load."""
    is_quick = "not slow" in config.option.markexpr
    is_module = collection_path.suffix == ".py"
    return True if is_quick and is_module and ALL_SLOW in collection_path.read_text(encoding="utf-8") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is exhaustive, trains or starts a cluster, and begin with the files that take long.

    xdist hands the files out in this order, so that no process is left with a long one when the others have finished.
    Browser tests take turns with others, and files that share what takes long come late: one process makes it, and those
    that need it meanwhile would wait.
    """
    for item in items:
        if item.get_closest_marker("exhaustive") or takes_long(item):
            item.add_marker(pytest.mark.slow)
    slow = dict.fromkeys(item.path for item in items if item.get_closest_marker("slow"))
    for fixture in TAKE_LONG:
        waiting = {item.path for item in items if fixture in getattr(item, "fixturenames", ())}
        slow = dict.fromkeys(sorted(slow, key=waiting.__contains__))
    browser, others = ([path for path in slow if (BROWSER in path.parents) == drives] for drives in (True, False))
    turns = [path for pair in itertools.zip_longest(browser, others) for path in pair if path]
    items.sort(key=lambda item: turns.index(item.path) if item.path in turns else len(turns))


def takes_long(item: pytest.Item) -> bool:
    """Whether a fixture or a parameter of the test says that it takes long."""
    parameters = (
        item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    )
    on_ray = any(isinstance(value, str) and value == "ray" for value in parameters)
    return on_ray or not set(TAKE_LONG).isdisjoint(getattr(item, "fixturenames", ()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("ham10000") and not os.environ.get("HAM10000_DIR"):
        pytest.skip("set HAM10000_DIR to a folder with the HAM10000 data set")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose drawn data set and trained run the tests of one process share; they only read these."""
    return Workspace(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Workspace], object]], Workspace]:
    """Makes what takes long in a workspace that all processes of the session share, by the first that asks."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    workspace = Workspace(shared / "made-once")

    def make(name: str, function: Callable[[Workspace], object]) -> Workspace:
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.done").exists():
                function(workspace)
                (shared / f"{name}.done").touch()
        return workspace

    return make


@pytest.fixture(scope="session")
def demo(shared_workspace: Workspace, made_once: Callable[..., Workspace]) -> Dataset:
    """The drawn data set."""
    drawn = made_once("demo", lambda workspace: datasets.load("demo", workspace))
    shutil.copytree(drawn.datasets, shared_workspace.datasets)
    return datasets.load("demo", shared_workspace)


@pytest.fixture(scope="session")
def judged_run(shared_workspace: Workspace, demo: Dataset) -> Run:
    """A finished multimodal run on the drawn data set, with the tiny network and a report of its answers."""
    settings = {**SMALL, "image_size": tiny_network.SIZE, "calibrate": False}
    config = TrainConfig.from_preset("demo", dataset=demo.name, model="multimodal", **settings)
    run = Run.create(shared_workspace, "judged", config)
    judged.write(run, shared_workspace)
    return run


@pytest.fixture(scope="session")
def trained_run(shared_workspace: Workspace, demo: Dataset, made_once: Callable[..., Workspace]) -> Run:
    """A multimodal run, trained on the drawn data set by the real trainer."""

    def train_it(workspace: Workspace) -> None:
        from skin.training.loop import train  # Keras takes seconds to load

        config = TrainConfig.from_preset("demo", dataset=demo.name, model="multimodal", **SMALL, **AVERAGED)
        train(Run.create(workspace, "trained", config), workspace)

    made = made_once("trained", train_it)
    for folder in (made.pixels, made.features, made.runs / "trained"):
        shutil.copytree(folder, shared_workspace.home / folder.relative_to(made.home), dirs_exist_ok=True)
    return Run(shared_workspace.runs / "trained")


@pytest.fixture(scope="session")
def audited(trained_run: Run, made_once: Callable[..., Workspace], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the head alone whose training ended with the whole audit, in a folder of its own; tests only read it."""

    def audit_it(workspace: Workspace) -> None:
        from skin.training.loop import train

        config = dataclasses.replace(trained_run.config, stage2_epochs=0, audit=True)
        train(Run.create(workspace, "audited", config), workspace)

    made = made_once("audited", audit_it)
    return Run(shutil.copytree(made.runs / "audited", tmp_path_factory.mktemp("audited") / "audited"))


@pytest.fixture
def bare(tmp_path: Path) -> Workspace:
    """A workspace without any run."""
    return Bare(tmp_path)


@pytest.fixture
def two_models(bare: Workspace) -> Workspace:
    """A workspace in which the image-only and the multimodal model can predict, under the names of the shipped ones."""
    for model, name in SHIPPED.items():
        run = Run.create(bare, name, TrainConfig.from_preset("demo", model=model))
        tiny_network.write(run.onnx_path, takes_patient=model == "multimodal")
        ids, truth = tuple("abcdefg"), np.arange(len(CODES))
        save_predictions(
            run.predictions_path, {"validation": Predictions(ids, ids, truth, np.eye(7, dtype=np.float32))}
        )
        run.update_status(state=State.FINISHED)
    return bare


Send = Callable[..., dict[str, str]]


@pytest.fixture
def send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Puts a file where uploads lie; returns what the page then sends for it."""
    folder = tmp_path / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))

    def upload(content: bytes, name: str = "lesion.png") -> dict[str, str]:
        path = folder / hashlib.sha256(content).hexdigest() / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"path": str(path), "orig_name": name}

    return upload


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mounts a real disk of its own, which only root can."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a disk can be mounted by root alone")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a real cluster of two nodes with two CPUs each."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=2, object_store_memory=10**8)
    yield cluster.address
    cluster.shutdown()
