"""The commands of experiments: run, list, show, stop, resume, delete."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from skin.cli.experiment_results import print_results, write_report
from skin.cli.options import AsJson, Config, Home, Settings
from skin.cli.output import print_json, print_table
from skin.cli.recipe import recipe_of
from skin.config import PRESETS
from skin.data import datasets
from skin.engines.engine import ENGINES, LOCAL, settled
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.experiments import driver, kinds, sweep
from skin.experiments import experiment as experiments
from skin.experiments.experiment import EARLY, Experiment, MemberStatus, Summary
from skin.experiments.kinds import KINDS
from skin.experiments.plan import Design
from skin.experiments.results import Results, read
from skin.progress import console
from skin.records import to_plain
from skin.run import Run, State
from skin.workspace import Workspace

Name = Annotated[str, typer.Argument(metavar="NAME", help="An experiment's name.")]


def run(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    dataset: Annotated[str | None, typer.Option(help="demo, kaggle, or a folder of images.")] = None,
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "standard",
    model: Annotated[str | None, typer.Option(help="image, multimodal, or both, as it is by default.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Equal parts of which each tests once, from 3 on; 0: one split.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each variant on each fold, of seeds that count up; 1 by default.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUES",
            help="A setting of a sweep: LOW..HIGH, LOW..HIGH:log, or VALUE,VALUE; may be repeated.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help=f"Settings that a sweep tries at most; {Design().trials} by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the experiment; those of its runs begin with it.")] = None,
    engine: Annotated[str, typer.Option(help=f"Where the runs train: {', '.join(ENGINES)}.")] = LOCAL,
    parallel: Annotated[int, typer.Option(min=1, help="Runs that train at once on this machine.")] = 1,
    address: Annotated[str, typer.Option(help="A Ray cluster's: auto, host:port or ray://host:port.")] = "",
    cpus: Annotated[
        int, typer.Option("--cpus-per-run", min=0, help="CPUs, and threads, of each run; 0: the engine's usual share.")
    ] = 0,
    gpus: Annotated[int, typer.Option("--gpus-per-run", min=0, help="GPUs of each run, on ray and slurm.")] = 0,
    partition: Annotated[str, typer.Option(help="Slurm's partition.")] = "",
    hours: Annotated[float, typer.Option(min=0.01, help="Slurm may end a run after so many.")] = 24.0,
    settings: Settings = None,
    config: Config = None,
    home: Home = None,
) -> None:
    """Train the runs of an experiment; Ctrl-C stops them, and whatever ends it, `resume` goes on."""
    workspace = Workspace.locate(home)
    recipe, models = recipe_of(preset, config, {"dataset": dataset, "model": model}, settings or [])
    free = name or experiments.free_name(workspace, kind)
    asked = kinds.design(kind, models, folds=folds, seeds=seeds, vary=vary and tuple(vary), trials=trials)
    plan = kinds.plan(kind, free, recipe, asked)
    experiments.check_free(workspace, plan.name)
    loaded = datasets.load(recipe.dataset, workspace, console)  # before anything is made: it may not be there
    kinds.check(plan, loaded)
    resources = settled(engine, Resources(cpus, gpus, parallel, address, partition, hours))
    shared = dataclasses.replace(plan.recipe, dataset=loaded.name)
    plan = dataclasses.replace(plan, recipe=shared, engine=engine, resources=resources)
    _follow(workspace, experiments.create(workspace, plan, loaded.task))


def resume(name: Name, home: Home = None) -> None:
    """Go on with an experiment that was stopped, or whose driver died; no finished run is repeated."""
    workspace = Workspace.locate(home)
    experiment = experiments.get(workspace, name)
    if experiment.status().state is State.FINISHED:
        raise UserError(f"{name} is finished: `python -m skin experiment show {name}` tells what came of it.")
    _follow(workspace, experiment)


def stop(name: Name, home: Home = None) -> None:
    """Stop an experiment: every finished epoch is kept, and `resume` goes on."""
    experiment = experiments.get(Workspace.locate(home), name)
    driver.stop(experiment)
    print(f"{name}: {experiment.status().state}")


def list_experiments(as_json: AsJson = False, home: Home = None) -> None:
    """List the experiments, what they do and how far they are."""
    facts = [_facts(found) for found in experiments.list_experiments(Workspace.locate(home))]
    if as_json:
        print_json(facts)
        return
    if not facts:
        print("No experiments yet: `python -m skin experiment run metadata --dataset demo --preset demo` runs one.")
        return
    columns = ["name", "kind", "state", "finished", "runs", "engine"]
    print_table(columns, [[row.get(column, "") for column in columns] for row in facts])


def show(
    name: Name,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with figures to this file, which needs no network.")
    ] = None,
    home: Home = None,
) -> None:
    """Show what an experiment asks, each of its runs, and what the finished ones say together."""
    experiment = experiments.get(Workspace.locate(home), name)
    kind = KINDS.get(experiment.plan.kind)
    results = Results.of(experiment) if kind and not kind.is_search else None
    if html:
        write_report(html, results or read(experiment))
    elif as_json:
        print_json(_details(experiment, results))
    else:
        _print_details(experiment, results)


def delete(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, home: Home = None
) -> None:
    """Delete an experiment of your own with all its runs."""
    experiment = experiments.get(Workspace.locate(home), name)
    experiments.check_idle_and_own(experiment)
    if not (yes or typer.confirm(f"Delete {name} with its {len(experiment.all_runs)} runs, for good?")):
        print(f"{name} is kept.")
        return
    experiments.delete(experiment)
    print(f"{name} is deleted.")


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _print_best(experiment: Experiment) -> None:
    """Print the best settings of a sweep and the command that trains them."""
    path = sweep.best_path(experiment)
    if (found := _best(experiment)) and path.is_file():
        settings = ", ".join(f"{field}={value}" for field, value in found["settings"].items())
        print(f"Best on the validation part: {settings}, with a balanced accuracy of {100 * found['score']:.1f}%.")
        print(f"`python -m skin train --config {shlex.quote(str(path))}` trains it.")


def _best(experiment: Experiment) -> dict[str, Any] | None:
    """The best settings of a sweep; None while there are none, or of another kind."""
    found = sweep.best(experiment) if kinds.is_search(experiment.plan) else None
    return {"name": found[0].name, "score": found[1], "settings": found[0].settings} if found else None


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "list": list_experiments,
    "show": show,
    "stop": stop,
    "resume": resume,
    "delete": delete,
}
"""The commands of `experiment` by name."""


def _follow(workspace: Workspace, experiment: Experiment) -> None:
    """Drive the experiment and print whatever changes."""
    print(f"{experiment.name}: {len(experiment.plan.members)} runs on {experiment.plan.engine}.", flush=True)
    told: dict[str, str] = {}
    summary = experiment.status()
    try:
        for summary in driver.drive(workspace, experiment):
            for row in summary.members:
                if told.get(row.member.name) != row.state:
                    told[row.member.name] = row.state
                    print(f"{row.member.name}: {_line(row)}", flush=True)
    except KeyboardInterrupt:
        if experiment.running:
            driver.stop(experiment)
        summary = experiment.status()
    for problem in summary.problems:
        print(problem)
    _print_best(experiment)
    print(f"{experiment.name}: {_told(summary)}.")
    if summary.state is not State.FINISHED:
        print(f"`python -m skin experiment resume {experiment.name}` goes on.")
        raise typer.Exit(1)


def _line(row: MemberStatus) -> str:
    return f"{row.state}, in {row.where}" if row.where else row.state


def _told(summary: Summary) -> str:
    finished, early = summary.counts.get(State.FINISHED, 0), summary.counts.get(EARLY, 0)
    told = f"{summary.state}, {finished} of {len(summary.members)} runs finished"
    return f"{told}, {early} {EARLY}" if early else told


def _facts(experiment: Experiment) -> dict[str, Any]:
    try:
        plan, summary = experiment.plan, experiment.status()
    except UserError as error:
        return {"name": experiment.name, "state": "damaged", "message": str(error)}
    return {
        "name": experiment.name,
        "kind": plan.kind,
        "state": summary.state,
        "is_driven": summary.is_driven,
        "finished": summary.counts.get(State.FINISHED, 0),
        "runs": len(summary.members),
        "engine": plan.engine,
    }


def _details(experiment: Experiment, results: Results | None) -> dict[str, Any]:
    plan, summary = experiment.plan, experiment.status()
    return {
        **_facts(experiment),
        "question": kinds.question(plan),
        "recipe": dataclasses.asdict(plan.recipe),
        "resources": to_plain(plan.resources),
        "members": [_row(experiment, status) for status in summary.members],
        "best": _best(experiment),
        "problems": summary.problems,
        "outcome": results and results.outcome.to_dict(),
    }


def _print_details(experiment: Experiment, results: Results | None) -> None:
    plan, summary = experiment.plan, experiment.status()
    print(f"{experiment.name}: {_told(summary)}. {kinds.question(plan)}".rstrip())
    columns = ["name", "variant", "fold", "seed", "state", "epochs", "where"]
    if kinds.is_search(plan):
        columns = ["name", *plan.members[0].settings, "state", "epochs", "score", "where"]
    cells = [{**_row(experiment, status), **status.member.settings} for status in summary.members]
    print_table(columns, [[_cell(row[column]) for column in columns] for row in cells])
    for problem in summary.problems:
        print(problem)
    _print_best(experiment)
    if results:
        print_results(results)


def _row(experiment: Experiment, row: MemberStatus) -> dict[str, Any]:
    member = row.member
    return {
        "name": member.name,
        "variant": member.variant,
        "fold": member.fold,
        "seed": member.seed,
        "settings": member.settings,
        "state": row.state,
        "message": row.message,
        "epochs": _epochs(experiment.run(member)),
        "score": sweep.score(experiment.run(member)) if kinds.is_search(experiment.plan) else None,
        "retries": row.retries,
        "ending": row.ending,
        "where": row.where,
    }


def _epochs(run: Run) -> int:
    try:
        return len(run.history())
    except UserError:
        return 0
