"""The commands that keep order among the runs: list, rename, delete."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from skin import run as runs
from skin.cli.options import AsJson, Home, RunName
from skin.cli.output import print_json, print_table, text
from skin.errors import UserError
from skin.evaluation.report import evaluation_command, load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.run import Run, State
from skin.workspace import Workspace

UNWELL = (State.FAILED, State.INTERRUPTED, "damaged")
"""States of a run that the list gives the reason of."""


def list_runs(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are part of an experiment.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the runs, what they do and what they achieved."""
    found = runs.list_runs(Workspace.locate(home))
    shown = [run for run in found if everything or run.experiment is None]
    facts = [_run_facts(run) for run in shown]
    if as_json:
        print_json(facts)
        return
    if not facts:
        print("No runs yet: `python -m skin train --dataset demo --preset demo` trains two in minutes.")
        return
    columns = ["name", "state", "model", "backbone", "image_size", "split", "dataset", "epochs", "accuracy"]
    print_table(columns, [[_told(row, column) for column in columns] for row in facts])
    _print_remarks(facts)
    if n_more := len(found) - len(shown):
        print(
            f"{n_more} more are part of experiments: `python -m skin experiment list`, or `python -m skin runs --all`."
        )


def _print_remarks(facts: list[dict[str, Any]]) -> None:
    """Print why runs are not well, and the commands that compute what reports lack."""
    for row in facts:
        if row["state"] in UNWELL and row["message"]:
            print(f"{row['name']} is {row['state']}: {row['message']}")
    for command in (command for row in facts for command in row.get("not_computed", {}).values()):
        print(f"Not computed when the report was made: an accuracy; `{command}` computes it.")


def _told(row: dict[str, Any], column: str) -> str:
    return NOT_COMPUTED if column in row.get("not_computed", {}) else text(row.get(column))


def _run_facts(run: Run) -> dict[str, Any]:
    try:
        status = run.status()
        facts = {"name": run.name, "state": status.state, "message": status.message, **dataclasses.asdict(run.config)}
        facts["task"], facts["epochs"] = run.task.name, len(run.history())
        if status.state is State.FINISHED:
            facts |= _accuracy(run)
    except UserError as error:
        return {"name": run.name, "state": "damaged", "message": str(error)}
    return facts


def _accuracy(run: Run) -> dict[str, Any]:
    """The accuracy on the test part or, in its place, that its report lacks it, and the command that adds it."""
    report = load_report(run.report_path)["test"]
    if "accuracy" in report.headline:
        return {"accuracy": report.headline["accuracy"].value}
    return {"accuracy": None, "not_computed": {"accuracy": evaluation_command(run)}}


def rename(
    run: RunName, name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")], home: Home = None
) -> None:
    """Give a run of your own another name."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    print(f"{found.name} is now {runs.rename(workspace, found, name).name}.")


def delete(
    run: RunName, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, home: Home = None
) -> None:
    """Delete a run of your own, with its weights and its report."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    runs.check_idle_and_own(workspace, found)
    if not (yes or typer.confirm(f"Delete {found.name} with its weights and its report, for good?")):
        print(f"{found.name} is kept.")
        return
    runs.delete(workspace, found)
    print(f"{found.name} is deleted.")
