import json
import os
import shutil
from pathlib import Path

import pytest

from skin import jobs
from skin.config import TrainConfig
from skin.data import datasets
from skin.data.dataset import Dataset
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.errors import UserError
from skin.evaluation.report import load_report
from skin.run import Epoch, Run, State
from skin.ui.training import run_card, run_snapshot, run_table
from skin.workspace import Workspace

CONFIG = TrainConfig.from_preset("demo")


def a_run(workspace: Workspace, state: State, name: str = "mine") -> Run:
    run = Run.create(workspace, name, CONFIG)
    jobs.claim(run)
    run.update_status(state=state)
    return run


def epoch(number: int, val_loss: float = 1.0) -> Epoch:
    return Epoch(1, number, 1.0, 0.5, val_loss, 0.625, 0.5, 1e-3, 1.0, 100.0)


def card(workspace: Workspace, chosen: str = "", show_details: bool = True) -> str:
    return run_card.run_card(run_snapshot.take_snapshot(workspace, chosen), show_details)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_card_with_the_runs_name(workspace: Workspace, state: State) -> None:
    a_run(workspace, state)

    assert f">{state}</span>" in card(workspace)
    assert "mine" in card(workspace)


def test_without_runs_the_card_says_how_to_start_one() -> None:
    nothing = run_snapshot.RunsSnapshot(None, None, "", histories=(), log=("", 0.0), queue=(), states=())

    assert "No run yet: the form starts one" in run_card.run_card(nothing, show_details=True)
    assert run_card.log_tail(nothing) == ""


def test_a_training_shows_where_it_is(workspace: Workspace) -> None:
    run = a_run(workspace, State.TRAINING)
    run.append_history(epoch(1, val_loss=0.75))
    run.update_status(
        stage=2, epoch=3, epochs=4, step=5, steps=10, eta_seconds=600, images_per_second=42, memory_mb=1500
    )
    run.update_status(run_eta_seconds=1200, share=0.62)

    text = card(workspace)

    assert "stage 2 of 2 · epoch 3 of 4 · step 5 of 10" in text
    assert 'aria-valuenow="62"' in text
    assert "about 10 min left in this stage, about 20 min left in all" in text
    assert all(fact in text for fact in ("0.750", "62.5%", "42 <small>images/s", "1.5 <small>GB"))


def test_what_is_done_before_the_first_step_is_said(workspace: Workspace) -> None:
    run = a_run(workspace, State.TRAINING)
    run.update_status(stage=2, epoch=1, epochs=4, step=0, steps=10, share=0.3, message="building the network")

    assert "stage 2 of 2 · epoch 1 of 4 · building the network" in card(workspace)


def test_a_crash_shows_its_last_lines_and_the_way_on(workspace: Workspace) -> None:
    run = a_run(workspace, State.FAILED)
    run.update_status(message="The disk <b> is full.")
    run.log_path.write_text("first\n" * 50 + "No space left\n")

    text = card(workspace)

    assert "The disk &lt;b&gt; is full." in text
    assert "No space left" in text
    assert text.count("first") < run_card.CRASH_LINES
    assert "Resume" in text
    assert "No space left" not in card(workspace, show_details=False)


def test_a_failure_is_said_once_and_resumed_only_where_that_can_work(
    workspace: Workspace, demo: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(UserError) as refusal:
        datasets.listing(folder)
    sentence = str(refusal.value)
    run = Run.create(workspace, "mine", TrainConfig.from_preset("demo", dataset=str(folder)))
    run.update_status(state=State.FAILED, message=sentence)
    run.log_path.write_text(f"Loading.\n20:15:12 Failed: {sentence}\n")

    assert card(workspace).count("holds no HAM10000_metadata.csv") == 1
    assert "Resume" not in card(workspace)
    assert not run_snapshot.take_snapshot(workspace, "mine").can_resume
    assert str(folder) not in card(workspace, show_details=False)

    shutil.copytree(demo.images[0].path.parents[1], folder, dirs_exist_ok=True)
    assert run_snapshot.take_snapshot(workspace, "mine").can_resume
    assert "Resume starts it again." in card(workspace)


def test_a_killed_process_is_noticed_though_no_file_changed(workspace: Workspace) -> None:
    run = a_run(workspace, State.TRAINING)
    before = run_snapshot.take_snapshot(workspace, "")
    values = json.loads(run.status_path.read_text())
    stat = run.status_path.stat()

    run.status_path.write_text(json.dumps({**values, "job": {"engine": LOCAL, "handle": local.handle_of(1, 1.0)}}))
    os.utime(run.status_path, (stat.st_atime, stat.st_mtime))

    assert run_snapshot.take_snapshot(workspace, "") != before
    assert ">interrupted</span>" in card(workspace)


def test_nothing_new_looks_the_same(workspace: Workspace) -> None:
    run = a_run(workspace, State.TRAINING)
    run.append_history(epoch(1))
    before = run_snapshot.take_snapshot(workspace, "mine")
    assert run_snapshot.take_snapshot(workspace, "mine") == before

    run.append_history(epoch(2))

    after = run_snapshot.take_snapshot(workspace, "mine")
    assert after.histories != before.histories
    assert (after.status, after.log) == (before.status, before.log)


def test_following_shows_the_training_run_and_names_those_that_wait(workspace: Workspace) -> None:
    a_run(workspace, State.TRAINING, "training")
    a_run(workspace, State.QUEUED, "waiting")
    a_run(workspace, State.STOPPED, "newest")

    sight = run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN)

    assert sight.run is not None
    assert (sight.run.name, sight.queue) == ("training", ("waiting",))
    assert "Waiting in the queue: waiting." in run_card.run_card(sight, show_details=True)


def test_a_training_on_another_machine_is_watched_and_does_not_wait_here(workspace: Workspace) -> None:
    a_run(workspace, State.TRAINING, "here")
    there = a_run(workspace, State.TRAINING, "there")
    there.update_status(job=Job(LOCAL, "7 1.0 another-machine"))

    assert ">training</span>" in card(workspace, "there")
    assert run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN).queue == ()


def test_a_deleted_run_is_missed_in_a_sentence(workspace: Workspace) -> None:
    run = a_run(workspace, State.STOPPED)
    shutil.rmtree(run.folder)

    assert "no run &#39;mine&#39; any more" in card(workspace, "mine")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("status.json", "[]"),
        ("status.json", '{"state": "training", "pid": "x"}'),
        ("status.json", '{"state": "training", "created": 1, "pid": "x"}'),
        ("status.json", '{"state": "training", "created": 1, "job": "x"}'),
        ("status.json", '{"state": "training", "created": 1, "job": {"engine": "local", "handle": ""}}'),
        ("status.json", '{"state": "training", "created": 1, "job": {"engine": "<b>", "handle": "x"}}'),
        ("status.json", '{"state": "training", "created": "yesterday"}'),
        ("history.jsonl", "{}\n"),
        ("history.jsonl", json.dumps({**vars(epoch(1)), "val_loss": "low"}) + "\n"),
        ("config.json", "no JSON"),
        ("train.log", "\x00\xff"),
    ],
)
def test_a_folder_edited_by_hand_is_a_sentence(workspace: Workspace, file: str, content: str) -> None:
    run = a_run(workspace, State.STOPPED)
    (run.folder / file).write_bytes(content.encode("latin-1"))
    sight = run_snapshot.take_snapshot(workspace, "mine")

    assert "mine" in run_card.run_card(sight, show_details=True)
    assert str(workspace.home) not in run_card.run_card(sight, show_details=False)
    assert run_table.run_table(workspace)["Run"][0] == "mine"
    assert isinstance(run_card.log_tail(sight), str)


def test_the_log_shows_its_end_as_text(workspace: Workspace) -> None:
    run = a_run(workspace, State.TRAINING)
    run.log_path.write_text("old\n" * 1000 + "<script>\n")

    log = run_card.log_tail(run_snapshot.take_snapshot(workspace, ""))

    assert "&lt;script&gt;" in log
    assert log.count("\n") < run_card.LOG_LINES


def test_the_table_lists_settings_and_main_figures(judged_run: Run, shared_workspace: Workspace) -> None:
    row = run_table.run_table(shared_workspace).set_index("Run").loc[judged_run.name]

    assert row["Model"] == "multimodal"
    assert row["Data set"] == Path(judged_run.config.dataset).name
    assert row["Epochs"] == f"{judged_run.config.stage1_epochs} + {judged_run.config.stage2_epochs}"
    accuracy = load_report(judged_run.report_path)["test"].headline["accuracy"].value
    assert row["Accuracy"] == round(accuracy, 3)  # a number, to be sorted as one


def test_a_finished_run_shows_its_figures_with_their_intervals(judged_run: Run, shared_workspace: Workspace) -> None:
    text = card(shared_workspace, judged_run.name)

    assert "Balanced accuracy" in text
    assert " – " in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (89, "89 s"), (120, "2 min"), (5000, "83 min"), (36000, "10.0 h")]
)
def test_durations_in_the_unit_that_matters(seconds: float, text: str) -> None:
    assert run_card.duration(seconds) == text
