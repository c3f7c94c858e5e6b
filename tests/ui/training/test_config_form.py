import contextlib
import dataclasses
import shlex
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from skin.cli.main import app
from skin.config import PRESETS, TrainConfig, field_infos
from skin.errors import UsageError
from skin.run import Run
from skin.ui.training import config_form
from skin.workspace import Workspace


def values_of(config: TrainConfig, **changes: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(config), **changes}


def parsed(command: str) -> tuple[str, str, TrainConfig]:
    """Name, model and configuration that the real command line reads from a command."""
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "skin", "train"]
    train = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    options = train.make_context("train", words[4:]).params
    fields = dict(setting.split("=", 1) for setting in options["settings"] or [])
    return (
        options["name"],
        options["model"],
        TrainConfig.from_preset(options["preset"], dataset=options["dataset"], **fields),
    )


def test_every_field_has_a_widget_with_its_label_and_help() -> None:
    config = TrainConfig.from_preset("reference")
    with gr.Blocks():
        widgets = config_form.build_widgets(config, {"model": ["image", "both"]})

    assert list(widgets) == [info.name for info in field_infos()]
    for info in field_infos():
        assert (widgets[info.name].label, widgets[info.name].info) == (info.label, info.help)
        assert widgets[info.name].value == getattr(config, info.name)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_gives_what_the_form_shows(workspace: Workspace, preset: str) -> None:
    shown = values_of(TrainConfig.from_preset(preset), model="multimodal", stage2_learning_rate=3e-7, flips=False)

    training = config_form.plan_training(workspace, preset, "mine", shown)

    name, model, config = parsed(training.command)
    assert (name, model) == ("mine", "multimodal")
    assert training.plan.configs == {"mine": dataclasses.replace(config, model="multimodal")}


def test_the_command_survives_a_path_with_blanks(workspace: Workspace, tmp_path: Path) -> None:
    shown = values_of(TrainConfig(), dataset=str(tmp_path / "my images"))

    training = config_form.plan_training(workspace, "standard", "", shown)

    assert parsed(training.command)[2].dataset == str(tmp_path / "my images")


def test_both_models_are_one_command(workspace: Workspace) -> None:
    training = config_form.plan_training(
        workspace, "demo", "pair", values_of(TrainConfig.from_preset("demo"), model="both")
    )

    assert list(training.plan.configs) == ["pair-image", "pair-multimodal"]
    assert parsed(training.command)[:2] == ("pair", "both")


@pytest.mark.parametrize(
    ("model", "taken", "names"),
    [
        ("image", set(), ["demo-image"]),
        ("image", {"demo-image", "demo-image-2"}, ["demo-image-3"]),
        ("both", {"demo-multimodal"}, ["demo-2-image", "demo-2-multimodal"]),
    ],
)
def test_without_a_name_a_free_one_is_made(workspace: Workspace, model: str, taken: set[str], names: list[str]) -> None:
    for name in taken:
        Run.create(workspace, name, TrainConfig())

    training = config_form.plan_training(workspace, "demo", "", values_of(TrainConfig.from_preset("demo"), model=model))

    assert list(training.plan.configs) == names


@pytest.mark.parametrize(("name", "problem"), [("old", "exists already"), ("../up", "cannot name a run")])
def test_a_name_that_cannot_be_given_is_refused(workspace: Workspace, name: str, problem: str) -> None:
    Run.create(workspace, "old", TrainConfig())
    with pytest.raises(UsageError, match=problem):
        config_form.plan_training(workspace, "demo", name, values_of(TrainConfig()))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_all_but_what_it_leaves_open(preset: str) -> None:
    expected = dataclasses.asdict(TrainConfig.from_preset(preset))
    for kept in {"dataset", "model"} - PRESETS[preset].keys():
        del expected[kept]

    assert config_form.preset_values(preset) == expected


def test_loaded_settings_stand_on_the_nearest_preset() -> None:
    config = TrainConfig.from_preset("reference", seed=7)

    assert config_form.config_values(config) == ("reference", dataclasses.asdict(config))


@given(
    name=st.sampled_from([info.name for info in field_infos()]),
    value=st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text())),
)
def test_whatever_a_field_holds_is_a_plan_or_a_usage_error(shared_workspace: Workspace, name: str, value: Any) -> None:
    with contextlib.suppress(UsageError):
        assert config_form.plan_training(
            shared_workspace, "demo", "", values_of(TrainConfig(), **{name: value})
        ).plan.configs
