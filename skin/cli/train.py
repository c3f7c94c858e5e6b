"""The commands that train, stop and resume runs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from skin import jobs
from skin import run as runs
from skin.cli.evaluate import compare_runs, show_comparison, show_report
from skin.cli.options import Config, Home, RunName, Settings
from skin.cli.recipe import recipe_of
from skin.config import PRESETS
from skin.data import datasets
from skin.errors import UserError
from skin.evaluation.report import load_report
from skin.experiments.plan import of_models
from skin.models.backbones import find_backbone
from skin.progress import console
from skin.run import Run, State
from skin.training.data import check_config
from skin.workspace import Workspace


def train(
    dataset: Annotated[
        str | None,
        typer.Option(help="demo, kaggle, or a folder of images (HAM10000, ISIC, or a task.json of your own)."),
    ] = None,
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "standard",
    model: Annotated[
        str | None, typer.Option(help="image, multimodal, or both one after the other, as it is by default.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="The pretrained network.")] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none, or a weights file.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; with both models, their names begin with it.")
    ] = None,
    settings: Settings = None,
    config: Config = None,
    home: Home = None,
) -> None:
    """Train one model, or both under one recipe, in two stages; then report, and compare the two."""
    workspace = Workspace.locate(home)
    given = {"dataset": dataset, "model": model, "backbone": backbone, "weights": weights}
    recipe, models = recipe_of(preset, config, given, settings or [])
    find_backbone(recipe.backbone)
    loaded = datasets.load(recipe.dataset, workspace, console)  # before anything is made: it may not be there
    recipe = dataclasses.replace(recipe, dataset=loaded.name)
    configs = of_models(workspace, recipe, models, name, otherwise=f"{Path(loaded.name).name}-{preset}").configs
    for own in configs.values():
        check_config(own, loaded.task)
    _check_devices(recipe.devices, workspace)
    created = jobs.create(workspace, configs)
    for run in created:
        run.keep_task(loaded.task)
    with jobs.claimed(created):
        for run in created:
            _train(run, workspace)
    if len(created) == 2:
        show_comparison(compare_runs(created[0], created[1]))


def _check_devices(devices: int, workspace: Workspace) -> None:
    if devices > 1:
        _find_keras(workspace)
        from skin.training.devices import check  # only Keras, which takes seconds to load, knows the devices

        check(devices)


def _find_keras(workspace: Workspace) -> None:
    """Have Keras keep what it downloads in the workspace."""
    os.environ.setdefault("KERAS_HOME", str(workspace.cache / "keras"))


def _train(run: Run, workspace: Workspace) -> None:
    """Wait until no other run trains, train this one to its end, and show its report."""
    jobs.wait_for_turn(run, workspace)
    _find_keras(workspace)
    from skin.training.loop import train as train_run  # Keras takes seconds to load, and waiting needs none of it

    train_run(run, workspace, console)
    if run.status().state is State.STOPPED:
        raise typer.Exit(1)
    show_report(f"{run.name}, test", load_report(run.report_path)["test"])


def resume(run: RunName, home: Home = None) -> None:
    """Go on with a run that was stopped or interrupted, or that failed."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    if found.status().state is State.FINISHED:
        raise UserError(f"Run {found.name!r} is finished: start a new one to train longer.")
    with jobs.claimed([found]):
        _train(found, workspace)


def stop(run: RunName, home: Home = None) -> None:
    """Stop a training run; every finished epoch is kept, and `resume` goes on."""
    found = runs.get(Workspace.locate(home), run)
    jobs.stop(found)
    print(f"{found.name}: {found.status().state}")
