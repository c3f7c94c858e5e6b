"""Keep order among the runs: notes on the watched run, its settings back into the form, another name, deletion."""

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from skin import notes
from skin import run as runs
from skin.errors import UsageError
from skin.notes import Notes
from skin.run import Run
from skin.ui import form, monitor
from skin.ui.monitor import FOLLOW, Sight
from skin.ui.page import spoken
from skin.ui.training_form import JOBS, QUIET
from skin.workspace import Workspace

TITLE = "Notes, settings, name and deletion"


@dataclass(frozen=True)
class NotesParts:
    """The fields for notes; `subject` names the run that they are about, whichever is watched by now."""

    edit: gr.Button
    row: gr.Row
    note: gr.Textbox
    tags: gr.Textbox
    save: gr.Button
    cancel: gr.Button
    subject: gr.State


@dataclass(frozen=True)
class DeletionParts:
    """The question before a run is deleted; `doomed` names the run."""

    ask: gr.Button
    row: gr.Row
    question: gr.Markdown
    confirm: gr.Button
    keep: gr.Button
    doomed: gr.State


@dataclass(frozen=True)
class Parts:
    """The components; `own` is there for a run of the user's own only, and `shipped` says so for the others."""

    load: gr.Button
    own: gr.Row
    shipped: gr.Markdown
    name: gr.Textbox
    rename: gr.Button
    notes: NotesParts
    deletion: DeletionParts

    @property
    def followers(self) -> list[Any]:
        """What `follow` returns."""
        return [self.own, self.shipped]


def lay_out() -> Parts:
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
        with gr.Row(visible=False, elem_classes="housekeeping") as asking:
            question = gr.Markdown()
            confirm = gr.Button("Delete for good", variant="stop", size="md")
            keep = gr.Button("Keep it", size="md")
    noting = NotesParts(edit, fields, note, tags, save, cancel, gr.State(""))
    deletion = DeletionParts(ask_first, asking, question, confirm, keep, gr.State(""))
    return Parts(load, own, shipped, name, rename, noting, deletion)


def wire(workspace: Workspace, parts: Parts, chosen: gr.Dropdown, seen: gr.State, refreshing: dict[str, Any]) -> None:
    """Everything but the button that loads settings into the form."""
    parts.rename.click(spoken(partial(rename_run, workspace)), [seen, parts.name], [chosen, parts.name], **JOBS).then(
        **refreshing
    )
    _wire_notes(workspace, parts.notes, seen, refreshing)
    deletion = parts.deletion
    asked = [deletion.row, deletion.question, deletion.doomed]
    deletion.ask.click(spoken(ask), seen, asked, **QUIET)
    deletion.keep.click(close, None, deletion.row, **QUIET)
    confirmed = deletion.confirm.click(
        spoken(partial(delete_run, workspace)), deletion.doomed, [chosen, deletion.row], **JOBS
    )
    confirmed.then(**refreshing)


def _wire_notes(workspace: Workspace, parts: NotesParts, seen: gr.State, refreshing: dict[str, Any]) -> None:
    fields = [parts.row, parts.note, parts.tags, parts.subject]
    parts.edit.click(spoken(partial(edit_notes, workspace)), seen, fields, **QUIET)
    parts.cancel.click(close, None, parts.row, **QUIET)
    saving = [parts.subject, parts.note, parts.tags]
    parts.save.click(spoken(partial(save_notes, workspace)), saving, parts.row, **JOBS).then(**refreshing)


def follow(workspace: Workspace, sight: Sight) -> list[Any]:
    """What can be changed of the watched run, or that nothing can."""
    is_own = sight.run is not None and runs.is_own(workspace, sight.run)
    sentence = f"{escape(sight.run.name) if sight.run else ''} came with the project: it is neither renamed, annotated nor deleted here."
    return [gr.Row(visible=is_own), gr.Markdown(sentence, visible=sight.run is not None and not is_own)]


def watched(workspace: Workspace, seen: Sight | None) -> Run:
    """The run that the page shows. Raises UserError when there is none, or none any more."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    return runs.get(workspace, seen.run.name)


def load_settings(workspace: Workspace, seen: Sight | None) -> list[Any]:
    """The preset nearest to the watched run's configuration, and all its settings."""
    preset, values = form.config_values(watched(workspace, seen).config)
    return [preset, *values.values()]


def rename_run(workspace: Workspace, seen: Sight | None, name: str) -> tuple[gr.Dropdown, str]:
    """Give the watched run another name; watches it under that name and empties the field."""
    run = runs.rename(workspace, watched(workspace, seen), (name or "").strip())
    return gr.Dropdown(monitor.choices(monitor.look(workspace, run.name)), value=run.name), ""


def edit_notes(workspace: Workspace, seen: Sight | None) -> list[Any]:
    """The fields with what is noted about the watched run, empty where that is damaged; and the run's name."""
    run = watched(workspace, seen)
    runs.check_own(workspace, run)
    noted = monitor.noted(run) or Notes()
    label = f"Note on {escape(run.name)}"
    return [gr.Column(visible=True), gr.Textbox(noted.note, label=label), ", ".join(noted.tags), run.name]


def save_notes(workspace: Workspace, name: str, note: str, tags: str) -> gr.Column:
    """Keep what was noted about the run that the fields were opened for, and close them."""
    notes.save(workspace, runs.get(workspace, name), Notes((note or "").strip(), notes.parse_tags(tags or "")))
    return gr.Column(visible=False)


def ask(seen: Sight | None) -> tuple[gr.Row, str, str]:
    """Ask before the watched run is deleted; keeps its name, because the page may come to watch another."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    name = seen.run.name
    return gr.Row(visible=True), f"Delete **{escape(name)}** with its weights, log and report?", name


def close() -> dict[str, Any]:
    """Take the question or the fields away."""
    return gr.update(visible=False)


def delete_run(workspace: Workspace, name: str) -> tuple[str, gr.Row]:
    """Delete the run that the question was about."""
    runs.delete(workspace, runs.get(workspace, name))
    gr.Info(f"Deleted {name}.")
    return FOLLOW, gr.Row(visible=False)
