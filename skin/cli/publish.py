"""The commands that hand a run to others: its card, a folder for the Hub, a Space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skin import run as runs
from skin.cli.options import Home, RunName
from skin.data import datasets
from skin.data.datasheet import Datasheet
from skin.data.splits import Split
from skin.errors import UserError
from skin.evaluation.report import load_report
from skin.files import write_atomically
from skin.inference.predictor import SHIPPED
from skin.progress import console
from skin.run import Run
from skin.workspace import Workspace

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")]


def card(
    run: RunName,
    dataset: Annotated[
        str | None, typer.Option(help="Describe the data that it was trained on anew, and keep that in the run.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file; default: print it.")] = None,
    home: Home = None,
) -> None:
    """The model card of a run, in Markdown with the metadata of the Hugging Face Hub, see docs/publish.md."""
    from skin.publishing.model_card import model_card  # huggingface_hub takes a moment to load

    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    sheet = _describe(found, dataset, workspace) if dataset else None
    text = str(model_card(found, sheet))
    if output is None:
        print(text)
    else:
        write_atomically(output, text.encode())
        print(output)


def _describe(run: Run, name: str, workspace: Workspace) -> Datasheet:
    """The datasheet of the run's split of this data set, which a run of the user's own keeps.

    Raises UserError when the data set is another one than the run was evaluated on.
    """
    dataset = datasets.load(name, workspace, console)
    judged_on = load_report(run.report_path)["test"].evaluation.dataset_fingerprint
    if judged_on not in (None, dataset.fingerprint):
        raise UserError(
            f"{dataset.title} (fingerprint {dataset.fingerprint}) is not what {run.name} was evaluated on ({judged_on}): "
            "give the data set that it was trained on."
        )
    sheet = Datasheet.of(dataset, Split.load(run.split_path))
    if runs.is_own(workspace, run):
        sheet.save(run.datasheet_path)
    return sheet


def publish(run: RunName, folder: Folder, home: Home = None) -> None:
    """Write a folder ready for the Hugging Face Hub: card, ONNX network, settings, thresholds and an example that runs."""
    from skin.publishing.model_folder import write_model_folder

    found = runs.get(Workspace.locate(home), run)
    write_model_folder(found, folder)
    print(
        f"{folder} is ready: answer the open questions in its README.md, then `hf upload USER/{found.name} {folder}`."
    )
    if not (folder / "LICENSE").is_file():
        print("It has no LICENSE, because nobody knows under which licence its data may be shared: add one.")


def space(
    folder: Folder,
    shown: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN...]", help="The runs to show; default: the shipped ones.")
    ] = None,
    home: Home = None,
) -> None:
    """Write a folder ready to be a Hugging Face Space that shows chosen runs and changes nothing."""
    from skin.publishing.space_folder import write_space

    workspace = Workspace.locate(home)
    write_space([runs.get(workspace, name) for name in shown or SHIPPED.values()], folder)
    print(
        f"{folder} is ready: try it with `python {folder / 'app.py'}`, then `hf upload USER/NAME {folder} --repo-type space`."
    )
