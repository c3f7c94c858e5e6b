import dataclasses

import pytest

from skin.config import MODELS, TrainConfig
from skin.errors import UsageError
from skin.experiments.plan import Member, Plan, members_of, models_of, of_models
from skin.run import Run
from skin.workspace import Workspace

RECIPE = TrainConfig.from_preset("demo", seed=7)
PAIR = {model: {"model": model} for model in MODELS}


def test_a_choice_is_one_model_or_all() -> None:
    assert models_of("both") == MODELS
    assert models_of("image") == ("image",)


def test_an_only_run_has_the_experiments_name(workspace: Workspace) -> None:
    plan = of_models(workspace, RECIPE, ("multimodal",), "mine", otherwise="demo")
    assert plan.configs == {"mine": dataclasses.replace(RECIPE, model="multimodal")}


def test_both_models_share_everything_but_the_model(workspace: Workspace) -> None:
    image, multimodal = of_models(workspace, RECIPE, MODELS, "pair", otherwise="demo").configs.items()

    assert (image[0], multimodal[0]) == ("pair-image", "pair-multimodal")
    assert (image[1].model, multimodal[1].model) == MODELS
    assert dataclasses.replace(image[1], model="multimodal") == multimodal[1]


def test_names_tell_what_varies_and_what_is_compared_trains_together() -> None:
    members = members_of("full", PAIR, [0, 1], [5, 6])

    assert [member.name for member in members[:5]] == [
        "full-image-fold0-seed5",
        "full-multimodal-fold0-seed5",
        "full-image-fold1-seed5",
        "full-multimodal-fold1-seed5",
        "full-image-fold0-seed6",
    ]
    assert [member.name for member in members_of("x", PAIR, [0], [5, 6])][:2] == ["x-image-seed5", "x-multimodal-seed5"]


def test_a_member_changes_the_recipe_in_its_settings_fold_and_seed() -> None:
    recipe = TrainConfig.from_preset("demo", folds=3)
    member = Member("x", "slow", 2, 9, {"stage1_learning_rate": 1e-5, "flips": False})

    plan = Plan("x", recipe, (member,))

    assert plan.configs == {
        "x": dataclasses.replace(recipe, fold=2, seed=9, stage1_learning_rate=1e-5, flips=False),
    }
    assert (plan.variants, plan.folds, plan.seeds) == (("slow",), (2,), (9,))


def test_without_a_name_the_first_number_is_taken_that_is_free_for_every_run(workspace: Workspace) -> None:
    Run.create(workspace, "demo", RECIPE)
    Run.create(workspace, "demo-2-multimodal", RECIPE)
    Run.create(workspace, "pair-image", RECIPE)

    assert of_models(workspace, RECIPE, ("image",), None, otherwise="demo").name == "demo-2"
    assert of_models(workspace, RECIPE, MODELS, "", otherwise="demo").name == "demo"
    assert of_models(workspace, RECIPE, MODELS, None, otherwise="pair").name == "pair-2"


@pytest.mark.parametrize(
    ("name", "problem"), [("pair", "'pair-multimodal' exists already"), ("../up", "cannot name a run")]
)
def test_a_name_that_one_of_the_runs_cannot_have_is_refused(workspace: Workspace, name: str, problem: str) -> None:
    Run.create(workspace, "pair-multimodal", RECIPE)

    with pytest.raises(UsageError, match=problem):
        of_models(workspace, RECIPE, MODELS, name, otherwise="demo")
    assert [path.name for path in workspace.runs.iterdir()] == ["pair-multimodal"]
