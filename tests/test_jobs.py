import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from waiting import wait_until

from skin import jobs
from skin.config import TrainConfig
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.run import Epoch, Run, State
from skin.workspace import PROJECT, Workspace

CONFIG = TrainConfig.from_preset("demo")


def occupied(workspace: Workspace, name: str = "first") -> Run:
    """A run that this very process trains, so that every other run has to wait."""
    run = Run.create(workspace, name, CONFIG)
    jobs.claim(run)
    run.update_status(state=State.TRAINING)
    return run


def epoch(stage: int, number: int, images_per_second: float) -> Epoch:
    return Epoch(stage, number, 1.0, 0.5, 1.0, 0.5, 0.5, 1e-3, 1.0, images_per_second)


def test_a_started_run_waits_in_its_own_process_and_can_be_stopped(workspace: Workspace) -> None:
    occupied(workspace)

    (run,) = jobs.start(workspace, {"second": CONFIG})

    status = run.status()
    assert status.is_alive
    assert status.job != Job.here()
    wait_until(lambda: run.status().message == "Waiting for first.")
    jobs.stop(run)
    assert run.status().state is State.STOPPED
    assert not run.status().is_alive


def test_a_resumed_run_queues_behind_those_that_wait_already(workspace: Workspace) -> None:
    first = occupied(workspace)
    second, third = jobs.start(workspace, {"both-image": CONFIG, "both-multimodal": CONFIG})
    assert jobs.runs_ahead(third, workspace) == [first, second]

    jobs.stop(second)
    jobs.resume(workspace, second)

    try:
        assert jobs.runs_ahead(third, workspace) == [first]
        assert jobs.runs_ahead(second, workspace) == [first, third]
        with pytest.raises(UserError, match="queued already"):
            jobs.resume(workspace, second)
    finally:
        jobs.stop(second)
        jobs.stop(third)


def test_runs_that_agree_on_it_train_at_once_and_one_alone_waits_for_all(workspace: Workspace) -> None:
    def queued(name: str, parallel: int) -> Run:
        run = Run.create(workspace, name, CONFIG)
        jobs.claim(run, dataclasses.replace(Job.here(), resources=Resources(parallel=parallel)))
        return run

    first, second, third = (queued(name, 2) for name in ("first", "second", "third"))
    alone, last = queued("alone", 1), queued("last", 2)

    jobs.wait_for_turn(first, workspace)
    jobs.wait_for_turn(second, workspace)
    assert first.status().state is second.status().state is State.PREPARING

    waiting = ThreadPoolExecutor(1).submit(jobs.wait_for_turn, third, workspace)
    wait_until(lambda: third.status().message == "Waiting for first, second.")
    first.update_status(state=State.FINISHED)
    waiting.result(30)

    waiting = ThreadPoolExecutor(1).submit(jobs.wait_for_turn, alone, workspace)
    wait_until(lambda: alone.status().message == "Waiting for second, third.")
    second.update_status(state=State.FINISHED)
    wait_until(lambda: alone.status().message == "Waiting for third.")
    third.update_status(state=State.FINISHED)
    waiting.result(30)

    waiting = ThreadPoolExecutor(1).submit(jobs.wait_for_turn, last, workspace)
    wait_until(lambda: last.status().message == "Waiting for alone.")
    alone.update_status(state=State.FINISHED)
    waiting.result(30)


def test_a_turn_does_not_depend_on_the_start_times_of_processes(workspace: Workspace) -> None:
    first, second = Run.create(workspace, "first", CONFIG), Run.create(workspace, "second", CONFIG)
    for run in (first, second):
        jobs.claim(run)
    later = psutil.Process().create_time() + 1
    first.update_status(job=Job(LOCAL, local.handle_of(os.getpid(), later)))

    assert jobs.runs_ahead(second, workspace) == [first]
    assert jobs.runs_ahead(first, workspace) == []


def test_the_turn_comes_when_nobody_is_ahead(workspace: Workspace) -> None:
    run = Run.create(workspace, "only", CONFIG)
    jobs.claim(run)

    jobs.wait_for_turn(run, workspace)

    assert run.status().state is State.PREPARING


def test_dead_and_damaged_runs_hold_nobody_up(workspace: Workspace) -> None:
    dead = Run.create(workspace, "dead", CONFIG)
    dead.update_status(state=State.TRAINING, job=Job(LOCAL, local.handle_of(os.getpid(), 1.0)))
    Run.create(workspace, "damaged", CONFIG).status_path.write_text("{")
    run = Run.create(workspace, "mine", CONFIG)
    jobs.claim(run)

    assert jobs.runs_ahead(run, workspace) == []


def test_a_run_on_another_machine_holds_nobody_up_here(workspace: Workspace) -> None:
    there, here = Run.create(workspace, "there", CONFIG), Run.create(workspace, "here", CONFIG)
    there.update_status(state=State.TRAINING, job=Job(LOCAL, "7 1.0 another-machine"))
    jobs.claim(here)

    assert [run for run, _ in jobs.living_runs(workspace)] == [there, here]
    assert jobs.runs_ahead(here, workspace) == []
    with pytest.raises(UserError, match="training already, in process 7 of another-machine"):
        jobs.claim(there)
    with pytest.raises(UserError, match="another-machine: stop it there"):
        jobs.stop(there)


def test_runs_give_signs_of_life_while_they_are_claimed(workspace: Workspace) -> None:
    """Both of them, though only one is trained at a time."""
    pair = [Run.create(workspace, name, CONFIG) for name in ("first", "second")]
    with jobs.claimed(pair):
        assert all(run.status().is_running for run in pair)
        for run in pair:
            os.utime(run.status_path, (1, 1))
        wait_until(lambda: all(run.status_path.stat().st_mtime > 1 for run in pair))


def test_a_run_is_claimed_by_one_process_only(workspace: Workspace) -> None:
    run = occupied(workspace)

    with pytest.raises(UserError, match="training already"):
        jobs.claim(run, Job(LOCAL, local.handle_of(os.getppid())))


CLAIMANT = """
import sys
from pathlib import Path
from skin import jobs
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.run import Run

print("ready", flush=True)
for line in sys.stdin:
    try:
        jobs.claim(Run(Path(line.strip())))
        print("claimed", flush=True)
    except UserError as error:
        print(error, flush=True)
"""


def test_of_two_processes_that_claim_a_run_at_once_one_gets_it(workspace: Workspace) -> None:
    """A pair of real processes, sent after one new run upon the other."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    pair = [subprocess.Popen([sys.executable, "-c", CLAIMANT], cwd=PROJECT, **pipes) for _ in range(2)]
    try:
        assert [process.stdout.readline() for process in pair] == ["ready\n"] * 2
        for number in range(30):
            run = Run.create(workspace, f"wanted-{number}", CONFIG)
            for process in pair:
                process.stdin.write(f"{run.folder}\n")
                process.stdin.flush()
            said = [process.stdout.readline() for process in pair]
            winner = said.index("claimed\n")
            assert said[1 - winner] == f"{run.name} is queued already, in process {pair[winner].pid}.\n"
            job = run.status().job
            assert job
            assert psutil.Process(pair[winner].pid) == local.process_of(job.handle)
    finally:
        for process in pair:
            process.communicate()


def test_none_is_started_when_one_name_is_taken(workspace: Workspace) -> None:
    Run.create(workspace, "pair-multimodal", CONFIG)

    with pytest.raises(UserError, match="exists already"):
        jobs.start(workspace, {"pair-image": CONFIG, "pair-multimodal": CONFIG})

    assert not (workspace.runs / "pair-image").exists()


@pytest.mark.parametrize("state", [State.FINISHED, State.STOPPED, State.FAILED])
def test_what_does_not_run_cannot_be_stopped(workspace: Workspace, state: State) -> None:
    run = Run.create(workspace, "idle", CONFIG)
    run.update_status(state=state)

    with pytest.raises(UserError, match="nothing to stop"):
        jobs.stop(run)


def test_a_finished_run_is_not_resumed(workspace: Workspace) -> None:
    run = Run.create(workspace, "done", CONFIG)
    run.update_status(state=State.FINISHED)

    with pytest.raises(UserError, match="finished"):
        jobs.resume(workspace, run)


def test_the_estimate_grows_with_the_work(workspace: Workspace) -> None:
    standard = TrainConfig.from_preset("standard")
    longer = TrainConfig.from_preset("standard", stage2_epochs=28)
    larger = TrainConfig.from_preset("standard", image_size=320)
    seconds = jobs.estimate_seconds(standard, 7000, workspace)

    assert seconds == pytest.approx(14 * 7000 / (54 * (224 / 160) ** 2), rel=0.2)
    assert jobs.estimate_seconds(longer, 7000, workspace) > 1.7 * seconds
    assert jobs.estimate_seconds(larger, 7000, workspace) > 3 * seconds
    assert jobs.estimate_seconds(standard, 700, workspace) < 0.2 * seconds


def test_the_estimate_learns_from_earlier_runs_of_the_same_network(workspace: Workspace) -> None:
    other = Run.create(workspace, "other", TrainConfig.from_preset("standard", image_size=96))
    other.append_history(epoch(2, 1, 1.0))
    same = Run.create(workspace, "same", TrainConfig.from_preset("standard"))
    same.append_history(epoch(1, 1, 1000.0))
    same.append_history(epoch(2, 1, 1000.0))

    assert jobs.estimate_seconds(TrainConfig.from_preset("standard"), 7000, workspace) < 14 * 7 + 60 * 7 + 60
