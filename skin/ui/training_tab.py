"""Start, watch, stop and resume trainings, and keep order among the runs."""

import html
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from skin import jobs
from skin import run as runs
from skin.config import MODELS, PRESETS, TrainConfig, field_infos
from skin.data.datasets import DATASETS
from skin.errors import UsageError, UserError
from skin.models.backbones import BACKBONES, find_backbone
from skin.plots.training import history_figure
from skin.run import Run, State
from skin.ui import form, monitor, view
from skin.ui.facts import message
from skin.ui.monitor import FOLLOW, Sight
from skin.ui.page import OWN_MACHINE, Page, spoken
from skin.workspace import Workspace

READ_ONLY = f"This page is read-only: no run can be started, stopped or deleted here. {OWN_MACHINE}"
FIRST_PRESET = "demo"
TRAIN_SHARE = 0.7
NAMED_DATASETS = tuple(name for name in DATASETS if name != "folder")
N_IMAGES = {"demo": 400, "kaggle": 10_015}
"""Images of the data sets that may not be on this disk yet, for the estimate."""

STOP = "Stop"
"""What the button says, before the name of the run that it stops."""

OPEN_IN = {"performance": "Report", "comparison": "Compare", "predict": "Predict"}
"""Tabs that a finished run is opened in, and what the button says."""

JOBS: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "jobs", "concurrency_limit": 1}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Of a listener that answers at once. Outside the queue Gradio tells nobody of the change of a State."""


@dataclass(frozen=True)
class FormParts:
    """The form's components; `settings` are those of TrainConfig by field name, in the order of the fields."""

    preset: gr.Dropdown
    name: gr.Textbox
    settings: dict[str, form.Widget]
    start: gr.Button
    verdict: gr.Markdown
    command: gr.Textbox

    @property
    def inputs(self) -> list[form.Widget]:
        """What `check` and `start` read."""
        return [self.preset, self.name, *self.settings.values()]


@dataclass(frozen=True)
class MonitorParts:
    """The components that follow the runs."""

    chosen: gr.Dropdown
    card: gr.HTML
    stop: gr.Button
    resume: gr.Button
    open_in: dict[str, gr.Button]
    figure: gr.Plot
    log: gr.HTML
    table: gr.Dataframe
    seen: gr.State

    @property
    def listener(self) -> dict[str, Any]:
        """What `refresh` reads and writes."""
        buttons = [self.stop, self.resume, *self.open_in.values()]
        outputs = [self.seen, self.chosen, self.table, self.card, self.figure, self.log, *buttons]
        return {"inputs": [self.chosen, self.seen], "outputs": outputs, **QUIET}


def build(page: Page) -> None:
    """Lay out and wire the tab; where the page is read-only, what changes anything is not there to be called."""
    if page.read_only:
        gr.HTML(message(READ_ONLY, "note"), elem_classes="flush")
    with gr.Row(equal_height=False, elem_id="training"):
        if not page.read_only:
            with gr.Column(scale=4, min_width=320):
                form_parts = _lay_out_form()
        with gr.Column(scale=5, min_width=320, elem_id="monitor"):
            parts = _lay_out_monitor(page)
    parts.table.render()  # type: ignore[no-untyped-call]
    refreshing = {"fn": partial(refresh, page.workspace, page.read_only), **parts.listener}
    gr.on([page.blocks.load, page.timer.tick, parts.chosen.change], **refreshing)
    page.opened.change(partial(follow, page.workspace), page.opened, parts.chosen, **QUIET)
    parts.table.select(pick, None, parts.chosen, **QUIET)
    for tab, button in parts.open_in.items():
        # Other tabs hear of a change only, so that a run that is opened again is first put away.
        button.click(put_away, None, page.opened, **view.QUIET).then(
            partial(open_in, tab), parts.seen, [page.opened, page.tabs], **view.QUIET
        )
    if not page.read_only:
        checking = _wire_form(page, form_parts, parts, refreshing)
        _wire_jobs(page, parts, refreshing)
        load = _wire_housekeeping(page, parts, refreshing)
        settings = [form_parts.preset, *form_parts.settings.values()]
        loaded = load.click(spoken(partial(load_settings, page.workspace)), parts.seen, settings, **QUIET)
        loaded.success(**checking)


def _lay_out_form() -> FormParts:
    choices = {
        "model": (*MODELS, form.BOTH),
        "dataset": NAMED_DATASETS,
        "backbone": tuple(BACKBONES),
    }
    gr.Markdown("### New run")
    with gr.Row():
        preset = gr.Dropdown(
            list(PRESETS), value=FIRST_PRESET, label="Preset", info="Fills in the fields below.", elem_id="preset"
        )
        name = gr.Textbox("", label="Name", info="Left empty, it is made for you.", max_length=60, elem_id="run-name")
    settings = form.build_widgets(TrainConfig.from_preset(FIRST_PRESET), choices)
    verdict = gr.Markdown(elem_id="verdict")
    start = gr.Button("Start training", variant="primary")
    command = gr.Textbox(
        label="The same from a terminal", lines=2, interactive=False, buttons=["copy"], elem_id="command"
    )
    return FormParts(preset, name, settings, start, verdict, command)


def _lay_out_monitor(page: Page) -> MonitorParts:
    may_change = not page.read_only
    gr.Markdown("### Runs")
    chosen = gr.Dropdown(_choices(), value=FOLLOW, label="Watch", elem_id="watch")
    card = gr.HTML(elem_id="card")
    with gr.Row(elem_classes="actions"):
        small: dict[str, Any] = {"size": "md", "min_width": 90, "interactive": False}
        stop = gr.Button(STOP, variant="stop", visible=may_change, elem_id="stop", **small)
        resume = gr.Button("Resume", visible=may_change, **small)
        open_in = {key: gr.Button(title, **small) for key, title in OPEN_IN.items()}
    figure = gr.Plot(label="Loss and accuracy by epoch", show_label=False, visible=False, elem_id="history")
    log = gr.HTML(elem_id="log")
    table = gr.Dataframe(
        label="All runs: choose a row to watch it",
        interactive=False,
        max_height=400,
        elem_id="runs",
        render=False,
    )
    return MonitorParts(chosen, card, stop, resume, open_in, figure, log, table, gr.State(None))


def _wire_form(page: Page, form_parts: FormParts, parts: MonitorParts, refreshing: dict[str, Any]) -> dict[str, Any]:
    """Returns what a listener needs to check the form."""
    settings = list(form_parts.settings.values())
    checking: dict[str, Any] = {
        "fn": partial(check, page.workspace),
        "inputs": form_parts.inputs,
        "outputs": [form_parts.start, form_parts.verdict, form_parts.command],
        **QUIET,
    }
    edits = [form_parts.name.input, *(widget.input for widget in settings)]
    gr.on([page.blocks.load, *edits], trigger_mode="always_last", **checking)
    form_parts.preset.input(fill, form_parts.preset, settings, **QUIET).then(**checking)
    started = form_parts.start.click(
        spoken(partial(start, page.workspace)), form_parts.inputs, [form_parts.name, parts.chosen], **JOBS
    )
    started.then(**refreshing).then(**checking)
    return checking


def _wire_jobs(page: Page, parts: MonitorParts, refreshing: dict[str, Any]) -> None:
    for button, handler, named_by in ((parts.stop, stop, parts.stop), (parts.resume, resume, parts.seen)):
        button.click(spoken(partial(handler, page.workspace)), named_by, None, **JOBS).then(**refreshing)


def _wire_housekeeping(page: Page, parts: MonitorParts, refreshing: dict[str, Any]) -> gr.Button:
    """Returns the button that loads the watched run's settings into the form."""
    with gr.Accordion("The watched run: use its settings, rename it, delete it", open=False):
        with gr.Row(elem_classes="housekeeping"):
            load = gr.Button("Load its settings into the form", size="md")
            name = gr.Textbox("", label="New name", max_length=80)
            rename = gr.Button("Rename", size="md")
            delete = gr.Button("Delete …", size="md")
        with gr.Row(visible=False, elem_classes="housekeeping") as asking:
            question = gr.Markdown()
            doomed = gr.State("")
            confirm = gr.Button("Delete for good", variant="stop", size="md")
            keep = gr.Button("Keep it", size="md")
    bound = page.workspace
    rename.click(spoken(partial(rename_run, bound)), [parts.seen, name], [parts.chosen, name], **JOBS).then(
        **refreshing
    )
    delete.click(spoken(ask), parts.seen, [asking, question, doomed], **QUIET)
    keep.click(close, None, asking, **QUIET)
    confirm.click(spoken(partial(delete_run, bound)), doomed, [parts.chosen, asking], **JOBS).then(**refreshing)
    return load


def check(workspace: Workspace, preset: str, name: str, *values: Any) -> tuple[gr.Button, str, str]:
    """Whether the form can be started; how long that takes, or what speaks against it; the command that does the same."""
    try:
        plan = _plan(workspace, preset, name, values)
    except UserError as error:
        return gr.Button(interactive=False), f'<p class="warning" role="alert">{html.escape(str(error))}</p>', ""
    configs = plan.configs.values()
    seconds = sum(jobs.estimate_seconds(config, _n_train_images(config), workspace) for config in configs)
    waits = " It waits for the runs before it." if jobs.living_runs(workspace) else ""
    verdict = f"About **{monitor.duration(seconds)}**, an estimate; early stopping may end it sooner.{waits}"
    return gr.Button(interactive=True), verdict, plan.command + _home_option(workspace)


def _home_option(workspace: Workspace) -> str:
    return "" if workspace == Workspace.locate() else f" --home {shlex.quote(str(workspace.home))}"


def _plan(workspace: Workspace, preset: str, name: str, values: tuple[Any, ...]) -> form.Plan:
    settings = dict(zip([info.name for info in field_infos()], values, strict=True))
    plan = form.plan(preset, (name or "").strip(), settings, {run.name for run in runs.list_runs(workspace)})
    for config in plan.configs.values():
        find_backbone(config.backbone)
        _check_dataset(config.dataset)
    return plan


def _check_dataset(dataset: str) -> None:
    if dataset not in NAMED_DATASETS and not _is_folder(dataset):
        raise UsageError(f"There is no data set or folder {dataset!r}: choose demo or kaggle, or type a folder's path.")


def _is_folder(path: str) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # it is too long, or of a user that does not exist
        return False


def _n_train_images(config: TrainConfig) -> int:
    n_images = N_IMAGES.get(config.dataset, N_IMAGES["kaggle"])
    if config.dataset not in NAMED_DATASETS:
        table = Path(config.dataset).expanduser() / "HAM10000_metadata.csv"
        n_images = table.read_bytes().count(b"\n") if table.is_file() else n_images
    return round(TRAIN_SHARE * n_images)


def fill(preset: str) -> list[Any]:
    """The preset's values for all settings."""
    values = form.preset_values(preset)
    return [values.get(info.name, gr.skip()) for info in field_infos()]


def start(workspace: Workspace, preset: str, name: str, *values: Any) -> tuple[str, str]:
    """Start what the form asks for; empties the name and watches whichever trains."""
    started = jobs.start(workspace, _plan(workspace, preset, name, values).configs)
    gr.Info(f"Started {' and '.join(run.name for run in started)}.")
    return "", FOLLOW


def refresh(workspace: Workspace, read_only: bool, chosen: str, seen: Sight | None) -> Any:
    """What has changed since `seen`; nothing at all is sent where nothing has."""
    sight = monitor.look(workspace, chosen)
    if sight == seen:
        return gr.skip()

    def has_changed(field: str) -> bool:
        return seen is None or getattr(sight, field) != getattr(seen, field)

    return (
        sight,
        gr.Dropdown(_choices(sight)) if has_changed("states") else gr.skip(),
        monitor.table(workspace) if has_changed("states") else gr.skip(),
        monitor.card(sight, show_details=not read_only),
        _figure(sight) if has_changed("history") else gr.skip(),
        monitor.log(sight) if has_changed("log") and not read_only else gr.skip(),
        *_buttons(sight),
    )


def _choices(sight: Sight | None = None) -> list[tuple[str, str]]:
    names = [(f"{name} ({state})", name) for name, state in sight.states] if sight else []
    return [("The one that trains, or the newest", FOLLOW), *names]


def _figure(sight: Sight) -> Any:
    try:
        history = sight.run.history() if sight.run else []
    except UserError:
        history = []
    return gr.Plot(history_figure(history), visible=True) if history else gr.Plot(visible=False)


def _buttons(sight: Sight) -> list[gr.Button]:
    status = sight.status
    runs_now = status is not None and status.is_running
    is_done = status is not None and status.state is State.FINISHED
    can_resume = status is not None and not runs_now and not is_done
    stop = gr.Button(f"{STOP} {sight.run.name}" if sight.run and runs_now else STOP, interactive=runs_now)
    return [stop, *(gr.Button(interactive=on) for on in (can_resume, *[is_done] * len(OPEN_IN)))]


def _watched(workspace: Workspace, seen: Sight | None) -> Run:
    """The run that the page shows. Raises UserError when there is none, or none any more."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    return runs.get(workspace, seen.run.name)


def stop(workspace: Workspace, label: str) -> None:
    """Stop the run that the button named when it was pressed, whichever is watched by now."""
    run = runs.get(workspace, label.removeprefix(f"{STOP} "))
    jobs.stop(run)
    gr.Info(f"Asked {run.name} to stop: it keeps every finished epoch.")


def resume(workspace: Workspace, seen: Sight | None) -> None:
    """Resume the run that is watched."""
    run = _watched(workspace, seen)
    jobs.resume(workspace, run)
    gr.Info(f"Resumed {run.name}.")


def follow(workspace: Workspace, opened: str) -> Any:
    """Watch a run that was opened elsewhere."""
    return opened if any(run.name == opened for run in runs.list_runs(workspace)) else gr.skip()


def pick(event: gr.SelectData) -> Any:
    """Watch the run of the row that was clicked."""
    return event.row_value[0]


def put_away() -> str:
    """No run is open elsewhere."""
    return ""


def open_in(tab: str, seen: Sight | None) -> tuple[str, gr.Tabs]:
    """Open the run that is watched in another tab."""
    return (seen.run.name if seen and seen.run else ""), gr.Tabs(selected=tab)


def load_settings(workspace: Workspace, seen: Sight | None) -> list[Any]:
    """The preset nearest to the watched run's configuration, and all its settings."""
    preset, values = form.config_values(_watched(workspace, seen).config)
    return [preset, *values.values()]


def rename_run(workspace: Workspace, seen: Sight | None, name: str) -> tuple[gr.Dropdown, str]:
    """Give the watched run another name; watches it under that name and empties the field."""
    run = runs.rename(workspace, _watched(workspace, seen), (name or "").strip())
    return gr.Dropdown(_choices(monitor.look(workspace, run.name)), value=run.name), ""


def ask(seen: Sight | None) -> tuple[gr.Row, str, str]:
    """Ask before the watched run is deleted; keeps its name, because the page may come to watch another."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    name = seen.run.name
    return gr.Row(visible=True), f"Delete **{name}** with its weights, log and report?", name


def close() -> gr.Row:
    """Take the question away."""
    return gr.Row(visible=False)


def delete_run(workspace: Workspace, name: str) -> tuple[str, gr.Row]:
    """Delete the run that the question was about."""
    runs.delete(workspace, runs.get(workspace, name))
    gr.Info(f"Deleted {name}.")
    return FOLLOW, gr.Row(visible=False)
