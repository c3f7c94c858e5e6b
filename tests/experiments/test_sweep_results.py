"""The trials of a sweep, and which of its settings matter."""

import json
import re

import numpy as np
import pytest
from made_up import made_up_run

from skin.config import TrainConfig
from skin.evaluation.report import evaluate, save_report
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import plan
from skin.experiments.plan import Design
from skin.experiments.results import read
from skin.experiments.sweep_results import MIN_TRIALS, SweepResults, Trial, influence
from skin.run import Epoch, State
from skin.task import HAM10000
from skin.workspace import PROJECT, Workspace

RECIPE = TrainConfig.from_preset("demo")


def trial(number: int, value: float, **settings: str | int | float | bool) -> Trial:
    return Trial(f"x-trial{number}", State.FINISHED, settings, 4, value)


def drawn(n: int, noise: float = 0.01) -> list[Trial]:
    """Trials whose value hangs on the dropout and, half as much, on the backbone."""
    rng = np.random.default_rng(0)
    rows = [(float(rng.random()), str(rng.choice(["a", "b"])), bool(rng.random() < 0.5)) for _ in range(n)]
    return [
        trial(
            k,
            0.5 - 0.2 * dropout + 0.1 * (backbone == "b") + noise * rng.normal(),
            dropout=dropout,
            backbone=backbone,
            flips=flips,
        )
        for k, (dropout, backbone, flips) in enumerate(rows)
    ]


@pytest.fixture
def made(bare: Workspace) -> Experiment:
    """A sweep of three trials: one has finished, one was stopped, and one has not begun."""
    made = experiments.create(
        bare, plan("sweep", "x", RECIPE, Design(("image",), vary=("dropout=0.1,0.2,0.3",))), HAM10000
    )
    for run, values in zip(made.all_runs, ([0.4, 0.5, 0.6], [0.7], []), strict=True):
        run.write_history(
            [Epoch(2, k, 1.0, 0.5, 1 - value, 0.5, value, 1e-3, 2.0, 10.0) for k, value in enumerate(values, 1)]
        )
    made.all_runs[0].update_status(state=State.FINISHED)
    made.all_runs[1].update_status(state=State.STOPPED)
    return made


def test_the_finished_come_first_then_those_that_came_farthest(made: Experiment) -> None:
    results = SweepResults.of(made)
    assert [(row.run, row.state, row.epochs) for row in results.trials] == [
        ("x-trial1", "finished", 3),
        ("x-trial2", "stopped", 1),
        ("x-trial3", "queued", 0),
    ]
    assert [row.value for row in results.trials[:2]] == [0.6, 0.7]
    assert np.isnan(results.trials[2].value)
    assert results.best == results.trials[0]
    assert results.influence is None
    assert results.training_seconds == 8.0


def test_a_finished_trial_is_judged_by_its_report(made: Experiment) -> None:
    report = evaluate(made_up_run(0.9, np.random.default_rng(0)))
    save_report(made.all_runs[0].report_path, {"validation": report, "test": report})
    assert SweepResults.of(made).trials[0].value == report.headline["balanced_accuracy"].value


def test_of_nothing_trained_there_is_no_best(bare: Workspace) -> None:
    made = experiments.create(bare, plan("sweep", "y", RECIPE, Design(("image",), vary=("dropout=0.1,0.2",))), HAM10000)
    assert SweepResults.of(made).best is None


def test_the_setting_that_matters_is_found() -> None:
    found = influence(drawn(40))
    assert found is not None
    assert found.explained > 0.7
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["dropout"] > found.shares["backbone"] > found.shares["flips"]
    assert found.shares["flips"] < 0.05


def test_where_nothing_matters_nothing_is_explained() -> None:
    rng = np.random.default_rng(1)
    found = influence([trial(k, float(rng.random()), dropout=float(rng.random())) for k in range(30)])
    assert found is not None
    assert found.explained <= 0


def test_of_few_trials_nothing_is_said_to_matter() -> None:
    known, unknown = drawn(MIN_TRIALS - 1), trial(99, np.nan, dropout=0.1, backbone="a", flips=True)
    assert influence([*known, unknown]) is None
    assert influence(drawn(MIN_TRIALS)) is not None


def test_trials_of_one_value_have_no_influence() -> None:
    found = influence([trial(k, 0.5, dropout=k / 10) for k in range(12)])
    assert found is not None
    assert found.shares == {"dropout": 0}


def test_as_json_it_has_the_documented_keys(made: Experiment) -> None:
    values = read(made).to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    section = (PROJECT / "docs/json.md").read_text().partition("## The outcome of an experiment")[2]
    assert {*values, *values["trials"][0], "explained", "shares"} <= set(re.findall(r"`(\w+)`", section))
    assert (values["best"], values["influence"]) == ("x-trial1", None)
