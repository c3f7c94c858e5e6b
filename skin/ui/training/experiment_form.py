"""The part of the form that makes an experiment of a recipe: its kind, folds and seeds, or settings to vary, and the engine that it trains on."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from skin.config import TrainConfig
from skin.data import datasets, ham10000
from skin.engines.engine import ENGINES, LOCAL, settled
from skin.engines.resources import Resources
from skin.errors import UsageError
from skin.experiments import driver, kinds
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import KINDS, find_kind
from skin.experiments.plan import Design, Plan, models_of
from skin.ui.training import config_form
from skin.ui.training.config_form import TrainingPlan
from skin.workspace import Workspace

VARY_HELP = (
    "One a line, in the names of the command line: stage2_learning_rate=1e-4..1e-3:log, image_size=64..128, or "
    "backbone=efficientnet_lite0,resnet50."
)

RUN = ""
"""The kind that is no experiment."""


@dataclass(frozen=True)
class Option:
    """A field of Resources on the page: its option of the command line, its label and help, and the engines that heed it."""

    flag: str
    label: str
    help: str
    engines: tuple[str, ...]


OPTIONS: Mapping[str, Option] = {
    "parallel": Option("--parallel", "Runs at once", "They share the cores of this machine.", (LOCAL,)),
    "address": Option("--address", "Cluster", "auto, host:port or ray://host:port.", ("ray",)),
    "partition": Option("--partition", "Partition", "Left empty, Slurm's own choice.", ("slurm",)),
    "cpus": Option("--cpus-per-run", "CPUs per run", "0: the engine's usual share.", (LOCAL, "ray", "slurm")),
    "gpus": Option("--gpus-per-run", "GPUs per run", "", ("ray", "slurm")),
    "hours": Option("--hours", "Hours per run", "Slurm may end a run after so many.", ("slurm",)),
}
"""The fields of Resources, in the order of the page."""

_DEFAULTS = dataclasses.asdict(Resources())

DESIGN: Mapping[str, Callable[[Any], Any]] = {
    "folds": lambda value: _whole("Folds", value, 0),
    "seeds": lambda value: _whole("Seeds", value, 1),
    "vary": lambda value: tuple(str(value or "").split()),
    "trials": lambda value: _whole("Trials", value, 1),
}
"""The fields of a Design in the order of the page, each as its component's value is read."""


@dataclass(frozen=True)
class ExperimentForm:
    """The components; `options` are those of OPTIONS by their names."""

    kind: gr.Radio
    group: gr.Column
    question: gr.Markdown
    folds: gr.Number
    seeds: gr.Number
    vary: gr.Textbox
    trials: gr.Number
    engine: gr.Dropdown
    options: dict[str, gr.Number | gr.Textbox]

    @property
    def inputs(self) -> list[Any]:
        """The components that `asked_for` reads."""
        return [self.kind, self.folds, self.seeds, self.vary, self.trials, self.engine, *self.options.values()]

    @property
    def followers(self) -> list[Any]:
        """The components that `show_kind` sets, before the model and the button."""
        return [self.group, self.question, self.folds, self.seeds, self.vary, self.trials]


def lay_out_form() -> ExperimentForm:
    """The choice of a kind and, hidden while it is a run, the rest."""
    choices = [("Run", RUN), *((f"Experiment: {row.title.lower()}", name) for name, row in KINDS.items())]
    kind = gr.Radio(choices, value=RUN, label="Train", elem_id="kind")
    with gr.Column(visible=False, elem_classes="settings", elem_id="experiment") as group:
        question = gr.Markdown()
        with gr.Row():
            folds = gr.Number(
                0, label="Folds", info="Equal parts of which each tests once; 0: one split.", step=1, min_width=140
            )
            seeds = gr.Number(1, label="Seeds", info="Runs of each variant on each fold.", step=1, min_width=140)
            vary = gr.Textbox(label="Settings to vary", info=VARY_HELP, lines=3, visible=False, elem_id="vary")
            trials = gr.Number(
                Design().trials, label="Trials", info="Settings tried at most.", step=1, min_width=140, visible=False
            )
            engine = gr.Dropdown(
                list(ENGINES),
                value=LOCAL,
                label="Engine",
                info="Where the runs train.",
                min_width=140,
                elem_id="engine",
            )
            options = {name: _widget(name, option) for name, option in OPTIONS.items()}
    return ExperimentForm(kind, group, question, folds, seeds, vary, trials, engine, options)


def _widget(name: str, option: Option) -> gr.Number | gr.Textbox:
    default = _DEFAULTS[name]
    shared: dict[str, Any] = {"label": option.label, "info": option.help, "min_width": 140, "elem_id": f"option-{name}"}
    shared["visible"] = LOCAL in option.engines
    if isinstance(default, str):
        return gr.Textbox(default, **shared)
    return gr.Number(default, step=1 if isinstance(default, int) else 0.5, **shared)


def show_kind(kind: str) -> list[Any]:
    """The fields of a kind with its usual folds and models, and the button's label; nothing of it for a run."""
    if kind == RUN:
        return [gr.Column(visible=False), *[gr.skip()] * 6, gr.Button("Start training")]
    row = KINDS[kind]
    shown = {name: name in row.takes for name in DESIGN}
    return [
        gr.Column(visible=True),
        row.question,
        gr.Number(row.folds, visible=shown["folds"]),
        gr.Number(visible=shown["seeds"]),
        gr.Textbox(visible=shown["vary"]),
        gr.Number(visible=shown["trials"]),
        row.models,
        gr.Button("Start experiment"),
    ]


def show_engine(engine: str) -> list[Any]:
    """The options that the engine heeds."""
    return [gr.update(visible=engine in option.engines) for option in OPTIONS.values()]


@dataclass(frozen=True)
class Asked:
    """The experiment that the form asks for, beside its recipe; `design` holds the fields of the Design that its kind heeds."""

    kind: str
    design: Mapping[str, Any]
    engine: str
    resources: Resources


def asked_for(values: Sequence[Any]) -> Asked | None:
    """The content of `ExperimentForm.inputs`, None for a run. Raises UsageError where a number is none, or impossible."""
    kind, *rest = values
    if kind == RUN:
        return None
    design = dict(zip(DESIGN, rest, strict=False))
    engine, *options = rest[len(DESIGN) :]
    given = dict(zip(OPTIONS, options, strict=True))
    heeded = {name: value for name, value in given.items() if engine in OPTIONS[name].engines}
    resources = Resources(**{name: _checked(name, value) for name, value in heeded.items()})
    takes = find_kind(kind).takes
    return Asked(str(kind), {name: DESIGN[name](design[name]) for name in takes}, str(engine), resources)


def _checked(name: str, value: Any) -> Any:
    if isinstance(_DEFAULTS[name], str):
        return str(value or "").strip()
    if isinstance(_DEFAULTS[name], int):
        return _whole(OPTIONS[name].label, value, least=int(name == "parallel"))
    if not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"{OPTIONS[name].label} must be a number above 0.")
    return float(value)


def _whole(label: str, value: Any, least: int) -> int:
    if not isinstance(value, int | float) or value != int(value) or value < least:
        raise UsageError(f"{label} must be a whole number from {least} on.")
    return int(value)


def plan_experiment(
    workspace: Workspace, preset: str, name: str, settings: Mapping[str, Any], asked: Asked
) -> TrainingPlan:
    """The experiment; without a name, that of its kind and a number make one that is not taken.

    Raises UsageError when a value is impossible, or the name is no folder name or is taken.
    """
    recipe = config_form.config_of({**settings, "folds": 0, "fold": 0})
    free = name or experiments.free_name(workspace, asked.kind)
    models = models_of(str(settings["model"]))
    plan = kinds.plan(asked.kind, free, recipe, kinds.design(asked.kind, models, **asked.design))
    experiments.check_free(workspace, plan.name)
    plan = dataclasses.replace(plan, engine=asked.engine, resources=asked.resources)
    return TrainingPlan(plan, _command(preset, recipe, str(settings["model"]), plan, asked))


def _command(preset: str, recipe: TrainConfig, model: str, plan: Plan, asked: Asked) -> str:
    words = [asked.kind, "--dataset", recipe.dataset, "--preset", preset, "--model", model, "--name", plan.name]
    for name, value in asked.design.items():
        words += [word for own in (value if isinstance(value, tuple) else [value]) for word in (f"--{name}", str(own))]
    words += ["--engine", asked.engine]
    for name, value in dataclasses.asdict(asked.resources).items():
        if value != _DEFAULTS[name]:
            words += [OPTIONS[name].flag, str(value)]
    return shlex.join(
        ["python", "-m", "skin", "experiment", "run", *words, *config_form.settings_in_words(preset, recipe)]
    )


def start_experiment(workspace: Workspace, plan: Plan) -> Experiment:
    """Make the experiment and drive it from a process of its own.

    Raises UserError where its data set cannot be had, has no room for it, or the engine cannot be reached.
    """
    if plan.recipe.dataset == "kaggle" and not ham10000.is_downloaded(workspace):
        raise UsageError("Kaggle's HAM10000 is not here yet: open it on the Dataset tab first, which downloads it.")
    loaded = datasets.load(plan.recipe.dataset, workspace)
    kinds.check(plan, loaded)
    recipe = dataclasses.replace(plan.recipe, dataset=loaded.name)
    ready = dataclasses.replace(plan, recipe=recipe, resources=settled(plan.engine, plan.resources))
    experiment = experiments.create(workspace, ready, loaded.task)
    driver.start(workspace, experiment)
    return experiment
