"""Files of a run to download: copies among the uploads, which are deleted as those are."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import hash_file
from gradio.utils import get_upload_folder

from skin import run as runs
from skin.errors import UsageError, UserError
from skin.files import replace_file
from skin.run import Run
from skin.ui import downloads
from skin.ui.monitor import Sight
from skin.ui.page import spoken
from skin.workspace import Workspace


@dataclass(frozen=True)
class Kind:
    """A file of a run, what its button says, and whether one who only looks may have it, of a finished run."""

    file: str
    title: str
    is_public: bool


KINDS = (
    Kind("train.log", "Log", is_public=False),  # may hold paths of the server
    Kind("model.onnx", "Model (ONNX)", is_public=True),
    Kind("network.weights.h5", "Weights (Keras)", is_public=False),
)


def offered(read_only: bool) -> list[Kind]:
    """What can be downloaded at all."""
    return [kind for kind in KINDS if kind.is_public or not read_only]


def is_there(run: Run | None, kind: Kind, read_only: bool) -> bool:
    """Whether the run has this file, and whoever asks may have it."""
    if run is None or not (run.folder / kind.file).is_file():
        return False
    return not read_only or (kind.is_public and run.can_predict)


def lay_out(read_only: bool) -> list[gr.Button]:
    """A button for each kind that is offered, in their order."""
    with gr.Row(elem_classes="actions"):
        return [
            gr.Button(f"Download: {kind.title}", size="sm", min_width=130, interactive=False)
            for kind in offered(read_only)
        ]


def wire(workspace: Workspace, read_only: bool, buttons: list[gr.Button], seen: gr.State) -> None:
    """Have each button save its file."""
    made = downloads.made_file("run-file")
    for kind, button in zip(offered(read_only), buttons, strict=True):
        making = button.click(
            spoken(partial(make_file, workspace, read_only, kind)),
            seen,
            made,
            api_visibility="private",
            show_progress="hidden",
            concurrency_id="run files",
            concurrency_limit=2,
        )
        downloads.save(making, made)


def follow(sight: Sight, read_only: bool) -> list[Any]:
    """The buttons for what there is of the watched run."""
    return [gr.Button(interactive=is_there(sight.run, kind, read_only)) for kind in offered(read_only)]


def make_file(workspace: Workspace, read_only: bool, kind: Kind, seen: Sight | None) -> str:
    """Path of a copy that the browser may fetch; the same content is copied to the same place.

    Raises UserError when there is no such file any more, or the disk is full.
    """
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    run = runs.get(workspace, seen.run.name)
    source = run.folder / kind.file
    if not is_there(run, kind, read_only):
        raise UserError(f"{run.name} has no {kind.file} that could be downloaded.")
    try:
        copy = Path(get_upload_folder()) / hash_file(source) / f"{run.name}-{kind.file}"
    except OSError as error:
        raise UserError(f"{kind.file} of {run.name} cannot be read ({error.strerror}).") from error
    replace_file(copy, partial(shutil.copyfile, source))
    return str(copy)
