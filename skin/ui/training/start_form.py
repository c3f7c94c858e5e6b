"""The form that starts trainings and experiments: filled by a preset, checked as it is edited, and said as a command, too."""

import html
import shlex
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin import device, jobs
from skin.config import MODELS, PRESETS, TrainConfig, field_infos
from skin.engines.engine import LOCAL, Job
from skin.errors import UsageError, UserError
from skin.experiments.plan import BOTH, Plan
from skin.models.backbones import BACKBONES
from skin.ui.components.context import AppContext, current_tab
from skin.ui.components.events import with_gradio_errors
from skin.ui.components.notices import paragraph
from skin.ui.training import (
    config_checks,
    config_form,
    experiment_form,
    experiment_snapshot,
    run_card,
    run_table,
)
from skin.ui.training.events import JOB_EVENT, UNQUEUED_EVENT
from skin.ui.training.experiment_form import ExperimentForm
from skin.ui.training.run_snapshot import LATEST_RUN
from skin.workspace import Workspace

FIRST_PRESET = "demo"
NAME_HELP = "Left empty, it is made for you."
TRAIN_SHARE = 0.7
MAX_ESTIMATED = 6
"""Runs whose time is estimated one by one; each takes a look at all earlier runs."""

FIELDS = {info.name: info for info in field_infos()}


@dataclass(frozen=True)
class StartForm:
    """The form's components; `settings` are those of TrainConfig by field name, in the order of the fields.

    `experiment` makes one of the recipe; `marked` holds the names of the fields that were found wrong at the last check.
    """

    preset: gr.Dropdown
    name: gr.Textbox
    settings: dict[str, config_form.Widget]
    experiment: ExperimentForm
    start: gr.Button
    verdict: gr.Markdown
    command: gr.Textbox
    marked: gr.State

    @property
    def recipe(self) -> list[config_form.Widget]:
        """The preset and all settings."""
        return [self.preset, *self.settings.values()]

    @property
    def inputs(self) -> list[Any]:
        """The components that `start` reads, and `check` after `marked`."""
        return [self.preset, self.name, *self.settings.values(), *self.experiment.inputs]

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
    gr.Markdown("## New training")
    experiment = experiment_form.lay_out_form()
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
    return StartForm(preset, name, settings, experiment, start, verdict, command, gr.State(()))


def wire_start(context: AppContext, parts: StartForm, chosen: gr.Dropdown) -> Any:
    """Check the form whenever it is edited; returns the event of a start, which empties the name and sets `chosen`."""
    settings = list(parts.settings.values())
    checking = parts.checking(context.workspace)
    asked = parts.experiment
    numbers = [asked.folds, asked.seeds, asked.vary, asked.trials, *asked.options.values()]
    edited = (parts.name, *settings, *numbers)
    # Gradio 6.31 misses the first `input` of a text field, which may be a paste.
    edits = [part.change if isinstance(part, gr.Textbox) else part.input for part in edited]
    gr.on([current_tab(context).select, *edits], **checking)
    kind_shown, options = [*asked.followers, parts.settings["model"], parts.start], list(asked.options.values())
    asked.kind.input(experiment_form.show_kind, asked.kind, kind_shown, **UNQUEUED_EVENT).then(**checking)
    asked.engine.input(experiment_form.show_engine, asked.engine, options, **UNQUEUED_EVENT).then(**checking)
    parts.preset.input(fill_from_preset, parts.preset, settings, **UNQUEUED_EVENT).then(**checking)
    return parts.start.click(
        with_gradio_errors(partial(start, context.workspace)), parts.inputs, [parts.name, chosen], **JOB_EVENT
    )


def check(workspace: Workspace, marked: tuple[str, ...], preset: str, name: str, *values: Any) -> list[Any]:
    """The form's verdict: a button that starts, the time or what speaks against it, the command that does the same.

    Then the names of the fields that are wrong, and for each field what has changed of what stands beside it.
    """
    wrong = problems(_settings(values))
    start, verdict, command = gr.Button(interactive=False), "", ""
    try:
        plan = _plan(workspace, preset, name, values, wrong)
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


def _settings(values: Sequence[Any]) -> dict[str, Any]:
    """The settings of TrainConfig by their names; what the form holds of an experiment comes after them."""
    return dict(zip(FIELDS, values[: len(FIELDS)], strict=True))


def _plan(
    workspace: Workspace, preset: str, name: str, values: Sequence[Any], wrong: dict[str, str]
) -> config_form.TrainingPlan:
    """The run or runs of the recipe, or the experiment. Raises UsageError."""
    if wrong:
        labels = " and ".join(FIELDS[field].label for field in wrong)
        raise UsageError(f"Not yet: see what stands beside {labels}.")
    settings, asked = _settings(values), experiment_form.asked_for(values[len(FIELDS) :])
    chosen = (name or "").strip()
    if asked is None:
        return config_form.plan_training(workspace, preset, chosen, settings)
    return experiment_form.plan_experiment(workspace, preset, chosen, settings, asked)


def _verdict(workspace: Workspace, training: config_form.TrainingPlan) -> str:
    """The time that it takes and, of what trains on this machine, the device."""
    plan = training.plan
    is_here = plan.engine == LOCAL
    time = f"About **{run_card.duration(_seconds(workspace, plan))}**, an estimate; early stopping may end it sooner."
    if plan.kind:
        time = f"{len(plan.members)} runs: {run_table.runs_in_words(plan)}. {time if is_here else ''}".rstrip()
    if is_here and jobs.waiting_with(Job.here(), workspace):
        time += " It waits for the runs before it."
    return f"{time}\n\n{device.sentence(device.look())}" if is_here else time


def _seconds(workspace: Workspace, plan: Plan) -> float:
    """The time of all runs, one after the other on this machine, from that of some: the runs of a variant take the same."""
    variants = list({member.variant: member for member in plan.members}.values())
    sampled = [plan.config(member) for member in variants[:: -(-len(variants) // MAX_ESTIMATED)]]
    times = [
        jobs.estimate_seconds(config, round(TRAIN_SHARE * config_checks.n_images(config)), workspace)
        for config in sampled
    ]
    return len(plan.members) * statistics.fmean(times)


def _command(workspace: Workspace, plan: config_form.TrainingPlan) -> str:
    home = "" if workspace == Workspace.locate() else f" --home {shlex.quote(str(workspace.home))}"
    return plan.command + home


def fill_from_preset(preset: str) -> list[Any]:
    """The preset's values for all settings."""
    values = config_form.preset_values(preset)
    return [values.get(info.name, gr.skip()) for info in field_infos()]


def start(workspace: Workspace, preset: str, name: str, *values: Any) -> tuple[str, str]:
    """Start what the form asks for; empties the name and watches whichever trains, or the experiment."""
    plan = _plan(workspace, preset, name, values, problems(_settings(values))).plan
    if plan.kind:
        experiment = experiment_form.start_experiment(workspace, plan)
        gr.Info(f"Started the experiment {experiment.name}.")
        return "", experiment_snapshot.key_of(experiment.name)
    started = jobs.start(workspace, plan.configs)
    gr.Info(f"Started {' and '.join(run.name for run in started)}.")
    return "", LATEST_RUN
