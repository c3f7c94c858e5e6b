"""Driving an experiment with real processes, which wait for this one and train nothing."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from waiting import wait_until

from skin import jobs
from skin.config import TrainConfig
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.experiments import driver, kinds
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Control, Experiment
from skin.experiments.plan import Design
from skin.run import Run, State
from skin.task import HAM10000
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

KILLED = "killed by SIGKILL, as when memory runs out"

RECIPE = TrainConfig.from_preset("demo")


@pytest.fixture
def busy(bare: Workspace) -> Workspace:
    """A workspace in which this very process trains, so that every other run waits for its turn."""
    run = Run.create(bare, "first", RECIPE)
    jobs.claim(run)
    run.update_status(state=State.TRAINING)
    return bare


def make(workspace: Workspace, folds: int = 0, parallel: int = 1) -> Experiment:
    plan = kinds.plan("metadata", "trial", RECIPE, Design(folds=folds))
    plan = dataclasses.replace(plan, resources=Resources(cpus=1, parallel=parallel))
    return experiments.create(workspace, plan, HAM10000)


@pytest.fixture
def made(busy: Workspace) -> Iterator[Experiment]:
    experiment = make(busy)
    yield experiment
    for run in experiment.running:
        jobs.stop(run)


def kill(run: Run) -> None:
    """Does `kill -9` to the run's process."""
    job = run.status().job
    process = local.process_of(job.handle) if job else None
    assert process
    process.kill()
    wait_until(lambda: not psutil.pid_exists(process.pid))  # nobody but who started it gets its exit code


def test_a_run_whose_job_dies_is_handed_over_three_times_more_and_the_next_one_then(
    busy: Workspace, made: Experiment
) -> None:
    first, second = made.all_runs
    killed = 0
    for summary in driver.drive(busy, made):
        rows = {row.member.name: row for row in summary.members}
        if rows[first.name].is_running:
            assert not rows[second.name].is_running
            assert rows[first.name].where.startswith("process ")
            kill(first)
            killed += 1
        elif rows[second.name].is_running:
            jobs.stop(second)

    assert killed == 4
    summary = made.status()
    assert [row.state for row in summary.members] == [State.INTERRUPTED, State.STOPPED]
    assert [row.retries for row in summary.members] == [3, 0]
    assert summary.problems == [
        f"{first.name} is interrupted: The training process ended unexpectedly: {KILLED}.",
        f"{first.name} died 3 times ({KILLED}), and another job went on from its last epoch.",
    ]
    assert json.loads(first.status_path.read_text())["ending"] == KILLED
    assert made.driver is None


def test_a_job_that_was_stopped_is_not_told_for_one_that_died(busy: Workspace, made: Experiment) -> None:
    first, _ = made.all_runs
    jobs.submit(busy, first)
    first.update_status(ending=KILLED, retries=1)

    jobs.stop(first)

    assert first.status().state is State.STOPPED
    assert first.status().ending == KILLED


def test_it_is_driven_from_a_process_of_its_own_and_stopped_as_a_whole(busy: Workspace, made: Experiment) -> None:
    first, second = made.all_runs
    driver.start(busy, made)
    wait_until(lambda: first.status().is_running)

    assert made.driver not in (None, Job.here())
    assert made.status().state is State.QUEUED
    with pytest.raises(UserError, match="trial is driven already, in process"):
        driver.start(busy, made)
    with pytest.raises(UserError, match="trial is driven already, in process"):
        next(driver.drive(busy, made))
    with pytest.raises(UserError, match="trial is at work: stop it first"):
        experiments.delete(made)

    driver.stop(made)

    wait_until(lambda: made.driver is None)
    assert made.running == []
    assert made.status().state is State.STOPPED
    assert second.status().job is None
    wait_until(lambda: "trial: stopped, 0 of 2 runs finished." in made.log_path.read_text())  # its last words
    assert "1 of 2" not in made.log_path.read_text()
    with pytest.raises(UserError, match="Nothing of trial runs"):
        driver.stop(made)


def test_a_driver_that_is_stopped_before_it_has_begun_begins_nothing(busy: Workspace, made: Experiment) -> None:
    driver.start(busy, made)
    driver.stop(made)  # its process takes seconds to load

    wait_until(lambda: made.driver is None)
    assert made.status().state is State.STOPPED
    assert [run.status().job for run in made.all_runs] == [None, None]


def test_a_killed_driver_is_replaced_and_what_it_handed_over_goes_on(busy: Workspace, made: Experiment) -> None:
    first, _ = made.all_runs
    driver.start(busy, made)
    wait_until(lambda: first.status().is_running)
    control = made.control
    assert control.driver
    process = local.process_of(control.driver.handle)
    assert process
    process.kill()
    wait_until(lambda: made.driver is None)
    job = first.status().job

    following = driver.drive(busy, made)
    summary = next(following)

    assert made.driver == Job.here()
    assert summary.is_driven
    assert first.status().job == job
    following.close()
    assert made.driver is None


def test_a_new_driver_repeats_no_finished_run_and_makes_a_missing_one_anew(bare: Workspace) -> None:
    experiment = make(bare, folds=3, parallel=1)
    finished, missing, damaged, failed, dead, stopped = experiment.all_runs
    finished.update_status(state=State.FINISHED, message="as it was")
    config = missing.config
    shutil.rmtree(missing.folder)
    damaged.config_path.write_text("{")
    failed.update_status(state=State.FAILED, message="no space")
    dead.update_status(state=State.TRAINING, job=Job(LOCAL, local.handle_of(os.getpid(), 1.0)), retries=3)
    stopped.update_status(state=State.STOPPED)
    occupied = Run.create(bare, "first", RECIPE)
    jobs.claim(occupied)

    following = driver.drive(bare, experiment)
    summary = next(following)
    following.close()

    states = {row.member.name: (row.state, row.is_running, row.retries) for row in summary.members}
    assert states[finished.name] == ("finished", False, 0)
    assert finished.status().message == "as it was"
    assert Run(missing.folder).config == config
    assert states[damaged.name] == ("damaged", False, 0)
    assert [states[run.name][0] for run in (missing, failed, dead, stopped)] == ["queued"] * 4
    assert sum(is_running for _, is_running, _ in states.values()) == 1
    assert all(retries == 0 for _, _, retries in states.values())
    driver.stop(experiment)
    assert experiment.running == []


def test_several_are_handed_over_at_once_where_they_may_train_at_once(busy: Workspace) -> None:
    experiment = make(busy, folds=3, parallel=2)
    following = driver.drive(busy, experiment)
    next(following)
    assert len(experiment.running) == 2
    next(following)
    assert len(experiment.running) == 2
    driver.stop(experiment)
    assert list(following)[-1].state is State.STOPPED
    assert experiment.running == []


def test_a_shipped_experiment_is_not_driven(bare: Workspace) -> None:
    experiment = make(bare)
    (experiment.folder / "LICENSE").touch()
    with pytest.raises(UserError, match="came with the project"):
        driver.start(bare, experiment)
    assert not experiment.control_path.exists()


def test_a_job_that_stands_in_a_copied_folder_holds_nobody_up(bare: Workspace) -> None:
    """The control of an experiment whose driver is a process that long ended, as in a copy."""
    experiment = make(bare)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        handle = local.handle_of(process.pid)
    experiment.write_control(Control(Job(LOCAL, handle), stop=True))
    assert experiment.driver is None
    with pytest.raises(UserError, match="there is nothing to stop"):
        driver.stop(experiment)
