import dataclasses
from pathlib import Path

import pytest

from skin.cli.recipe import recipe_of
from skin.config import MODELS, TrainConfig
from skin.errors import UsageError
from skin.run import Run
from skin.workspace import Workspace

NOTHING = {"dataset": None, "model": None}


def test_a_preset_is_changed_by_a_file_then_by_options_then_by_settings(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_text('{"seed": 1, "head_width": 64, "dropout": 0.1, "dataset": "kaggle"}')

    recipe, models = recipe_of("demo", path, {"dataset": "demo"}, ["dropout=0.5"])

    expected = TrainConfig.from_preset("demo", seed=1, head_width=64, dropout=0.5, dataset="demo")
    assert dataclasses.replace(recipe, model="image") == expected
    assert models == MODELS


@pytest.mark.parametrize(
    ("given", "settings", "models"),
    [
        ({}, [], ("multimodal",)),
        ({"model": "both"}, [], MODELS),
        ({"model": None}, ["model=image"], ("image",)),
        ({"model": "image"}, ["model=both"], MODELS),
    ],
)
def test_the_file_of_a_run_names_its_model_unless_another_is_asked_for(
    workspace: Workspace, given: dict[str, str | None], settings: list[str], models: tuple[str, ...]
) -> None:
    config = TrainConfig.from_preset("reference", model="multimodal", seed=3)
    path = Run.create(workspace, "mine", config).config_path

    recipe, found = recipe_of("standard", path, given, settings)

    assert found == models
    assert recipe == dataclasses.replace(config, model=models[0])


def test_a_setting_of_the_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_text('{"hat": 1}')
    with pytest.raises(UsageError, match="Unknown setting 'hat'"):
        recipe_of("standard", path, NOTHING, [])
