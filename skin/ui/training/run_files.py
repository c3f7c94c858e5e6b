"""Files of a run to download: copies among the uploads, which are deleted as those are."""

import hashlib
import shutil
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin import run as runs
from skin.errors import UsageError, UserError
from skin.files import replace_file
from skin.run import Run
from skin.ui.components import downloads
from skin.ui.components.events import with_gradio_errors
from skin.ui.gradio_internals import HIDDEN_PROGRESS, upload_folder
from skin.ui.training.run_snapshot import RunsSnapshot
from skin.workspace import Workspace


@dataclass(frozen=True)
class RunFile:
    """A file of a run, what its button says, and whether one who only looks may have it, of a finished run."""

    file: str
    title: str
    is_public: bool


RUN_FILES = (
    RunFile("train.log", "Log", is_public=False),  # may hold paths of the server
    RunFile("model.onnx", "Model (ONNX)", is_public=True),
    RunFile("network.weights.h5", "Weights (Keras)", is_public=False),
)


def offered_files(read_only: bool) -> list[RunFile]:
    """The files that can be downloaded at all."""
    return [run_file for run_file in RUN_FILES if run_file.is_public or not read_only]


def is_there(run: Run | None, run_file: RunFile, read_only: bool) -> bool:
    """True where the run has this file, and whoever asks may have it."""
    if run is None or not (run.folder / run_file.file).is_file():
        return False
    return not read_only or (run_file.is_public and run.can_predict)


def lay_out_downloads(read_only: bool) -> list[gr.Button]:
    """A button for each kind that is offered, in their order."""
    with gr.Row(elem_classes="actions"):
        return [
            gr.Button(f"Download: {run_file.title}", size="sm", min_width=130, interactive=False)
            for run_file in offered_files(read_only)
        ]


def wire_downloads(workspace: Workspace, read_only: bool, buttons: list[gr.Button], snapshot: gr.State) -> None:
    """Have each button save its file."""
    hidden = downloads.hidden_download("run-file")
    for run_file, button in zip(offered_files(read_only), buttons, strict=True):
        making = button.click(
            with_gradio_errors(partial(make_file, workspace, read_only, run_file)),
            snapshot,
            hidden,
            api_visibility="private",
            **HIDDEN_PROGRESS,
            concurrency_id="run files",
            concurrency_limit=2,
        )
        downloads.save_when_made(making, hidden)


def download_updates(snapshot: RunsSnapshot, read_only: bool) -> list[Any]:
    """The buttons for what there is of the watched run."""
    return [gr.Button(interactive=is_there(snapshot.run, run_file, read_only)) for run_file in offered_files(read_only)]


def make_file(workspace: Workspace, read_only: bool, run_file: RunFile, snapshot: RunsSnapshot | None) -> str:
    """Path of a copy that the browser may fetch; the same content is copied to the same place.

    Raises UserError when there is no such file any more, or the disk is full.
    """
    if snapshot is None or snapshot.run is None:
        raise UsageError("Choose a run first.")
    run = runs.get(workspace, snapshot.run.name)
    source = run.folder / run_file.file
    if not is_there(run, run_file, read_only):
        raise UserError(f"{run.name} has no {run_file.file} that could be downloaded.")
    try:
        with source.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        copy = upload_folder() / content / f"{run.name}-{run_file.file}"
    except OSError as error:
        raise UserError(f"{run_file.file} of {run.name} cannot be read ({error.strerror}).") from error
    replace_file(copy, partial(shutil.copyfile, source))
    return str(copy)
