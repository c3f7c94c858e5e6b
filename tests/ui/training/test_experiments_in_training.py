"""Experiments on the Training tab: planned, started, listed, watched, stopped, resumed and deleted."""

import dataclasses
import inspect
import itertools
import json
import shlex
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from waiting import wait_until

from skin import jobs
from skin.cli import experiment as commands
from skin.config import MODELS, TrainConfig
from skin.engines.engine import ENGINES
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.experiments import driver, kinds
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import KINDS
from skin.experiments.plan import Design
from skin.run import Run, State
from skin.task import HAM10000
from skin.ui import shell
from skin.ui.training import (
    experiment_card,
    experiment_form,
    handlers,
    notifications,
    run_actions,
    run_card,
    run_snapshot,
    run_table,
    start_form,
)
from skin.ui.training.experiment_snapshot import key_of
from skin.workspace import Workspace

RECIPE = TrainConfig.from_preset("demo")
TRIAL = key_of("trial")


def filled(kind: str = "metadata", folds: Any = 3, seeds: Any = 1, engine: str = "local", **changes: Any) -> list[Any]:
    """The form with this experiment in it; `changes` are settings, or options by the names of OPTIONS."""
    settings = {**dataclasses.asdict(RECIPE), "model": "both"}
    options = {name: getattr(Resources(), name) for name in experiment_form.OPTIONS}
    settings |= {name: value for name, value in changes.items() if name in settings}
    options |= {name: value for name, value in changes.items() if name in options}
    vary, trials = changes.get("vary", ""), changes.get("trials", 10)
    return [*settings.values(), kind, folds, seeds, vary, trials, engine, *options.values()]


def check(workspace: Workspace, *args: Any, name: str = "trial", **form: Any) -> tuple[gr.Button, str, str]:
    start, verdict, command, *_ = start_form.check(workspace, (), "demo", name, *filled(*args, **form))
    return start, verdict, command


@pytest.fixture
def trial(bare: Workspace) -> Experiment:
    """An experiment of six runs, none of which was handed over."""
    plan = kinds.plan("metadata", "trial", RECIPE, Design(folds=3))
    return experiments.create(bare, plan, HAM10000)


def finish(run: Run) -> None:
    run.update_status(state=State.FINISHED)


def test_a_sweep_is_planned_and_its_settings_are_listed(bare: Workspace) -> None:
    vary = "stage1_epochs=2,4"
    form = filled("sweep", model="image", vary=vary, trials=8)
    _, verdict, command, *_ = start_form.check(bare, (), "demo", "trial", *form)
    assert "2 runs: 2 settings." in verdict
    assert "experiment run sweep" in command
    assert "--vary stage1_epochs=2,4 --trials 8 --engine local" in command
    assert "wrong way round" in check(bare, "sweep", model="image", vary="stage1_epochs=4..2")[1]
    assert "needs a setting to vary" in check(bare, "sweep", model="image")[1]

    plan = kinds.plan("sweep", "trial", RECIPE, Design(("image",), vary=(vary,)))
    first, second = experiments.create(bare, plan, HAM10000).all_runs
    finish(first)
    second.update_status(state=State.STOPPED)
    experiments.get(bare, "trial").mark_early(second.name)
    known = run_snapshot.take_snapshot(bare, TRIAL).experiment
    assert known
    assert known.state == "finished, 1 of 2 runs finished, 1 stopped early"
    assert list(run_table.run_table(bare, known)["Settings"]) == ["stage1_epochs 2", "stage1_epochs 4"]
    assert 'aria-valuenow="100"' in experiment_card.experiment_card(known, show_details=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_started_and_says_its_command(bare: Workspace, kind: str) -> None:
    model = KINDS[kind].models
    start, verdict, command = check(bare, kind, folds=0, seeds=2, vary="dropout=0.1,0.2", trials=3, model=model)

    assert start.interactive
    assert " runs: " in verdict
    every = {"folds": "0", "seeds": "2", "vary": "dropout=0.1,0.2", "trials": "3"}
    design = " ".join(f"--{name} {every[name]}" for name in KINDS[kind].takes)
    assert (
        f"experiment run {kind} --dataset demo --preset demo --model {model} --name trial {design} --engine" in command
    )


def test_the_command_says_what_the_form_says(bare: Workspace) -> None:
    _, verdict, command = check(bare, engine="slurm", gpus=1, partition="fast", hours=2.5, image_size=64, parallel=4)

    words = shlex.split(command)
    pairs = dict(itertools.pairwise(words))
    assert pairs["--engine"] == "slurm"
    assert (pairs["--gpus-per-run"], pairs["--partition"], pairs["--hours"]) == ("1", "fast", "2.5")
    assert pairs["--set"] == "image_size=64"
    assert "--parallel" not in pairs  # Slurm sees to that
    assert verdict.startswith("6 runs: image against multimodal, 3 folds.")


def test_each_resource_has_its_option_on_the_page_and_on_the_command_line() -> None:
    assert set(experiment_form.OPTIONS) == {field.name for field in dataclasses.fields(Resources)}
    known = str(inspect.signature(commands.run)) + inspect.getsource(commands.run)
    for option in experiment_form.OPTIONS.values():
        assert option.flag in known or f"{option.flag.removeprefix('--')}:" in known
        assert set(option.engines) <= set(ENGINES)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_shows_the_options_that_it_heeds(engine: str) -> None:
    shown = [update["visible"] for update in experiment_form.show_engine(engine)]

    assert shown == [engine in option.engines for option in experiment_form.OPTIONS.values()]


def test_choosing_a_kind_shows_its_fields_and_chooses_both_models() -> None:
    group, question, folds, seeds, vary, trials, model, start = experiment_form.show_kind("metadata")
    assert (group.visible, question, folds.value, model) == (True, KINDS["metadata"].question, 5, "both")
    assert [part.visible for part in (folds, seeds, vary, trials)] == [True, True, False, False]
    assert start.value == "Start experiment"

    _, _, folds, seeds, vary, trials, model, _ = experiment_form.show_kind("sweep")
    assert [part.visible for part in (folds, seeds, vary, trials)] == [False, False, True, True]
    assert model in MODELS

    group, *_, start = experiment_form.show_kind(experiment_form.RUN)
    assert (group.visible, start.value) == (False, "Start training")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"folds": 2}, "folds must be 0, or at least 3"),
        ({"folds": 2.5}, "Folds must be a whole number from 0 on."),
        ({"folds": None}, "Folds must be a whole number from 0 on."),
        ({"seeds": 0}, "Seeds must be a whole number from 1 on."),
        ({"parallel": 0}, "Runs at once must be a whole number from 1 on."),
        ({"engine": "slurm", "hours": 0}, "Hours per run must be a number above 0."),
        ({"model": "image"}, "choose both"),
        ({"name": "../up"}, "cannot name an experiment"),
    ],
)
def test_what_cannot_be_is_a_sentence_before_it_starts(bare: Workspace, form: dict[str, Any], sentence: str) -> None:
    start, verdict, command = check(bare, **form)

    assert (start.interactive, command) == (False, "")
    assert sentence in verdict


def test_a_name_that_is_taken_is_told(bare: Workspace, trial: Experiment) -> None:
    assert "An experiment named" in check(bare, name=trial.name)[1]
    assert "--name metadata " in check(bare, name="")[2]


def test_kaggles_images_are_downloaded_elsewhere(bare: Workspace) -> None:
    with pytest.raises(UserError, match="on the Dataset tab first"):
        start_form.start(bare, "demo", "trial", *filled(dataset="kaggle"))
    assert not bare.experiments.exists()


def test_the_table_has_one_row_an_experiment_which_opens_its_runs(bare: Workspace, trial: Experiment) -> None:
    Run.create(bare, "mine", RECIPE)
    finish(trial.all_runs[0])

    table = run_table.run_table(bare).set_index("Run")
    assert sorted(table.index) == ["mine", "▸ trial"]
    assert table.loc["▸ trial", "State"] == "interrupted, 1 of 6 runs finished"
    assert table.loc["▸ trial", "Model"] == "image, multimodal"
    assert run_table.key_in("▸ trial") == TRIAL
    assert run_table.key_in("mine") == "mine"

    members = run_table.run_table(bare, run_snapshot.take_snapshot(bare, TRIAL).experiment)
    assert list(members["Run"]) == [member.name for member in trial.plan.members]
    assert list(members["Fold"]) == [0, 0, 1, 1, 2, 2]


def test_a_chosen_run_lists_the_runs_beside_it(bare: Workspace, trial: Experiment) -> None:
    member = trial.all_runs[0].name

    labels = dict(run_snapshot.run_choices(run_snapshot.take_snapshot(bare, "")))
    assert list(labels.values()) == ["", TRIAL]
    chosen = run_snapshot.take_snapshot(bare, member)
    assert len(run_snapshot.run_choices(chosen)) == 2 + 6
    assert (chosen.run.name if chosen.run else "", chosen.watched_experiment) == (member, None)
    assert "Part of the experiment trial: image, fold 0, seed 42." in run_card.run_card(chosen, show_details=False)


@pytest.mark.usefixtures("trial")
def test_runs_of_ones_own_come_before_those_of_experiments(bare: Workspace) -> None:
    old = Run.create(bare, "old", RECIPE)
    old.write_status(dataclasses.replace(old.status(), created=1.0))
    finish(old)

    assert run_snapshot.take_snapshot(bare, run_snapshot.LATEST_RUN).run == old


def test_the_card_tells_how_far_the_experiment_is(bare: Workspace, trial: Experiment) -> None:
    first, second, *_ = trial.all_runs
    finish(first)
    second.update_status(state=State.FAILED, message="No <room>.", share=0.5)
    snapshot = run_snapshot.take_snapshot(bare, TRIAL)
    assert snapshot.experiment

    card = experiment_card.experiment_card(snapshot.experiment, show_details=True)

    assert ">failed</span>" in card
    assert 'aria-valuenow="25"' in card
    assert "No &lt;room&gt;." in card
    assert KINDS["metadata"].question in card
    assert "No &lt;room" not in experiment_card.experiment_card(snapshot.experiment, show_details=False)


def test_a_damaged_experiment_is_a_sentence_and_the_page_goes_on(bare: Workspace, trial: Experiment) -> None:
    Run.create(bare, "mine", RECIPE)
    trial.plan_path.write_text("{")

    _, _, table, card, *_ = handlers.refresh(bare, False, TRIAL, None)
    assert "is no experiment" in card
    assert str(bare.home) not in handlers.refresh(bare, True, TRIAL, None)[3]
    assert "damaged" in str(handlers.refresh(bare, False, "mine", None)[2].value)
    assert table.value["data"] == []
    assert "There is no experiment" in handlers.refresh(bare, False, key_of("gone"), None)[3]


def test_nothing_new_sends_nothing(bare: Workspace, trial: Experiment) -> None:
    seen = handlers.refresh(bare, False, TRIAL, None)[0]
    assert handlers.refresh(bare, False, TRIAL, seen) == gr.skip()

    finish(trial.all_runs[0])
    now, choices, table, *_ = handlers.refresh(bare, False, TRIAL, seen)
    assert now != seen
    assert ("trial (experiment: interrupted, 1 of 6 runs finished)", TRIAL) in choices.choices
    assert [row[1] for row in table.value["data"]].count("finished") == 1


def buttons(workspace: Workspace, chosen: str) -> list[gr.Button]:
    return list(handlers.refresh(workspace, False, chosen, None)[5:11])


@pytest.fixture
def busy(bare: Workspace) -> Iterator[Workspace]:
    """A workspace in which this very process trains, so that every other run waits for its turn."""
    run = Run.create(bare, "first", RECIPE)
    jobs.claim(run)
    run.update_status(state=State.TRAINING)
    yield bare
    for known in experiments.list_experiments(bare):
        if known.driver or known.running:
            driver.stop(known)
            wait_until(lambda known=known: known.driver is None and not known.running)


@pytest.mark.slow
def test_an_experiment_is_started_stopped_and_resumed(busy: Workspace, demo: Any) -> None:
    name, key = start_form.start(
        busy, "demo", "trial", *filled(image_size=64, dataset=str(demo.images[0].path.parent.parent))
    )
    assert (name, key) == ("", TRIAL)
    trial = experiments.get(busy, "trial")
    assert trial.plan.recipe.image_size == 64
    wait_until(lambda: bool(trial.running))
    stop, resume, *_, all_runs = buttons(busy, TRIAL)
    assert (stop.value, stop.interactive, resume.interactive) == ("Stop experiment trial", True, False)
    assert all_runs.visible

    handlers.stop(busy, "Stop experiment trial")
    wait_until(lambda: trial.driver is None and not trial.running)
    stop, resume, *_ = buttons(busy, TRIAL)
    assert (stop.value, stop.interactive, resume.interactive) == ("Stop", False, True)
    assert "trial-image-fold0" in run_card.log_tail(run_snapshot.take_snapshot(busy, TRIAL))

    handlers.resume(busy, run_snapshot.take_snapshot(busy, TRIAL))
    wait_until(lambda: trial.driver is not None)
    with pytest.raises(UserError, match="is at work"):
        run_actions.delete_run(busy, TRIAL)


def test_an_experiment_is_deleted_as_a_whole_and_none_of_its_runs_alone(bare: Workspace, trial: Experiment) -> None:
    member = run_snapshot.take_snapshot(bare, trial.all_runs[0].name)
    whole = run_snapshot.take_snapshot(bare, TRIAL)
    edit, name, rename, ask, own, _ = run_actions.action_updates(bare, member)
    assert [part.visible for part in (edit, name, rename, ask, own)] == [True, False, False, False, True]
    edit, name, rename, ask, own, _ = run_actions.action_updates(bare, whole)
    assert [part.visible for part in (edit, name, rename, ask, own)] == [False, False, False, True, True]

    _, question, doomed = run_actions.ask_to_delete(whole)
    assert question == "Delete the experiment **trial** with its 6 runs?"
    assert run_actions.delete_run(bare, doomed)[0] == run_snapshot.LATEST_RUN
    assert not trial.folder.exists()


def test_a_shipped_experiment_is_neither_resumed_nor_deleted(bare: Workspace, trial: Experiment) -> None:
    (trial.folder / "LICENSE").write_text("free")

    *_, own, sentence = run_actions.action_updates(bare, run_snapshot.take_snapshot(bare, TRIAL))
    assert (own.visible, sentence.visible) == (False, True)
    assert sentence.value.startswith("trial came with the project")
    assert not buttons(bare, TRIAL)[1].interactive


def test_it_is_compared_once_a_run_has_finished_and_has_no_report_of_its_own(
    bare: Workspace, trial: Experiment
) -> None:
    assert [button.interactive for button in buttons(bare, TRIAL)[2:5]] == [False, False, False]
    finish(trial.all_runs[0])
    assert [button.interactive for button in buttons(bare, TRIAL)[2:5]] == [False, True, False]
    assert handlers.open_in_tab("comparison", run_snapshot.take_snapshot(bare, TRIAL))[:2] == ("", "trial")
    member = trial.all_runs[0].name
    assert handlers.open_in_tab("comparison", run_snapshot.take_snapshot(bare, member))[:2] == (member, "")


def test_its_recipe_comes_back_into_the_form(bare: Workspace, trial: Experiment) -> None:
    preset, *settings = run_actions.load_settings(bare, run_snapshot.take_snapshot(bare, TRIAL))

    assert preset == "demo"
    assert settings == list(dataclasses.asdict(trial.plan.recipe).values())


def test_its_end_is_told_once_and_not_that_of_each_run(bare: Workspace, trial: Experiment) -> None:
    first, *others = trial.all_runs
    jobs.claim(first)
    first.update_status(state=State.TRAINING)
    seen = run_snapshot.take_snapshot(bare, "")
    for run in others:
        finish(run)
    assert notifications.ended_runs(bare, seen, run_snapshot.take_snapshot(bare, "")) == ""
    finish(first)

    ends = notifications.ended_runs(bare, seen, run_snapshot.take_snapshot(bare, ""))

    assert list(json.loads(ends)) == [TRIAL]


@pytest.mark.usefixtures("trial")
def test_a_link_names_an_experiment(bare: Workspace) -> None:
    _, run, experiment = shell.follow_link(bare, {"tab": "training", "run": TRIAL})

    assert (run, experiment) == (gr.skip(), "trial")
    assert handlers.watch_opened_experiment(bare, "trial") == TRIAL
    assert handlers.watch_opened_experiment(bare, "gone") == gr.skip()
    with pytest.warns(UserWarning, match="There is no run"):
        assert shell.follow_link(bare, {"run": key_of("gone")}) == (gr.skip(),) * 3


def test_what_was_just_started_is_watched_before_the_page_offers_it(bare: Workspace) -> None:
    blocks = shell.build(bare, read_only=False)
    watching = [fn for fn in blocks.fns.values() if getattr(fn.fn, "func", None) is handlers.refresh]

    assert watching
    assert not any(fn.preprocess for fn in watching)
