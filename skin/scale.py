"""Many runs and many images: what a second run, a second process and Ray cost, as ratios on this machine.

Real trainings of the drawn data set and the shipped image-only run, in a home of their own.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from joblib import cpu_count

from skin import jobs
from skin import run as runs
from skin.config import TrainConfig
from skin.data import datasets
from skin.data.dataset import LesionImage
from skin.engines.engine import LOCAL
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.inference.batch import predict_all
from skin.inference.predictor import SHIPPED
from skin.inference.scoring import Models, Scoring
from skin.run import Run, State
from skin.workspace import Workspace

FIVE_MINUTES = 300


@dataclass(frozen=True)
class Size:
    """The size of what is measured: settings over those of the demo preset, and numbers of images."""

    demo: dict[str, int] = dataclasses.field(default_factory=dict)
    stage_2: dict[str, int] = dataclasses.field(default_factory=lambda: {"image_size": 160, "stage2_epochs": 2})
    images: int = 2_000
    few: int = 1_000
    many: int = 10_000


@contextmanager
def _home() -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory(prefix="skin-scale-") as folder:
        yield Workspace(Path(folder))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# Runs


def second_start(workspace: Workspace, size: Size = Size()) -> float:
    """Time until the first epoch of a data set's first run, against that of its second."""
    config = _demo(workspace, size.demo)
    with _home() as home:
        first, second = (_seconds(partial(_make_ready, home, name, config)) for name in ("first", "second"))
    return first / second


def _make_ready(home: Workspace, name: str, config: TrainConfig) -> None:
    """Do what a training does before its first epoch, but for loading Keras."""
    from skin.models.classifier import build_classifier
    from skin.training.data import load_material
    from skin.training.features import features_path, frozen_features

    material = load_material(Run.create(home, name, config), home)
    backbone = build_classifier(config, material.dataset.task, home).backbone
    frozen_features(backbone, material.pixels, features_path(config, material.dataset, home))


def _demo(workspace: Workspace, settings: dict[str, int]) -> TrainConfig:
    folder = datasets.load("demo", workspace).images[0].path.parent.parent
    return TrainConfig.from_preset("demo", dataset=str(folder), **settings)


def stage_2_at_once(workspace: Workspace, size: Size = Size()) -> float:
    """Images a second of two fine-tunings at once, against those of one after the other."""
    config = _demo(workspace, {"stage1_epochs": 0, **size.stage_2})
    one, two = (_two_runs(config, parallel)[1] for parallel in (1, 2))
    return two / one


def presets_at_once(workspace: Workspace, size: Size = Size()) -> float:
    """Time of two runs of the demo preset one after the other, against that of the two at once."""
    config = _demo(workspace, size.demo)
    one, two = (_two_runs(config, parallel)[0] for parallel in (1, 2))
    return one / two


def _two_runs(config: TrainConfig, parallel: int) -> tuple[float, float]:
    """Seconds that two runs take, and the images of the last epochs that are trained on in one of them."""
    with _home() as home:
        _make_ready(home, "ready", config)
        trained: list[Run] = []
        configs = {f"run-{number}": config for number in range(2)}
        seconds = _seconds(lambda: trained.extend(_trained(home, configs, LOCAL, Resources(parallel=parallel))))
        rates = [run.history()[-1].images_per_second for run in trained]
        return seconds, sum(rates) * parallel / 2


def _trained(home: Workspace, configs: dict[str, TrainConfig], engine: str, resources: Resources) -> Sequence[Run]:
    started = jobs.start(home, configs, engine, resources)
    while any(run.status().is_running for run in started):
        time.sleep(0.1)
    if failed := [run for run in started if run.status().state is not State.FINISHED]:
        raise UserError(f"A run of the benchmark ended as {failed[0].status().state}: {' '.join(failed[0].log_tail())}")
    return started


def ray_run(workspace: Workspace, size: Size = Size()) -> float:
    """Seconds that a run takes longer on Ray, its cluster's start and all, as a percentage of five minutes."""
    config = _demo(workspace, size.demo)
    with _home() as home:
        _make_ready(home, "ready", config)
        every = Resources(cpus=cpu_count())
        local = _seconds(lambda: _trained(home, {"local": config}, LOCAL, every))
        ray = _seconds(lambda: _trained(home, {"ray": config}, "ray", dataclasses.replace(every, address="local")))
    return 100 * (ray - local) / FIVE_MINUTES


# Images


def scoring(engine: str) -> Callable[..., float]:
    """Images a second of two workers of this engine against the predictor alone on the same cores."""

    def measured(workspace: Workspace, size: Size = Size()) -> float:
        with _images(workspace, size.images) as (home, images):
            models = Models.of(home, SHIPPED["image"])
            alone = _seconds(lambda: predict_all(models.opened(), images, {}))
            resources = Resources(parallel=2, address="local" if engine != LOCAL else "")
            shared = _seconds(lambda: Scoring(home.home / "shared.csv", images, {}, models).run(engine, resources))
        return alone / shared

    return measured


def cost_per_image(workspace: Workspace, size: Size = Size()) -> float:
    """Time for each of many images, in one view, against that for each of few."""
    with _images(workspace, size.many) as (home, images):
        _in_one_view(home)
        seconds = {}
        for count in (size.few, size.many):
            job = Scoring(home.home / f"{count}.csv", images[:count], {}, Models.of(home, "one-view"))
            seconds[count] = _seconds(partial(job.run, LOCAL, Resources()))
    return (seconds[size.many] / size.many) / (seconds[size.few] / size.few)


@contextmanager
def _images(workspace: Workspace, count: int) -> Iterator[tuple[Workspace, list[tuple[str, Path]]]]:
    """So many names for the drawn images, and a home."""
    drawn: tuple[LesionImage, ...] = datasets.load("demo", workspace).images
    with _home() as home:
        yield home, [(f"{number}.jpg", image.path) for number, image in zip(range(count), itertools.cycle(drawn))]


def _in_one_view(home: Workspace) -> None:
    """A copy of the shipped image-only run that averages over no views: the cost of the network counts for less."""
    run = Run(home.runs / "one-view")
    shutil.copytree(runs.get(home, SHIPPED["image"]).folder, run.folder)
    config = dataclasses.asdict(run.config) | {"views": 1}
    run.config_path.write_text(json.dumps(config))
