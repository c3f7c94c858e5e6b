import dataclasses

import pytest

from skin.config import MODELS, TrainConfig
from skin.errors import UsageError
from skin.experiments.experiment import Experiment, models_of, plan
from skin.run import Run
from skin.workspace import Workspace

RECIPE = TrainConfig.from_preset("demo", seed=7)


def test_a_choice_is_one_model_or_all() -> None:
    assert models_of("both") == MODELS
    assert models_of("image") == ("image",)


def test_an_only_run_has_the_experiments_name() -> None:
    assert Experiment("mine", RECIPE, ("multimodal",)).configs == {
        "mine": dataclasses.replace(RECIPE, model="multimodal")
    }


def test_runs_share_everything_but_the_model() -> None:
    image, multimodal = Experiment("pair", RECIPE, MODELS).configs.items()

    assert (image[0], multimodal[0]) == ("pair-image", "pair-multimodal")
    assert (image[1].model, multimodal[1].model) == MODELS
    assert dataclasses.replace(image[1], model="multimodal") == multimodal[1]


def test_without_a_name_the_first_number_is_taken_that_is_free_for_every_run(workspace: Workspace) -> None:
    Run.create(workspace, "demo", RECIPE)
    Run.create(workspace, "demo-2-multimodal", RECIPE)
    Run.create(workspace, "pair-image", RECIPE)

    assert plan(workspace, RECIPE, ("image",), None, otherwise="demo").name == "demo-2"
    assert plan(workspace, RECIPE, MODELS, "", otherwise="demo").name == "demo"
    assert plan(workspace, RECIPE, MODELS, None, otherwise="pair").name == "pair-2"


@pytest.mark.parametrize(
    ("name", "problem"), [("pair", "'pair-multimodal' exists already"), ("../up", "cannot name a run")]
)
def test_a_name_that_one_of_the_runs_cannot_have_is_refused(workspace: Workspace, name: str, problem: str) -> None:
    Run.create(workspace, "pair-multimodal", RECIPE)

    with pytest.raises(UsageError, match=problem):
        plan(workspace, RECIPE, MODELS, name, otherwise="demo")
    assert [path.name for path in workspace.runs.iterdir()] == ["pair-multimodal"]
