"""The form that starts trainings: filled by a preset, checked as it is edited, and said as a command, too."""

import html
import shlex
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin import device, jobs
from skin.config import MODELS, PRESETS, TrainConfig, field_infos
from skin.engines.engine import Job
from skin.errors import UsageError, UserError
from skin.experiments.plan import BOTH
from skin.models.backbones import BACKBONES
from skin.ui.components.context import AppContext
from skin.ui.components.events import with_gradio_errors
from skin.ui.components.notices import paragraph
from skin.ui.training import config_checks, config_form, run_card
from skin.ui.training.events import JOB_EVENT, UNQUEUED_EVENT
from skin.ui.training.run_snapshot import LATEST_RUN
from skin.workspace import Workspace

FIRST_PRESET = "demo"
NAME_HELP = "Left empty, it is made for you."
TRAIN_SHARE = 0.7
FIELDS = {info.name: info for info in field_infos()}


@dataclass(frozen=True)
class StartForm:
    """The form's components; `settings` are those of TrainConfig by field name, in the order of the fields.

    `marked` holds the names of the fields that were found wrong at the last check.
    """

    preset: gr.Dropdown
    name: gr.Textbox
    settings: dict[str, config_form.Widget]
    start: gr.Button
    verdict: gr.Markdown
    command: gr.Textbox
    marked: gr.State

    @property
    def recipe(self) -> list[config_form.Widget]:
        """The preset and all settings."""
        return [self.preset, *self.settings.values()]

    @property
    def inputs(self) -> list[config_form.Widget]:
        """The components that `start` reads, and `check` after `marked`."""
        return [self.preset, self.name, *self.settings.values()]

    def checking(self, workspace: Workspace) -> dict[str, Any]:
        """The settings of a listener that checks the form."""
        outputs = [self.start, self.verdict, self.command, self.marked, *self.settings.values()]
        inputs = [self.marked, *self.inputs]
        return {"fn": partial(check, workspace), "inputs": inputs, "outputs": outputs, **UNQUEUED_EVENT}


def lay_out_form() -> StartForm:
    """The form with the first preset in it."""
    choices = {
        "model": (*MODELS, BOTH),
        "dataset": config_checks.NAMED_DATASETS,
        "backbone": tuple(BACKBONES),
    }
    gr.Markdown("## New run")
    with gr.Row():
        preset = gr.Dropdown(
            list(PRESETS), value=FIRST_PRESET, label="Preset", info="Fills in the fields below.", elem_id="preset"
        )
        name = gr.Textbox("", label="Name", info=NAME_HELP, max_length=60, elem_id="run-name")
    settings = config_form.build_widgets(TrainConfig.from_preset(FIRST_PRESET), choices)
    verdict = gr.Markdown(elem_id="verdict")
    start = gr.Button("Start training", variant="primary")
    command = gr.Textbox(
        label="The same from a terminal", lines=2, interactive=False, buttons=["copy"], elem_id="command"
    )
    return StartForm(preset, name, settings, start, verdict, command, gr.State(()))


def wire_start(context: AppContext, parts: StartForm, chosen: gr.Dropdown) -> Any:
    """Check the form whenever it is edited; returns the event of a start, which empties the name and sets `chosen`."""
    settings = list(parts.settings.values())
    checking = parts.checking(context.workspace)
    edits = [parts.name.input, *(widget.input for widget in settings)]
    gr.on([context.blocks.load, *edits], trigger_mode="always_last", **checking)
    parts.preset.input(fill_from_preset, parts.preset, settings, **UNQUEUED_EVENT).then(**checking)
    return parts.start.click(
        with_gradio_errors(partial(start, context.workspace)), parts.inputs, [parts.name, chosen], **JOB_EVENT
    )


def check(workspace: Workspace, marked: tuple[str, ...], preset: str, name: str, *values: Any) -> list[Any]:
    """The form's verdict: a button that starts, the time or what speaks against it, the command that does the same.

    Then the names of the fields that are wrong, and for each field what has changed of what stands beside it.
    """
    settings = dict(zip(FIELDS, values, strict=True))
    wrong = problems(settings)
    start, verdict, command = gr.Button(interactive=False), "", ""
    try:
        plan = _plan(workspace, preset, name, settings, wrong)
        start, verdict, command = gr.Button(interactive=True), _verdict(workspace, plan), _command(workspace, plan)
    except UserError as error:
        verdict = paragraph(str(error), **{"class": "warning", "role": "alert"})
    beside = [_beside(field, wrong.get(field, "")) if field in {*marked, *wrong} else gr.skip() for field in FIELDS]
    return [start, verdict, command, tuple(wrong), *beside]


def problems(settings: dict[str, Any]) -> dict[str, str]:
    """A sentence for each field that holds what cannot be, or names what is not there."""
    wrong = config_form.problems(settings)
    with suppress(UsageError):  # what the fields cannot be together, `plan_training` says
        return wrong or config_checks.problems(config_form.config_of(settings))
    return wrong


def _beside(field: str, problem: str) -> dict[str, Any]:
    """The text beside the field: its problem, else its explanation."""
    return gr.update(info=html.escape(problem) or FIELDS[field].help, elem_classes=["wrong"] if problem else [])


def _plan(
    workspace: Workspace, preset: str, name: str, settings: dict[str, Any], wrong: dict[str, str]
) -> config_form.TrainingPlan:
    if wrong:
        labels = " and ".join(FIELDS[field].label for field in wrong)
        raise UsageError(f"Not yet: see what stands beside {labels}.")
    return config_form.plan_training(workspace, preset, (name or "").strip(), settings)


def _verdict(workspace: Workspace, training: config_form.TrainingPlan) -> str:
    configs = training.plan.configs.values()
    seconds = sum(
        jobs.estimate_seconds(config, round(TRAIN_SHARE * config_checks.n_images(config)), workspace)
        for config in configs
    )
    waits = " It waits for the runs before it." if jobs.waiting_with(Job.here(), workspace) else ""
    estimate = f"About **{run_card.duration(seconds)}**, an estimate; early stopping may end it sooner.{waits}"
    return f"{estimate}\n\n{device.sentence(device.look())}"


def _command(workspace: Workspace, plan: config_form.TrainingPlan) -> str:
    home = "" if workspace == Workspace.locate() else f" --home {shlex.quote(str(workspace.home))}"
    return plan.command + home


def fill_from_preset(preset: str) -> list[Any]:
    """The preset's values for all settings."""
    values = config_form.preset_values(preset)
    return [values.get(info.name, gr.skip()) for info in field_infos()]


def start(workspace: Workspace, preset: str, name: str, *values: Any) -> tuple[str, str]:
    """Start what the form asks for; empties the name and watches whichever trains."""
    settings = dict(zip(FIELDS, values, strict=True))
    started = jobs.start(workspace, _plan(workspace, preset, name, settings, problems(settings)).plan.configs)
    gr.Info(f"Started {' and '.join(run.name for run in started)}.")
    return "", LATEST_RUN
