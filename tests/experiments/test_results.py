"""The results of an experiment's folder, whole and damaged."""

import json
import re
import shutil

import pytest
from made_up import finish

from skin.config import TrainConfig
from skin.errors import UserError
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import KINDS, plan
from skin.experiments.plan import Design
from skin.experiments.results import Results
from skin.task import HAM10000
from skin.workspace import PROJECT, Workspace

RECIPE = TrainConfig.from_preset("demo", seed=7, stage2_epochs=3, dataset="/somewhere/photographs")
SKILLS = {"image": 0.6, "multimodal": 0.8}


@pytest.fixture
def made(bare: Workspace) -> Experiment:
    """An experiment of both models, three folds and two seeds, of which nothing has finished."""
    return experiments.create(bare, plan("metadata", "trial", RECIPE, Design(folds=3, seeds=2)), HAM10000)


def test_the_finished_runs_say_something_together(made: Experiment) -> None:
    finish(made, SKILLS)
    results = Results.of(made)
    (comparison,) = results.outcome.comparisons
    assert comparison.verdict.startswith("Metadata adds ")
    assert (comparison.folds, comparison.seeds) == ((0, 1, 2), (7, 8))
    assert results.outcome.left_out == ()
    assert {variant: len(runs) for variant, runs in results.histories.items()} == {"image": 6, "multimodal": 6}
    assert results.training_seconds == 12 * 8 * 2.0


def test_what_has_not_finished_is_left_out_with_the_reason(made: Experiment) -> None:
    finish(made, SKILLS, unfinished=["trial-image-fold1-seed8"])
    found = Results.of(made).outcome
    assert [(row.variant, row.fold, row.seed, row.reason) for row in found.left_out] == [
        ("image", 1, 8, "It is queued.")
    ]
    assert (found.comparisons[0].folds, found.comparisons[0].seeds) == ((0, 2), (7, 8))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: shutil.rmtree(run.folder), "It is missing: its folder is gone"),
        (lambda run: run.predictions_path.unlink(), "predictions.npz holds no predictions"),
        (lambda run: run.predictions_path.write_bytes(b"PK"), "predictions.npz holds no predictions"),
        (lambda run: run.config_path.write_text("{"), "It is damaged: .*config.json is no run configuration"),
        (lambda run: run.task_path.write_text("{"), "task.json"),
    ],
)
def test_a_damaged_run_leaves_the_others_usable(made: Experiment, damage: object, reason: str) -> None:
    finish(made, SKILLS)
    damage(made.run(made.plan.members[-1]))  # type: ignore[operator]
    found = Results.of(made).outcome
    assert [(row.variant, row.fold, row.seed) for row in found.left_out] == [("multimodal", 2, 8)]
    assert re.search(reason, found.left_out[0].reason)
    assert found.comparisons[0].n == 280


def test_a_finished_run_that_is_in_no_figure_is_named(made: Experiment) -> None:
    finish(made, SKILLS, unfinished=["trial-image-fold1-seed8"])
    made.run(made.plan.members[0]).predictions_path.unlink()
    (sentence,) = Results.of(made).unusable
    assert sentence.startswith("image, fold 0, seed 7 is in no figure: ")


def test_a_damaged_history_leaves_out_its_curve_alone(made: Experiment) -> None:
    finish(made, SKILLS)
    made.run(made.plan.members[0]).history_path.write_text("{}\n")
    results = Results.of(made)
    assert len(results.histories["image"]) == 5
    assert results.outcome.left_out == ()


def test_of_nothing_finished_there_is_nothing_to_say(made: Experiment) -> None:
    results = Results.of(made)
    assert (results.outcome.comparisons, results.outcome.points) == ((), ())
    assert results.outcome.task == HAM10000
    assert not any(results.histories.values())


def test_a_kind_of_another_version_is_a_sentence(made: Experiment) -> None:
    made.write_plan(plan("leak", "trial", RECIPE, Design(folds=0)), created=1.0)
    made.plan_path.write_text(made.plan_path.read_text().replace('"leak"', '"hats"'))
    with pytest.raises(UserError, match=f"no kind of experiment 'hats': use one of {', '.join(KINDS)}"):
        Results.of(Experiment(made.folder))


def test_settings_are_those_that_all_runs_share(made: Experiment) -> None:
    results = Results.of(made)
    assert not {"model", "fold", "seed"} & results.settings.keys()
    assert results.settings["dataset"] == "photographs"
    assert results.changed_settings["stage2_epochs"] == 3
    assert "stage1_learning_rate" not in results.changed_settings


def test_as_json_it_has_the_documented_keys(made: Experiment) -> None:
    finish(made, SKILLS)
    values = Results.of(made).to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    section = (PROJECT / "docs/json.md").read_text().partition("## The outcome of an experiment")[2]
    assert values.keys() <= set(re.findall(r"`(\w+)`", section))
    assert (values["name"], values["kind"], values["state"], values["counts"]) == (
        "trial",
        "metadata",
        "finished",
        {"finished": 12},
    )
