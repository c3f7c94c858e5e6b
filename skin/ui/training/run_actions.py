"""Actions on the watched run or experiment: notes, its settings into the form, another name, deletion."""

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from skin import notes
from skin import run as runs
from skin.errors import UsageError
from skin.experiments import experiment as experiments
from skin.notes import Notes
from skin.run import Run
from skin.ui.components.events import with_gradio_errors
from skin.ui.training import config_form, experiment_snapshot, run_snapshot
from skin.ui.training.events import JOB_EVENT, UNQUEUED_EVENT
from skin.ui.training.run_snapshot import LATEST_RUN, RunsSnapshot
from skin.workspace import Workspace

TITLE = "Notes, settings, name and deletion"


@dataclass(frozen=True)
class NotesFields:
    """The fields for notes; `noted_run` names the run that they are about, whichever is watched by now."""

    edit: gr.Button
    row: gr.Row
    note: gr.Textbox
    tags: gr.Textbox
    save: gr.Button
    cancel: gr.Button
    noted_run: gr.State


@dataclass(frozen=True)
class DeletionDialog:
    """The question before a run is deleted; `named_run` names it."""

    ask: gr.Button
    row: gr.Row
    question: gr.Markdown
    confirm: gr.Button
    keep: gr.Button
    named_run: gr.State


@dataclass(frozen=True)
class RunActionParts:
    """The components; `own` is there for what is the user's own only, and `shipped` says so of the rest."""

    load: gr.Button
    own: gr.Row
    shipped: gr.Markdown
    name: gr.Textbox
    rename: gr.Button
    notes: NotesFields
    deletion: DeletionDialog

    @property
    def followers(self) -> list[Any]:
        """The components that `action_updates` returns."""
        return [self.notes.edit, self.name, self.rename, self.deletion.ask, self.own, self.shipped]


def lay_out_actions() -> RunActionParts:
    """The closed accordion."""
    with gr.Accordion(TITLE, open=False, elem_id="housekeeping"):
        load = gr.Button("Load its settings into the form", size="md")
        shipped = gr.Markdown(visible=False)
        with gr.Row(elem_classes="housekeeping") as own:
            edit = gr.Button("Edit notes and tags", size="md")
            name = gr.Textbox("", label="New name", max_length=80)
            rename = gr.Button("Rename", size="md")
            ask_first = gr.Button("Delete …", size="md")
        with gr.Column(visible=False) as fields:
            note = gr.Textbox(label="Note", lines=3, max_length=notes.MAX_NOTE, elem_id="note")
            tags = gr.Textbox(label="Tags", info="Separated by commas.", max_length=400, elem_id="tags")
            with gr.Row():
                save, cancel = gr.Button("Save", variant="primary", size="md"), gr.Button("Cancel", size="md")
        with gr.Row(visible=False, elem_classes="housekeeping") as dialog:
            question = gr.Markdown()
            confirm = gr.Button("Delete for good", variant="stop", size="md")
            keep = gr.Button("Keep it", size="md")
    noting = NotesFields(edit, fields, note, tags, save, cancel, gr.State(""))
    deletion = DeletionDialog(ask_first, dialog, question, confirm, keep, gr.State(""))
    return RunActionParts(load, own, shipped, name, rename, noting, deletion)


def wire_actions(
    workspace: Workspace, parts: RunActionParts, chosen: gr.Dropdown, snapshot: gr.State, refreshing: dict[str, Any]
) -> None:
    """Everything but the button that loads settings into the form."""
    parts.rename.click(
        with_gradio_errors(partial(rename_run, workspace)), [snapshot, parts.name], [chosen, parts.name], **JOB_EVENT
    ).then(**refreshing)
    _wire_notes(workspace, parts.notes, snapshot, refreshing)
    deletion = parts.deletion
    asked = [deletion.row, deletion.question, deletion.named_run]
    deletion.ask.click(with_gradio_errors(ask_to_delete), snapshot, asked, **UNQUEUED_EVENT)
    deletion.keep.click(hide, None, deletion.row, **UNQUEUED_EVENT)
    confirmed = deletion.confirm.click(
        with_gradio_errors(partial(delete_run, workspace)), deletion.named_run, [chosen, deletion.row], **JOB_EVENT
    )
    confirmed.then(**refreshing)


def _wire_notes(workspace: Workspace, parts: NotesFields, snapshot: gr.State, refreshing: dict[str, Any]) -> None:
    fields = [parts.row, parts.note, parts.tags, parts.noted_run]
    parts.edit.click(with_gradio_errors(partial(edit_notes, workspace)), snapshot, fields, **UNQUEUED_EVENT)
    parts.cancel.click(hide, None, parts.row, **UNQUEUED_EVENT)
    saving = [parts.noted_run, parts.note, parts.tags]
    parts.save.click(with_gradio_errors(partial(save_notes, workspace)), saving, parts.row, **JOB_EVENT).then(
        **refreshing
    )


def action_updates(workspace: Workspace, snapshot: RunsSnapshot) -> list[Any]:
    """The changes that the watched run or experiment allows, or that nothing can be changed.

    A run of an experiment is neither renamed nor deleted without the others, and an experiment has no notes.
    """
    run, experiment = snapshot.run, snapshot.watched_experiment
    is_own_run = run is not None and runs.is_own(workspace, run)
    is_own_experiment = experiment is not None and not experiments.is_shipped(experiment.experiment)
    is_own, stands_alone = is_own_run or is_own_experiment, is_own_run and run is not None and run.experiment is None
    name = run.name if run else experiment.experiment.name if experiment else ""
    sentence = f"{escape(name)} came with the project: it is neither renamed, annotated nor deleted here."
    return [
        gr.Button(visible=is_own_run),
        gr.Textbox(visible=stands_alone),
        gr.Button(visible=stands_alone),
        gr.Button(visible=stands_alone or is_own_experiment),
        gr.Row(visible=is_own),
        gr.Markdown(sentence, visible=bool(name) and not is_own),
    ]


def watched_run(workspace: Workspace, snapshot: RunsSnapshot | None) -> Run:
    """The run that the page shows. Raises UserError when there is none, or none any more."""
    if snapshot is None or snapshot.run is None:
        raise UsageError("Choose a run first.")
    return runs.get(workspace, snapshot.run.name)


def load_settings(workspace: Workspace, snapshot: RunsSnapshot | None) -> list[Any]:
    """The preset nearest to the watched run's configuration, or the experiment's recipe, and all its settings."""
    if snapshot and (known := snapshot.watched_experiment):
        config = experiments.get(workspace, known.experiment.name).plan.recipe
    else:
        config = watched_run(workspace, snapshot).config
    preset, values = config_form.config_values(config)
    return [preset, *values.values()]


def rename_run(workspace: Workspace, snapshot: RunsSnapshot | None, name: str) -> tuple[gr.Dropdown, str]:
    """Give the watched run another name; watches it under that name and empties the field."""
    run = runs.rename(workspace, watched_run(workspace, snapshot), (name or "").strip())
    return gr.Dropdown(run_snapshot.run_choices(run_snapshot.take_snapshot(workspace, run.name)), value=run.name), ""


def edit_notes(workspace: Workspace, snapshot: RunsSnapshot | None) -> list[Any]:
    """The fields with what is noted about the watched run, empty where that is damaged; and the run's name."""
    run = watched_run(workspace, snapshot)
    runs.check_own(workspace, run)
    saved_notes = run_snapshot.readable_notes(run) or Notes()
    label = f"Note on {escape(run.name)}"
    return [gr.Column(visible=True), gr.Textbox(saved_notes.note, label=label), ", ".join(saved_notes.tags), run.name]


def save_notes(workspace: Workspace, name: str, note: str, tags: str) -> gr.Column:
    """Keep what was noted about the run that the fields were opened for, and close them."""
    notes.save(workspace, runs.get(workspace, name), Notes((note or "").strip(), notes.parse_tags(tags or "")))
    return gr.Column(visible=False)


def ask_to_delete(snapshot: RunsSnapshot | None) -> tuple[gr.Row, str, str]:
    """Ask before the watched run or experiment is deleted; keeps its name, because the page may come to watch another."""
    if snapshot and (known := snapshot.watched_experiment):
        name = known.experiment.name
        count = len(known.experiment.all_runs)
        question = f"Delete the experiment **{escape(name)}** with its {count} run{'s' * (count != 1)}?"
        return gr.Row(visible=True), question, experiment_snapshot.key_of(name)
    if snapshot is None or snapshot.run is None:
        raise UsageError("Choose a run first.")
    name = snapshot.run.name
    return gr.Row(visible=True), f"Delete **{escape(name)}** with its weights, log and report?", name


def hide() -> dict[str, Any]:
    """Take the question or the fields away."""
    return gr.update(visible=False)


def delete_run(workspace: Workspace, name: str) -> tuple[str, gr.Row]:
    """Delete the run or the experiment that the question was about."""
    if experiment := experiment_snapshot.name_in(name):
        experiments.delete(experiments.get(workspace, experiment))
    else:
        runs.delete(workspace, runs.get(workspace, name))
    gr.Info(f"Deleted {experiment or name}.")
    return LATEST_RUN, gr.Row(visible=False)
