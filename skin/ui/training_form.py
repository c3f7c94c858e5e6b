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
from skin.experiments.experiment import BOTH
from skin.models.backbones import BACKBONES
from skin.ui import form, monitor, sources
from skin.ui.monitor import FOLLOW
from skin.ui.page import Page, spoken
from skin.workspace import Workspace

FIRST_PRESET = "demo"
NAME_HELP = "Left empty, it is made for you."
TRAIN_SHARE = 0.7
FIELDS = {info.name: info for info in field_infos()}

JOBS: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "jobs", "concurrency_limit": 1}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Of a listener that answers at once. Outside the queue Gradio tells nobody of the change of a State."""


@dataclass(frozen=True)
class FormParts:
    """The form's components; `settings` are those of TrainConfig by field name, in the order of the fields.

    `marked` holds the names of the fields that were found wrong at the last check.
    """

    preset: gr.Dropdown
    name: gr.Textbox
    settings: dict[str, form.Widget]
    start: gr.Button
    verdict: gr.Markdown
    command: gr.Textbox
    marked: gr.State

    @property
    def recipe(self) -> list[form.Widget]:
        """The preset and all settings."""
        return [self.preset, *self.settings.values()]

    @property
    def inputs(self) -> list[form.Widget]:
        """What `start` reads, and `check` after `marked`."""
        return [self.preset, self.name, *self.settings.values()]

    def checking(self, workspace: Workspace) -> dict[str, Any]:
        """What a listener needs to check the form."""
        outputs = [self.start, self.verdict, self.command, self.marked, *self.settings.values()]
        inputs = [self.marked, *self.inputs]
        return {"fn": partial(check, workspace), "inputs": inputs, "outputs": outputs, **QUIET}


def lay_out() -> FormParts:
    """The form with the first preset in it."""
    choices = {
        "model": (*MODELS, BOTH),
        "dataset": sources.NAMED_DATASETS,
        "backbone": tuple(BACKBONES),
    }
    gr.Markdown("## New run")
    with gr.Row():
        preset = gr.Dropdown(
            list(PRESETS), value=FIRST_PRESET, label="Preset", info="Fills in the fields below.", elem_id="preset"
        )
        name = gr.Textbox("", label="Name", info=NAME_HELP, max_length=60, elem_id="run-name")
    settings = form.build_widgets(TrainConfig.from_preset(FIRST_PRESET), choices)
    verdict = gr.Markdown(elem_id="verdict")
    start = gr.Button("Start training", variant="primary")
    command = gr.Textbox(
        label="The same from a terminal", lines=2, interactive=False, buttons=["copy"], elem_id="command"
    )
    return FormParts(preset, name, settings, start, verdict, command, gr.State(()))


def wire_start(page: Page, parts: FormParts, chosen: gr.Dropdown) -> Any:
    """Check the form whenever it is edited; returns the event of a start, which empties the name and sets `chosen`."""
    settings = list(parts.settings.values())
    checking = parts.checking(page.workspace)
    edits = [parts.name.input, *(widget.input for widget in settings)]
    gr.on([page.blocks.load, *edits], trigger_mode="always_last", **checking)
    parts.preset.input(fill, parts.preset, settings, **QUIET).then(**checking)
    return parts.start.click(spoken(partial(start, page.workspace)), parts.inputs, [parts.name, chosen], **JOBS)


def check(workspace: Workspace, marked: tuple[str, ...], preset: str, name: str, *values: Any) -> list[Any]:
    """Whether the form can be started; how long that takes, or what speaks against it; the command that does the same.

    Then the names of the fields that are wrong, and for each field what has changed of what stands beside it.
    """
    settings = dict(zip(FIELDS, values, strict=True))
    wrong = problems(settings)
    start, verdict, command = gr.Button(interactive=False), "", ""
    try:
        plan = _plan(workspace, preset, name, settings, wrong)
        start, verdict, command = gr.Button(interactive=True), _verdict(workspace, plan), _command(workspace, plan)
    except UserError as error:
        verdict = f'<p class="warning" role="alert">{html.escape(str(error))}</p>'
    beside = [_beside(field, wrong.get(field, "")) if field in {*marked, *wrong} else gr.skip() for field in FIELDS]
    return [start, verdict, command, tuple(wrong), *beside]


def problems(settings: dict[str, Any]) -> dict[str, str]:
    """A sentence for each field that holds what cannot be, or names what is not there."""
    wrong = form.problems(settings)
    with suppress(UsageError):  # what the fields cannot be together, `form.plan` says
        return wrong or sources.problems(form.config_of(settings))
    return wrong


def _beside(field: str, problem: str) -> dict[str, Any]:
    """What stands beside the field: its problem, else its explanation."""
    return gr.update(info=html.escape(problem) or FIELDS[field].help, elem_classes=["wrong"] if problem else [])


def _plan(workspace: Workspace, preset: str, name: str, settings: dict[str, Any], wrong: dict[str, str]) -> form.Plan:
    if wrong:
        labels = " and ".join(FIELDS[field].label for field in wrong)
        raise UsageError(f"Not yet: see what stands beside {labels}.")
    return form.plan(workspace, preset, (name or "").strip(), settings)


def _verdict(workspace: Workspace, plan: form.Plan) -> str:
    configs = plan.experiment.configs.values()
    seconds = sum(
        jobs.estimate_seconds(config, round(TRAIN_SHARE * sources.n_images(config)), workspace) for config in configs
    )
    waits = " It waits for the runs before it." if jobs.waiting_with(Job.here(), workspace) else ""
    estimate = f"About **{monitor.duration(seconds)}**, an estimate; early stopping may end it sooner.{waits}"
    return f"{estimate}\n\n{device.sentence(device.look())}"


def _command(workspace: Workspace, plan: form.Plan) -> str:
    home = "" if workspace == Workspace.locate() else f" --home {shlex.quote(str(workspace.home))}"
    return plan.command + home


def fill(preset: str) -> list[Any]:
    """The preset's values for all settings."""
    values = form.preset_values(preset)
    return [values.get(info.name, gr.skip()) for info in field_infos()]


def start(workspace: Workspace, preset: str, name: str, *values: Any) -> tuple[str, str]:
    """Start what the form asks for; empties the name and watches whichever trains."""
    settings = dict(zip(FIELDS, values, strict=True))
    started = jobs.start(workspace, _plan(workspace, preset, name, settings, problems(settings)).experiment)
    gr.Info(f"Started {' and '.join(run.name for run in started)}.")
    return "", FOLLOW
