import itertools
import time

import pytest

from skin.config import TrainConfig
from skin.run import Run, State, Status
from skin.training import callbacks as monitor
from skin.training.callbacks import BUILDING, Monitor
from skin.training.pace import EVALUATING, PREPARING, STAGE_1, STAGE_2, share_done
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

CONFIG = TrainConfig.from_preset("demo", stage1_epochs=2, stage2_epochs=2)
STEPS = 3


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return Run.create(workspace, "mine", CONFIG)


def watched(run: Run, stop_after: tuple[int, int] | None = None) -> list[Status]:
    """Every status of a training that takes these steps, up to an epoch of a stage."""
    seen = []
    told = Monitor(run)
    told.enter(State.PREPARING)
    for _ in told.progress(range(4), desc="Computing features", total=4):
        seen.append(run.status())
    told.enter(State.TRAINING)
    for stage in CONFIG.stages:
        for epoch in (1, 2):
            told.begin_epoch(stage, epoch, STEPS)
            seen.append(run.status())
            for batch in range(STEPS):
                told.on_train_batch_end(batch)
                seen.append(run.status())
            if (stage.number, epoch) == stop_after:
                return seen
    told.enter(State.EVALUATING)
    return [*seen, run.status()]


@pytest.fixture(autouse=True)
def every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_REPORT_SECONDS", 0)


def test_a_stage_begins_with_the_building_of_its_network(run: Run) -> None:
    begins = [status for status in watched(run) if status.stage and status.step == 0 and status.steps]

    assert [status.message for status in begins] == [BUILDING, "", BUILDING, ""]
    assert run.status().message == ""


def test_the_progress_of_the_run_never_runs_backwards_even_when_it_is_resumed(run: Run) -> None:
    first = watched(run, stop_after=(2, 1))
    again = watched(run)
    shares = [status.share for status in [*first, *again]]

    assert shares == sorted(shares)
    assert 0 < first[0].share + first[3].share < share_done(CONFIG, STAGE_1, 0) * 2
    assert again[-1].share == pytest.approx(share_done(CONFIG, EVALUATING, 0))


def test_a_clock_that_is_set_back_stops_no_progress(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(time.time(), -10)
    monkeypatch.setattr(time, "time", lambda: next(clock))

    assert max(status.step for status in watched(run)) == STEPS


def test_the_time_left_in_all_is_more_than_that_of_the_stage(run: Run) -> None:
    for status in watched(run):
        if status.state is State.TRAINING and status.eta_seconds is not None and status.run_eta_seconds is not None:
            assert status.run_eta_seconds > status.eta_seconds


def test_the_shares_of_the_phases_follow_each_other() -> None:
    for phase in (PREPARING, STAGE_1, STAGE_2):
        assert share_done(CONFIG, phase, 1) == pytest.approx(share_done(CONFIG, phase + 1, 0))
    assert share_done(CONFIG, PREPARING, 0) == 0
    assert share_done(CONFIG, EVALUATING, 1) == pytest.approx(1)


def test_an_execution_of_more_steps_than_the_epoch_has_keeps_the_status_readable(run: Run) -> None:
    """Of small data sets an epoch is shorter than what Keras executes at once, and counts."""
    told = Monitor(run)
    told.enter(State.TRAINING)
    told.begin_epoch(CONFIG.stages[0], 1, STEPS)
    told.on_train_batch_end(15)

    status = run.status()
    assert (status.state, status.step) == (State.TRAINING, STEPS)
    assert status.eta_seconds is not None
    assert status.eta_seconds >= 0
