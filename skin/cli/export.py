"""The command that exports a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skin import run as runs
from skin.cli.options import Home, RunName
from skin.workspace import Workspace


def export(
    run: RunName,
    half: Annotated[bool, typer.Option(help="Store the weights as float16, half as large.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write to this file; default: the run's own model.onnx.")] = None,
    home: Home = None,
) -> None:
    """Export a trained run's network as one ONNX file that ONNX Runtime runs anywhere, see docs/onnx.md.

    A run needs it to predict, and exports it by itself under TensorFlow.
    """
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    from skin.training.exporting import export_run  # Keras takes seconds to load

    print(export_run(found, workspace, half, output))
