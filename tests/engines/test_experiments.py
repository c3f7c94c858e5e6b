"""An experiment on every row of ENGINES: killed in the middle, it ends as one that was left alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small import SMALL
from test_engine import processes_of
from waiting import wait_until

from skin.data.dataset import Dataset
from skin.engines.engine import ENGINES, LOCAL
from skin.engines.resources import Resources
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.files import read_arrays
from skin.run import Run, State
from skin.workspace import PROJECT, Workspace

For = Callable[[str], Resources]
Command = list[str]

TRAINING_SECONDS = 1200
"""The time that all runs take on a busy machine."""


def command(workspace: Workspace, *words: str) -> Command:
    return [sys.executable, "-m", "skin", "experiment", *words, "--home", str(workspace.home)]


def run_command(workspace: Workspace, demo: Dataset, *words: str) -> Command:
    """Two models on three folds of the drawn data, two epochs of each stage."""
    dataset = str(demo.images[0].path.parent.parent)
    recipe = ["--dataset", dataset, "--preset", "demo", "--folds", "3", "--name", "trial", "--cpus-per-run", "1"]
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    return command(workspace, "run", "metadata", *recipe, *settings, *words)


@pytest.fixture(scope="module")
def undisturbed(made_once: Callable[..., Workspace], demo: Dataset) -> Experiment:
    """One run after the other on this machine."""

    def train(workspace: Workspace) -> None:
        subprocess.run(run_command(workspace, demo), cwd=PROJECT, check=True)

    return experiments.get(made_once("undisturbed", train), "trial")


def results(experiment: Experiment) -> dict[str, dict[str, np.ndarray]]:
    """Every probability of every run."""
    return {run.name: read_arrays(run.predictions_path) for run in experiment.all_runs}


def begun(experiment: Experiment) -> list[Run]:
    """Runs in the middle of their training."""
    return [run for run in experiment.running if run.history()]


def finished(experiment: Experiment) -> dict[Path, int]:
    """The time when the predictions of each finished run were written."""
    paths = [run.predictions_path for run in experiment.all_runs if run.is_finished]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_in_the_middle_it_ends_as_one_that_was_left_alone(
    bare: Workspace, demo: Dataset, undisturbed: Experiment, engine: str, resources_for: For
) -> None:
    options = ["--engine", engine, "--parallel", "2", "--address", resources_for(engine).address]
    driver = subprocess.Popen(run_command(bare, demo, *options), cwd=PROJECT)
    wait_until((bare.experiments / "trial" / "experiment.json").exists)
    experiment = experiments.get(bare, "trial")

    wait_until(lambda: begun(experiment), TRAINING_SECONDS)
    victim = begun(experiment)[0]
    for process in processes_of(victim):
        process.kill()
    wait_until(lambda: victim.status().retries == 1)
    wait_until(lambda: finished(experiment), TRAINING_SECONDS)
    driver.kill()
    driver.wait()
    wait_until(lambda: experiment.driver is None)
    before = finished(experiment)

    subprocess.run(command(bare, "resume", "trial"), cwd=PROJECT, check=True)

    summary = experiment.status()
    assert summary.state is State.FINISHED
    assert before.items() <= finished(experiment).items()
    assert {run.status().engine for run in experiment.all_runs} == {engine}
    assert experiment.plan.resources.cpus == 1
    assert undisturbed.plan.engine == LOCAL
    expected = results(undisturbed)
    assert results(experiment).keys() == expected.keys()
    for name, arrays in results(experiment).items():
        for part, values in arrays.items():
            np.testing.assert_array_equal(values, expected[name][part], f"{name} {part}")
