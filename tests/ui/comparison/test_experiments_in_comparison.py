"""The experiments of the Comparison tab, on plain values."""

import dataclasses
import json
from pathlib import Path

import gradio as gr
import plotly.graph_objects as go
import pytest
from made_up import finish, made_up_history

from skin.config import MODELS, TrainConfig
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import plan
from skin.experiments.plan import Design
from skin.experiments.results import Results, read
from skin.experiments.sweep_results import SweepResults
from skin.run import State
from skin.task import HAM10000
from skin.ui.comparison import experiment_handlers as handlers
from skin.ui.comparison.experiment_export import DOWNLOADS, as_html
from skin.workspace import Workspace

RECIPE = TrainConfig.from_preset("demo")
SKILLS = {"image": 0.6, "multimodal": 0.8}
LEAKS = {"image-without": 0.5, "image-with": 0.8, "multimodal-without": 0.6, "multimodal-with": 0.6}


def add(workspace: Workspace, name: str, kind: str = "metadata", folds: int = 3, seeds: int = 2) -> Experiment:
    return experiments.create(workspace, plan(kind, name, RECIPE, Design(MODELS, folds, seeds)), HAM10000)


@pytest.fixture
def trial(bare: Workspace) -> Experiment:
    """A finished experiment."""
    trial = add(bare, "trial")
    finish(trial, SKILLS)
    return trial


def shown(results: Results | SweepResults) -> tuple[str, list[go.Figure]]:
    """The text, and the figures that are visible."""
    parts = handlers.show_results(results)
    text = "".join(part for part in parts if isinstance(part, str))
    return text, [part for part in parts if isinstance(part, gr.Plot) and part.visible]


def test_without_an_experiment_the_page_says_how_to_make_one(bare: Workspace) -> None:
    dropdown, key, notice, content = handlers.choose_experiment(bare, None)
    assert (dropdown.visible, key, content.visible) == (False, None, False)
    assert "python -m skin experiment run metadata" in notice.value


def test_the_newest_is_shown_until_one_is_chosen(bare: Workspace, trial: Experiment) -> None:
    newest = add(bare, "newest")
    newest.write_plan(newest.plan, created=trial.created + 1)
    dropdown, key, notice, content = handlers.choose_experiment(bare, None)
    assert dropdown.choices == [
        ("newest: 0 of 12 runs finished", "newest"),
        ("trial: 12 of 12 runs finished", "trial"),
    ]
    assert (dropdown.value, key.name, notice.visible, content.visible) == ("newest", "newest", False, True)
    assert handlers.choose_experiment(bare, "trial")[1].name == "trial"
    assert handlers.choose_experiment(bare, "gone")[1].name == "newest"
    assert handlers.choose_experiment(bare, None, "trial")[1].name == "trial"
    assert handlers.choose_experiment(bare, "newest", "trial")[1].name == "newest"


def test_a_run_that_finishes_is_read(bare: Workspace) -> None:
    made = add(bare, "made")
    finish(made, SKILLS, unfinished=["made-image-fold0-seed42"])
    before = handlers.choose_experiment(bare, "made")[1]
    assert handlers.choose_experiment(bare, "made")[1] == before
    finish(made, SKILLS)
    after = handlers.choose_experiment(bare, "made")[1]
    assert after != before
    assert handlers.load_results(bare, after).outcome.left_out == ()


def test_a_damaged_experiment_is_a_sentence(bare: Workspace, trial: Experiment) -> None:
    trial.plan_path.write_text("{")
    dropdown, key, notice, content = handlers.choose_experiment(bare, "trial")
    assert dropdown.choices == [("trial (damaged)", "trial")]
    assert (key, content.visible) == (None, False)
    assert "experiment.json is no experiment" in notice.value


def test_a_finished_one_is_told_and_drawn(trial: Experiment) -> None:
    results = Results.of(trial)
    text, figures = shown(results)
    assert results.outcome.comparisons[0].verdict in text
    assert "Between seeds" in text
    assert "Training time of all runs" in text
    assert "Runs that are in no figure" not in text
    assert len(figures) == 4  # differences in the metrics and on the diagnoses, every run, learning curves


def test_a_leak_of_both_models_has_a_part_for_each(bare: Workspace) -> None:
    leak = add(bare, "leak", "leak", folds=0, seeds=3)
    finish(leak, LEAKS)
    text, figures = shown(Results.of(leak))
    assert "image: The leak adds" in text
    assert "multimodal: What the leak adds is not known" in text
    assert "fold 0" not in text
    assert len(figures) == 4  # differences of each model, every run, learning curves; too few lesions of each diagnosis


def test_an_unfinished_one_says_what_is_missing(bare: Workspace) -> None:
    text, figures = shown(Results.of(add(bare, "made")))
    assert "0 of 12 runs are in these figures" in text
    assert (
        "image, fold 0, seed 42; image, fold 0, seed 43; image, fold 1, seed 42; image, fold 1, seed 43; and 8 more"
        in text
    )
    assert figures == []


def test_one_seed_has_no_column_for_seeds(bare: Workspace) -> None:
    single = add(bare, "single", seeds=1)
    finish(single, SKILLS)
    assert "Between seeds" not in shown(Results.of(single))[0]


@pytest.mark.parametrize("kind", DOWNLOADS)
def test_every_file_holds_the_verdict(trial: Experiment, kind: str) -> None:
    results = Results.of(trial)
    path = Path(handlers.make_file(kind, results))
    assert path.name == f"experiment-trial.{DOWNLOADS[kind][0]}"
    assert results.outcome.comparisons[0].verdict in path.read_text()


def test_a_report_of_nothing_finished_is_one_without_figures(bare: Workspace) -> None:
    html = as_html(Results.of(add(bare, "made")))
    assert "<h1>Experiment made</h1>" in html
    assert "<h2>Figures</h2>" not in html


def test_the_json_is_that_of_the_results(trial: Experiment) -> None:
    results = Results.of(trial)
    assert json.loads(DOWNLOADS["Experiment (JSON)"][1](results)) == results.to_dict()


@pytest.fixture
def rates(bare: Workspace) -> Experiment:
    """A sweep of which a dozen trials have finished."""
    made = experiments.create(
        bare, plan("sweep", "rates", RECIPE, Design(("image",), vary=("dropout=0.1..0.6",), trials=12)), HAM10000
    )
    for run in made.all_runs:
        run.write_history(made_up_history(1 - run.config.dropout, seed=1))
        run.update_status(state=State.FINISHED)
    return made


def test_a_sweep_has_its_trials_and_what_matters(bare: Workspace, rates: Experiment) -> None:
    key = handlers.choose_experiment(bare, "rates")[1]
    results = handlers.load_results(bare, key)
    text, figures = shown(results)
    best = results.trials[0]
    assert best.settings["dropout"] == min(run.config.dropout for run in rates.all_runs)
    assert f"12 of 12 trials have finished. Best is {best.run}, Dropout {best.settings['dropout']}: " in text
    assert "Dropout matters most, with 100% of what a random forest explains" in text
    assert text.count('<th scope="row">rates-trial') == 12
    assert [figure.label for figure in figures] == ["Settings of each trial", "Settings that matter most"]
    assert f"Best is {best.run}" in as_html(results)


def test_an_epoch_of_a_sweep_is_read(bare: Workspace, rates: Experiment) -> None:
    before = handlers.choose_experiment(bare, "rates")[1]
    run = rates.all_runs[0]
    run.append_history(dataclasses.replace(run.history()[-1], epoch=5))
    assert handlers.choose_experiment(bare, "rates")[1] != before


def test_a_sweep_that_has_not_begun_is_told_so(bare: Workspace) -> None:
    made = experiments.create(
        bare, plan("sweep", "new", RECIPE, Design(("image",), vary=("dropout=0.1,0.2",))), HAM10000
    )
    text, figures = shown(read(made))
    assert "0 of 2 trials have finished: there is no best one yet." in text
    assert "Which setting matters is not known from fewer than 10 trials." in text
    assert figures == []
