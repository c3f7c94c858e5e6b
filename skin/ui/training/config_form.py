"""A form for TrainConfig: one widget per field, from what the fields say of themselves."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from skin.config import PRESETS, FieldInfo, TrainConfig, differences, field_infos
from skin.experiments.plan import BOTH, Plan, models_of, of_models
from skin.workspace import Workspace

Widget = gr.Checkbox | gr.Dropdown | gr.Number | gr.Textbox


def build_widgets(config: TrainConfig, choices: Mapping[str, Sequence[str]]) -> dict[str, Widget]:
    """Lay out a widget per field, the advanced ones folded away, in the order of the fields.

    `choices` offers values for the fields that it names; what a field does not limit itself may still be typed.
    """
    widgets: dict[str, Widget] = {}
    with gr.Column(elem_classes="settings"):
        _add_widgets(widgets, config, choices, advanced=False)
    with gr.Accordion("More settings", open=False), gr.Column(elem_classes="settings"):
        _add_widgets(widgets, config, choices, advanced=True)
    return {info.name: widgets[info.name] for info in field_infos()}


def _add_widgets(
    widgets: dict[str, Widget], config: TrainConfig, choices: Mapping[str, Sequence[str]], advanced: bool
) -> None:
    for info in field_infos():
        if info.advanced is advanced:
            widgets[info.name] = _widget(info, getattr(config, info.name), choices.get(info.name, info.choices))


def _widget(info: FieldInfo, value: Any, choices: Sequence[str]) -> Widget:
    common: dict[str, Any] = {"value": value, "label": info.label, "info": info.help, "elem_id": f"setting-{info.name}"}
    if info.type is bool:
        return gr.Checkbox(**common)
    if choices:
        return gr.Dropdown(list(choices), allow_custom_value=not info.choices, **common)
    if info.type is str:
        return gr.Textbox(**common)
    return gr.Number(step=_step(info), **common)


def _step(info: FieldInfo) -> float:
    """The step of the arrow keys: one, or for a fraction a unit of its first digit."""
    if info.type is int:
        return 1
    return 10.0 ** math.floor(math.log10(info.default)) if info.default else 0.05


def preset_values(preset: str) -> dict[str, Any]:
    """The values that a preset puts into the form: all fields but the data set and the model, unless it sets them."""
    values = _values(TrainConfig.from_preset(preset))
    return {
        name: value for name, value in values.items() if name not in ("dataset", "model") or name in PRESETS[preset]
    }


def config_values(config: TrainConfig) -> tuple[str, dict[str, Any]]:
    """The preset that a configuration is nearest to, and the values of all fields."""
    return min(PRESETS, key=lambda preset: len(_changes(preset, config))), _values(config)


def _values(config: TrainConfig) -> dict[str, Any]:
    return {info.name: getattr(config, info.name) for info in field_infos()}


def _changes(preset: str, config: TrainConfig) -> dict[str, Any]:
    return {name: values[1] for name, values in differences([TrainConfig.from_preset(preset), config]).items()}


def problems(values: Mapping[str, Any]) -> dict[str, str]:
    """A sentence in its label's words for each field that holds what cannot be."""
    wrong = {info: info.problem(values[info.name]) for info in field_infos()}
    if values["model"] == BOTH:
        wrong = {info: problem for info, problem in wrong.items() if info.name != "model"}
    return {info.name: f"{info.label} {problem}" for info, problem in wrong.items() if problem}


def config_of(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration of the form, or of its first model where it asks for both. Raises UsageError."""
    return TrainConfig.parse({**values, "model": models_of(str(values["model"]))[0]})


@dataclass(frozen=True)
class TrainingPlan:
    """The trainings that a filled form asks for, and the command that does the same."""

    plan: Plan
    command: str


def plan_training(workspace: Workspace, preset: str, name: str, values: Mapping[str, Any]) -> TrainingPlan:
    """The trainings that the form asks for; without a name, the preset and a number make one that is not taken.

    Raises UsageError when a value is impossible, or the name is no folder name or is taken.
    """
    recipe, choice = config_of(values), str(values["model"])
    otherwise = preset if choice == BOTH else f"{preset}-{choice}"
    planned = of_models(workspace, recipe, models_of(choice), name, otherwise)
    return TrainingPlan(planned, _command(preset, recipe, choice, planned.name))


def _command(preset: str, recipe: TrainConfig, model: str, name: str) -> str:
    words = ["--dataset", recipe.dataset, "--preset", preset, "--model", model, "--name", name]
    return shlex.join(["python", "-m", "skin", "train", *words, *settings_in_words(preset, recipe)])


def settings_in_words(preset: str, recipe: TrainConfig) -> list[str]:
    """The words of a command that make the preset the recipe, but for the data set and the model."""
    changes = _changes(preset, recipe)
    pairs = [f"{field}={value}" for field, value in changes.items() if field not in ("dataset", "model")]
    return [word for pair in pairs for word in ("--set", pair)]
