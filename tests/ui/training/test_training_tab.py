import dataclasses
import html
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from skin import device, jobs, notes
from skin.config import PRESETS, TrainConfig, field_infos
from skin.data.dataset import Dataset
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.notes import Notes
from skin.run import Epoch, Run, State
from skin.ui import shell
from skin.ui.training import config_checks, handlers, notifications, run_actions, run_files, run_snapshot, start_form
from skin.workspace import PROJECT, Workspace

DEMO = TrainConfig.from_preset("demo")


def values(config: TrainConfig = DEMO, **changes: Any) -> list[Any]:
    return list({**dataclasses.asdict(config), **changes}.values())


RUN = ["", 0, 1, "", 10, "local", *dataclasses.asdict(Resources()).values()]
"""The part of the form that makes experiments, left as it is."""


def rows_of(table: gr.Dataframe) -> dict[str, dict[str, Any]]:
    """The rows of the table by their first column."""
    rows = [dict(zip(table.value["headers"], row, strict=True)) for row in table.value["data"]]
    return {row["Run"]: row for row in rows}


def check(workspace: Workspace, filled: list[Any], marked: tuple[str, ...] = ()) -> list[Any]:
    return start_form.check(workspace, marked, "demo", "", *filled, *RUN)


def claimed(workspace: Workspace, state: State, name: str = "mine") -> Run:
    run = Run.create(workspace, name, DEMO)
    jobs.claim(run)
    run.update_status(state=state)
    return run


def test_a_good_form_can_be_started_and_says_how_long_it_takes(workspace: Workspace) -> None:
    start, verdict, command, wrong, *beside = check(workspace, values())

    assert start.interactive
    assert "About" in verdict
    assert device.sentence(device.look()) in verdict
    assert wrong == ()
    assert all(update == gr.skip() for update in beside)
    assert command.startswith("python -m skin train --dataset demo --preset demo --model image --name demo-image")
    assert command.endswith(f"--home {workspace.home}")


def test_the_estimate_counts_the_images_of_a_folder(demo: Dataset, tmp_path: Path) -> None:
    folder = demo.images[0].path.parent.parent
    whole = config_checks.n_images(TrainConfig.from_preset("demo", dataset=str(folder)))

    half = tmp_path / "half"
    shutil.copytree(folder, half)
    table = half / "HAM10000_metadata.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[: len(rows) // 2]))

    assert whole == len(demo.images)
    assert config_checks.n_images(TrainConfig.from_preset("demo", dataset=str(half))) == len(rows) // 2 - 1
    table.write_text("".join(rows))
    assert config_checks.n_images(TrainConfig.from_preset("demo", dataset=str(half))) == whole


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("image_size", 9999, "Image size must be at most 512, not 9999."),
        ("seed", None, "Seed must be a whole number"),
        ("stage1_learning_rate", 7, "Stage 1 learning rate must be at most 1"),
        ("views", 3, "Test-time views must be one of 1, 8"),
        ("backbone", "vgg", "Unknown backbone"),
        ("weights", "/no/such/file", "There is no weights file"),
        ("dataset", "/no/such/folder", "neither a data set nor a folder"),
        ("dataset", "~nobody/at/all", "neither a data set nor a folder"),
        ("dataset", "x" * 5000, "neither a data set nor a folder"),
        ("dataset", "folder", "neither a data set nor a folder"),
        ("dataset", str(PROJECT), "holds no HAM10000_metadata.csv"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(workspace: Workspace, field: str, value: Any, problem: str) -> None:
    start, verdict, command, wrong, *beside = check(workspace, values(**{field: value}))

    assert (start.interactive, command, wrong) == (False, "", (field,))
    assert start_form.FIELDS[field].label in verdict
    changed = {name: update for name, update in zip(start_form.FIELDS, beside, strict=True) if update != gr.skip()}
    assert list(changed) == [field]
    assert problem in html.unescape(changed[field]["info"])
    assert changed[field]["elem_classes"] == ["wrong"]

    _, _, _, wrong, *beside = check(workspace, values(), marked=(field,))
    update = dict(zip(start_form.FIELDS, beside, strict=True))[field]
    assert (wrong, update["info"], update["elem_classes"]) == ((), start_form.FIELDS[field].help, [])


def test_a_value_is_no_markup_beside_its_field(workspace: Workspace) -> None:
    *_, wrong, dataset = check(workspace, values(dataset="<img src=x>"))[:5]

    assert wrong == ("dataset",)
    assert "<img" not in dataset["info"]


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": 9999},
        {"dataset": str(PROJECT)},
        {"stage1_epochs": 0, "stage2_epochs": 0},
        {"stage1_epochs": "0", "stage2_epochs": "0"},
    ],
)
def test_a_bad_form_starts_nothing(workspace: Workspace, changes: dict[str, Any]) -> None:
    start, verdict, command, *_ = check(workspace, values(**changes))

    assert (start.interactive, command) == (False, "")
    assert 'role="alert"' in verdict
    with pytest.raises(UserError):
        start_form.start(workspace, "demo", "", *values(**changes), *RUN)
    assert not workspace.runs.exists()


def test_starting_both_models_queues_two_runs(workspace: Workspace) -> None:
    claimed(workspace, State.TRAINING, "busy")

    assert start_form.start(workspace, "demo", "pair", *values(model="both"), *RUN) == ("", run_snapshot.LATEST_RUN)

    waiting = [run for run, _ in jobs.living_runs(workspace)][1:]
    try:
        assert [run.name for run in waiting] == ["pair-image", "pair-multimodal"]
    finally:
        for run in waiting:
            jobs.stop(run)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_every_widget_in_order(preset: str) -> None:
    filled = start_form.fill_from_preset(preset)

    expected = dataclasses.asdict(TrainConfig.from_preset(preset))
    for info, value in zip(field_infos(), filled, strict=True):
        assert value in (expected[info.name], gr.skip())


def test_nothing_new_sends_nothing(workspace: Workspace) -> None:
    run = claimed(workspace, State.TRAINING)
    run.append_history(Epoch(1, 1, 1.0, 0.5, 1.0, 0.5, 0.5, 1e-3, 1.0, 100.0))
    first = handlers.refresh(workspace, False, "", None)

    assert not any(isinstance(part, dict) and part == gr.skip() for part in first[:10])
    assert handlers.refresh(workspace, False, "", first[0]) == gr.skip()


def test_a_tick_asks_for_what_changed_only_where_something_has(workspace: Workspace) -> None:
    run = claimed(workspace, State.TRAINING)
    seen = handlers.refresh(workspace, False, "", None)[0]

    assert handlers.look_for_change(workspace, "", seen) == gr.skip()
    run.log_path.write_text("A line.\n")
    first = handlers.look_for_change(workspace, "", seen)
    assert float(first)
    assert handlers.look_for_change(workspace, "", seen) != first  # a text field tells nobody of the value that it has


def test_a_new_log_line_does_not_send_the_table_again(workspace: Workspace) -> None:
    run = claimed(workspace, State.TRAINING)
    seen = handlers.refresh(workspace, False, "", None)[0]
    run.log_path.write_text("A line.\n")

    _, choices, table, card, log, *_ = handlers.refresh(workspace, False, "", seen)

    assert choices == table == gr.skip()
    assert "mine" in card
    assert "A line." in log


def test_who_only_looks_is_not_shown_the_log(workspace: Workspace) -> None:
    claimed(workspace, State.TRAINING).log_path.write_text("/secret/path\n")

    assert not any("/secret" in str(part) for part in handlers.refresh(workspace, True, "", None))


@pytest.mark.parametrize(
    ("state", "stop", "resume", "opens"),
    [
        (State.TRAINING, True, False, False),
        (State.QUEUED, True, False, False),
        (State.STOPPED, False, True, False),
        (State.FAILED, False, True, False),
        (State.FINISHED, False, False, True),
    ],
)
def test_buttons_fit_the_state(workspace: Workspace, state: State, stop: bool, resume: bool, opens: bool) -> None:
    claimed(workspace, state)  # its process lives on: it may take a while to end

    buttons = handlers.refresh(workspace, False, "mine", None)[5:10]

    assert [button.interactive for button in buttons] == [stop, resume, opens, opens, opens]


def test_a_run_that_is_gone_is_told_of(workspace: Workspace) -> None:
    run = claimed(workspace, State.STOPPED)
    run.update_status(job=None)
    seen = run_snapshot.take_snapshot(workspace, "mine")
    run_actions.delete_run(workspace, "mine")

    for action in (handlers.resume, run_actions.load_settings):
        with pytest.raises(UserError, match="There is no run 'mine'"):
            action(workspace, seen)
    with pytest.raises(UserError, match="There is no run 'mine'"):
        handlers.stop(workspace, "Stop mine")


def sleeper(workspace: Workspace, name: str) -> Run:
    """A run that a process stands behind which does nothing."""
    run = Run.create(workspace, name, DEMO)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    jobs.claim(run, Job(LOCAL, local.handle_of(process.pid)))
    threading.Thread(target=process.wait, daemon=True).start()
    run.update_status(state=State.TRAINING)
    return run


def test_stop_stops_the_run_that_it_named_though_the_next_one_is_watched(workspace: Workspace) -> None:
    first, second = sleeper(workspace, "first"), sleeper(workspace, "second")
    shown = handlers.refresh(workspace, False, run_snapshot.LATEST_RUN, None)[5].value
    assert shown == "Stop first"
    first.update_status(state=State.FINISHED)
    assert handlers.refresh(workspace, False, run_snapshot.LATEST_RUN, None)[5].value == "Stop second"

    with pytest.raises(UserError, match="first is finished"):
        handlers.stop(workspace, shown)
    assert second.status().is_running

    handlers.stop(workspace, "Stop second")
    assert not second.status().is_alive
    first.update_status(state=State.TRAINING)
    jobs.stop(first)


def test_renaming_watches_the_run_under_its_new_name(workspace: Workspace) -> None:
    claimed(workspace, State.STOPPED).update_status(job=None)

    dropdown, emptied = run_actions.rename_run(workspace, run_snapshot.take_snapshot(workspace, "mine"), " better ")

    assert (dropdown.value, emptied) == ("better", "")
    assert (workspace.runs / "better").is_dir()


def test_deleting_asks_about_the_run_and_follows_afterwards(workspace: Workspace) -> None:
    claimed(workspace, State.STOPPED).update_status(job=None)

    asking, question, doomed = run_actions.ask_to_delete(run_snapshot.take_snapshot(workspace, "mine"))
    assert asking.visible
    assert "mine" in question
    assert (workspace.runs / "mine").is_dir()

    assert run_actions.delete_run(workspace, doomed)[0] == run_snapshot.LATEST_RUN
    assert not (workspace.runs / "mine").exists()


def test_a_run_that_trains_is_not_deleted(workspace: Workspace) -> None:
    claimed(workspace, State.TRAINING)

    with pytest.raises(UserError, match="stop it first"):
        run_actions.delete_run(workspace, "mine")


def test_a_runs_settings_come_back_into_the_form(workspace: Workspace) -> None:
    Run.create(workspace, "mine", TrainConfig.from_preset("reference", seed=7))

    preset, *settings = run_actions.load_settings(workspace, run_snapshot.take_snapshot(workspace, "mine"))

    assert preset == "reference"
    assert settings == values(TrainConfig.from_preset("reference", seed=7))


def test_only_a_run_that_exists_is_watched_from_elsewhere(workspace: Workspace) -> None:
    Run.create(workspace, "mine", DEMO)

    assert handlers.watch_opened_run(workspace, "mine") == "mine"
    for other in ("", "yours", "../checkpoints/mine"):
        assert handlers.watch_opened_run(workspace, other) == gr.skip()


def handler(function: Any) -> Any:
    """The plain function behind an event's listener."""
    while inner := getattr(function, "__wrapped__", None) or getattr(function, "func", None):
        function = inner
    return function


@pytest.mark.parametrize("read_only", [False, True])
def test_where_one_only_looks_nothing_that_changes_a_run_can_be_called(workspace: Workspace, read_only: bool) -> None:
    served = {handler(function.fn) for function in shell.build(workspace, read_only).fns.values()}

    changes = {
        start_form.start,
        handlers.stop,
        handlers.resume,
        run_actions.rename_run,
        run_actions.delete_run,
        run_actions.load_settings,
        start_form.check,
    }
    assert served & changes == (set() if read_only else changes)
    assert handlers.refresh in served


def test_a_state_that_others_listen_to_is_set_through_the_queue(workspace: Workspace) -> None:
    blocks = shell.build(workspace, read_only=False)
    functions = list(blocks.fns.values())
    heard = {target for function in functions for target, event in function.targets if event == "change"}
    states = {id for id in heard if isinstance(blocks.blocks.get(id), gr.State)}
    setters = [function for function in functions if states & {output._id for output in function.outputs}]

    assert setters
    assert [function.name for function in setters if not function.queue] == []


def keeping(workspace: Workspace, name: str) -> list[Any]:
    return handlers.refresh(workspace, False, name, None)[-2:]


def test_a_shipped_run_has_no_rename_and_no_delete(workspace: Workspace) -> None:
    claimed(workspace, State.STOPPED)
    shipped = "ham10000-image"

    own, sentence = keeping(workspace, "mine")
    assert (own.visible, sentence.visible) == (True, False)
    own, sentence = keeping(workspace, shipped)
    assert (own.visible, sentence.visible) == (False, True)
    assert sentence.value.startswith(f"{shipped} came with the project")
    with pytest.raises(UserError, match="came with the project"):
        run_actions.edit_notes(workspace, run_snapshot.take_snapshot(workspace, shipped))
    with pytest.raises(UserError, match="came with the project"):
        run_actions.save_notes(workspace, shipped, "mine now", "")


def test_notes_are_kept_for_the_run_that_they_were_opened_for(workspace: Workspace) -> None:
    first, second = (Run.create(workspace, name, DEMO) for name in ("first", "second"))
    seen = handlers.refresh(workspace, False, "first", None)[0]
    *_, subject = run_actions.edit_notes(workspace, seen)

    run_actions.save_notes(workspace, subject, " <i>better</i> ", "fast, <b>, fast,  for  the talk")

    assert notes.load(first) == Notes("<i>better</i>", ("fast", "<b>", "for the talk"))
    assert notes.load(second) == Notes()
    _, note, tags, _ = run_actions.edit_notes(workspace, seen)
    assert (note.value, tags) == ("<i>better</i>", "fast, <b>, for the talk")
    now, _, table, card, *_ = handlers.refresh(workspace, False, "first", seen)
    assert "&lt;i&gt;better&lt;/i&gt;" in card
    assert "<i>better" not in card
    assert "<li>&lt;b&gt;</li>" in card
    assert rows_of(table)["first"]["Tags"] == "fast, <b>, for the talk"
    assert handlers.refresh(workspace, False, "first", now) == gr.skip()


@pytest.mark.parametrize(
    ("note", "tags"), [("x" * 2001, ""), ("", "x" * 31), ("", ",".join(f"tag{number}" for number in range(11)))]
)
def test_notes_have_bounds(workspace: Workspace, note: str, tags: str) -> None:
    run = Run.create(workspace, "mine", DEMO)

    with pytest.raises(UserError, match=r"more than 2000|at most 10 tags of 30"):
        run_actions.save_notes(workspace, "mine", note, tags)
    assert not run.notes_path.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"note": 5, "tags": []}', '{"note": "%s", "tags": []}' % ("x" * 2001)])
def test_damaged_notes_are_a_sentence_and_can_be_written_anew(workspace: Workspace, content: str) -> None:
    run = claimed(workspace, State.STOPPED)
    run.notes_path.write_text(content)

    assert "The notes on mine are damaged" in handlers.refresh(workspace, False, "mine", None)[3]
    _, note, tags, subject = run_actions.edit_notes(workspace, run_snapshot.take_snapshot(workspace, "mine"))
    assert (note.value, tags) == ("", "")
    run_actions.save_notes(workspace, subject, "anew", "")
    assert notes.load(run) == Notes("anew")


@pytest.mark.parametrize("state", [State.FINISHED, State.STOPPED, State.FAILED, State.INTERRUPTED])
def test_a_run_that_ends_is_told_once(workspace: Workspace, state: State) -> None:
    run = claimed(workspace, State.TRAINING)
    seen = run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN)
    assert (
        notifications.ended_runs(workspace, seen, run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN)) == ""
    )
    run.update_status(state=state)
    now = run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN)

    ends = notifications.ended_runs(workspace, seen, now)

    assert list(json.loads(ends)) == ["mine"]
    assert notifications.ended_runs(workspace, seen, now) == ends  # a page that asks twice at once sees no change
    assert (
        notifications.ended_runs(workspace, now, run_snapshot.take_snapshot(workspace, run_snapshot.LATEST_RUN)) == ""
    )
    assert notifications.ended_runs(workspace, None, now) == ""


def test_the_log_and_the_weights_are_downloaded_but_by_who_only_looks_a_finished_model_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    run = claimed(workspace, State.STOPPED)
    seen = run_snapshot.take_snapshot(workspace, "mine")
    for kind in run_files.RUN_FILES:
        (run.folder / kind.file).write_text(kind.title)
    log, model, weights = run_files.RUN_FILES

    for kind in run_files.RUN_FILES:
        copy = Path(run_files.make_file(workspace, False, kind, seen))
        assert (copy.name, copy.read_text()) == (f"mine-{kind.file}", kind.title)
        assert copy.is_relative_to(tmp_path / "uploads")
        with pytest.raises(UserError, match="that could be downloaded"):  # it is not finished
            run_files.make_file(workspace, True, kind, seen)
    assert [button.interactive for button in run_files.download_updates(seen, False)] == [True] * 3
    assert [button.interactive for button in run_files.download_updates(seen, True)] == [False]
    assert run_files.offered_files(True) == [model]
    run.update_status(state=State.FINISHED)
    assert Path(run_files.make_file(workspace, True, model, seen)).is_file()
    for kind in (log, weights):
        with pytest.raises(UserError, match="that could be downloaded"):
            run_files.make_file(workspace, True, kind, seen)
