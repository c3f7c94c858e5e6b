"""The command that audits a run."""

from __future__ import annotations

from typing import Annotated

import typer

from skin import run as runs
from skin.audit.audit import AUDITS, run_audit
from skin.cli.options import AsJson, Home, RunName
from skin.cli.output import print_json
from skin.data import datasets
from skin.errors import UserError
from skin.progress import console
from skin.records import to_plain
from skin.workspace import Workspace


def audit(
    run: RunName,
    dataset: Annotated[
        str | None, typer.Option(help="The data set that the run was trained on, where its images lie elsewhere.")
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Audit a finished run from its images: what it refuses, similar cases, and how far it can be trusted.

    What is in the run's folder already is not computed again, so that the same command goes on where it was stopped.
    """
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    status = found.status()
    if status.is_running:
        raise UserError(f"{found.name} is {status.state}: audit it when it has ended.")
    images = datasets.load(dataset or found.config.dataset, workspace, console)
    records = run_audit(found, images, workspace, console)
    if as_json:
        print_json({"run": found.name, "steps": {name: to_plain(record) for name, record in records.items()}})
        return
    print(f"{found.name}, audited on {images.title}")
    for name, record in records.items():
        print(f"\n{AUDITS[name].title}")
        for sentence in record.sentences():
            print(sentence)
