"""Sweeps: what is tried, what is stopped early, and what is best."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skin import jobs
from skin.config import MODELS, TrainConfig
from skin.data.dataset import Dataset
from skin.engines import local
from skin.errors import UsageError
from skin.experiments import driver, sweep
from skin.experiments import experiment as experiments
from skin.experiments.experiment import EARLY, Experiment
from skin.experiments.kinds import plan
from skin.experiments.plan import Design
from skin.experiments.results import Results
from skin.experiments.sweep import is_poor, parse, rungs, settings_of, standings
from skin.run import Epoch, Run, State
from skin.task import HAM10000
from skin.workspace import PROJECT, Workspace

RECIPE = TrainConfig.from_preset("demo", stage2_epochs=12)
RATE = "stage2_learning_rate=1e-6..1e-2:log"


def epoch(stage: int, number: int, val_loss: float, val_balanced_accuracy: float) -> Epoch:
    return Epoch(stage, number, 1.0, 0.5, val_loss, 0.5, val_balanced_accuracy, 1e-3, 1.0, 10.0)


def values(vary: list[str], trials: int, seed: int = 0) -> list[dict[str, Any]]:
    return settings_of(parse(vary), trials, seed)


def test_a_range_is_covered_evenly_by_its_logarithm() -> None:
    rates = sorted(row["stage2_learning_rate"] for row in values([RATE], 8))
    halves = [math.floor((math.log10(rate) + 6) * 2) for rate in rates]  # eight parts of equal width
    assert halves == list(range(8))


def test_whole_numbers_and_lists_are_covered_evenly() -> None:
    rows = values(["head_width=8..12", "backbone=resnet50,efficientnet_lite0", "dropout=0..0.8"], 10)
    assert {row["head_width"] for row in rows} == {8, 9, 10, 11, 12}
    assert [row["backbone"] for row in rows].count("resnet50") == 5
    assert sorted(math.floor(row["dropout"] / 0.08) for row in rows) == pytest.approx(list(range(10)), abs=1)
    assert (
        values(["dropout=0..0.8"], 5, seed=1) == values(["dropout=0..0.8"], 5, seed=1) != values(["dropout=0..0.8"], 5)
    )


def test_of_few_lists_every_combination_is_tried_once() -> None:
    rows = values(["flips=true,false", "views=1,8,1"], 10)
    assert [tuple(row.values()) for row in rows] == [(True, 1), (True, 8), (False, 1), (False, 8)]
    assert len(values(["flips=true,false", "views=1,8"], 3)) <= 3


@given(
    low=st.floats(1e-7, 0.4),
    width=st.floats(1e-6, 0.5),
    log=st.booleans(),
    trials=st.integers(1, 20),
)
def test_every_value_lies_in_its_range(low: float, width: float, log: bool, trials: int) -> None:
    text = f"stage1_learning_rate={low}..{low + width}{':log' * log}"
    rows = values([text], trials)
    assert 1 <= len(rows) <= trials
    assert all(low <= row["stage1_learning_rate"] <= low + width for row in rows)


def test_a_plan_has_a_run_a_setting_on_one_split() -> None:
    made = plan("sweep", "lr", RECIPE, Design(("multimodal",), vary=(RATE,), trials=12))
    assert [member.name for member in made.members][::11] == ["lr-trial01", "lr-trial12"]
    configs = list(made.configs.values())
    assert len({config.stage2_learning_rate for config in configs}) == 12
    assert {(config.seed_of_split, config.fold, config.seed) for config in configs} == {(42, 0, 42)}

    both = plan("sweep", "m", RECIPE, Design(vary=("model=image,multimodal",)))
    assert [config.model for config in both.configs.values()] == list(MODELS)


@pytest.mark.parametrize(
    ("vary", "problem"),
    [
        ([], "needs a setting to vary"),
        (["dropout"], "wants FIELD=LOW..HIGH"),
        (["dropout="], "wants FIELD=LOW..HIGH"),
        (["hat=1,2"], "Unknown setting 'hat': use one of"),
        (["dropout=0.5..0.1"], "range of dropout is the wrong way round: 0.5 is not less than 0.1"),
        (["dropout=0.1..0.1"], "wrong way round"),
        (["dropout=0..0.95"], "dropout must be at most 0.9"),
        (["dropout=-1..0.5"], "dropout must be at least 0"),
        (["dropout=a..b"], "dropout must be a number, not 'a'"),
        (["dropout=nan..0.5"], "dropout must be at least 0"),
        (["head_width=8..9.5"], "head_width must be a whole number"),
        (["dropout=0..0.5:log"], "no logarithm: leave out :log"),
        (["dropout=0.1..0.5:cubic"], "not with :cubic"),
        (["optimizer=adam..adamw"], "optimizer has no range: list its values"),
        (["views=1..8"], "views has no range"),
        (["optimizer=adam,sgd"], "optimizer must be one of adamw, adam, not 'sgd'"),
        (["dropout=0.1,,0.2"], "dropout must be a number, not ''"),
        (["seed=1,2"], "seed cannot be varied"),
        (["fold=1,2"], "fold cannot be varied"),
        (["dropout=0.1,0.2", "dropout=0..0.5"], "dropout is varied twice"),
    ],
)
def test_what_cannot_be_varied_is_a_sentence(vary: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        plan("sweep", "x", RECIPE, Design(("image",), vary=tuple(vary)))


@pytest.mark.parametrize("trials", [0, -1, 1001])
def test_an_impossible_number_of_trials_is_a_sentence(trials: int) -> None:
    with pytest.raises(UsageError, match=f"has 1 to 1000 trials, not {trials}"):
        plan("sweep", "x", RECIPE, Design(("image",), vary=(RATE,), trials=trials))


def test_both_models_are_not_swept_unless_they_are_what_varies() -> None:
    with pytest.raises(UsageError, match="A sweep trains one model"):
        plan("sweep", "x", RECIPE, Design(vary=(RATE,)))


def test_settings_that_are_impossible_together_are_a_sentence() -> None:
    with pytest.raises(UsageError, match="Nothing to train"):
        plan("sweep", "x", RECIPE, Design(("image",), vary=("stage1_epochs=0,1", "stage2_epochs=0,1")))


def test_rungs_are_three_times_as_far_each_and_none_is_the_end() -> None:
    assert list(rungs(12)) == [1, 3, 9]
    assert list(rungs(60)) == [2, 6, 18, 54]
    assert list(rungs(3)) == [1]
    assert list(rungs(1)) == []


def test_a_standing_is_that_of_the_epoch_whose_weights_would_be_kept() -> None:
    history = [epoch(1, 1, 0.1, 0.99), epoch(2, 1, 1.0, 0.3), epoch(2, 2, 0.8, 0.5), epoch(2, 3, 0.9, 0.9)]
    assert standings(RECIPE, history) == {1: 0.3, 3: 0.5}
    assert standings(RECIPE, history[:1]) == {}
    of_head = TrainConfig.from_preset("demo", stage1_epochs=60, stage2_epochs=0)
    assert standings(of_head, [epoch(1, 1, 1.0, 0.3), epoch(1, 2, 0.8, 0.5)]) == {2: 0.5}


def test_the_best_third_goes_on() -> None:
    assert not is_poor(0.5, [])
    assert not is_poor(0.5, [0.4])
    assert is_poor(0.5, [0.6])
    assert not is_poor(0.5, [0.6, 0.4, 0.3, 0.2, 0.1])
    assert is_poor(0.5, [0.6, 0.7, 0.3, 0.2, 0.1])
    assert not is_poor(0.5, [0.5] * 8)


@pytest.fixture
def made(bare: Workspace) -> Experiment:
    return experiments.create(
        bare, plan("sweep", "lr", RECIPE, Design(("image",), vary=("dropout=0.1,0.2,0.3",))), HAM10000
    )


def test_a_poor_run_is_stopped_and_not_begun_again(bare: Workspace, made: Experiment) -> None:
    """The runs wait for this process; their figures are written for them."""
    occupied = Run.create(bare, "first", RECIPE)
    jobs.claim(occupied)
    good, poor, last = made.all_runs
    good.update_status(state=State.FINISHED)
    good.write_history([epoch(2, 1, 1.0, 0.8)])
    last.update_status(state=State.FINISHED)

    for summary in driver.drive(bare, made):
        if summary.members[1].is_running:
            poor.write_history([epoch(2, 1, 1.0, 0.4)])

    assert [row.state for row in made.status().members] == [State.FINISHED, EARLY, State.FINISHED]
    assert made.status().state is State.FINISHED
    assert made.control.early == (poor.name,)
    assert made.running == []
    job = poor.status().job
    list(driver.drive(bare, made))
    assert poor.status().job == job
    assert job
    assert local.process_of(job.handle) is None


def test_it_has_no_variants_to_compare_and_a_sentence_says_where_its_best_are_told(made: Experiment) -> None:
    with pytest.raises(UsageError, match="lr compares no two variants: `python -m skin experiment show lr`"):
        Results.of(made)


def test_without_a_report_there_is_no_best(made: Experiment) -> None:
    assert sweep.best(made) is None
    sweep.keep_best(made)
    assert not sweep.best_path(made).exists()


@pytest.mark.exhaustive
def test_of_eight_settings_half_are_stopped_early_and_the_best_file_trains(bare: Workspace, demo: Dataset) -> None:
    home, dataset = ["--home", str(bare.home)], str(demo.images[0].path.parent.parent)
    small = ["image_size=64", "stage1_epochs=3", "stage2_epochs=4", "views=1"]
    words = ["run", "sweep", "--dataset", dataset, "--preset", "demo", "--model", "image", "--name", "lr"]
    varied = ["--vary", RATE, "--vary", "dropout=0.1..0.5", "--trials", "8", "--cpus-per-run", "1"]
    command = [sys.executable, "-m", "skin"]
    settings = [word for setting in small for word in ("--set", setting)]
    subprocess.run([*command, "experiment", *words, *varied, *settings, *home], cwd=PROJECT, check=True)

    experiment = experiments.get(bare, "lr")
    counts = experiment.status().counts
    assert counts[EARLY] >= 4
    assert counts[EARLY] + counts[State.FINISHED] == 8
    found = sweep.best(experiment)
    assert found
    path = sweep.best_path(experiment)
    best = dataclasses.replace(
        experiment.run(found[0]).config, audit=True
    )  # as the recipe has it, and no run of a sweep
    assert TrainConfig.parse(json.loads(path.read_text())) == best
    assert found[1] == max(filter(None, map(sweep.score, experiment.all_runs)))

    subprocess.run([*command, "train", "--config", str(path), "--name", "again", *home], cwd=PROJECT, check=True)
    again = Run(Path(bare.runs) / "again")
    assert again.is_finished
    assert again.config == best
