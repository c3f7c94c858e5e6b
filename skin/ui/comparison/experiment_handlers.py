"""Handlers of the experiments of the Comparison tab: what the runs of one say together."""

from dataclasses import dataclass
from typing import Any, Self

import gradio as gr
from markupsafe import Markup

from skin.errors import UserError
from skin.experiments.experiment import Experiment, find, get, list_experiments
from skin.experiments.kinds import find_kind
from skin.experiments.results import Results, read
from skin.experiments.sweep_results import SweepResults
from skin.run import Run, State
from skin.ui.comparison.experiment_contents import MAX_FIGURES, contents_of
from skin.ui.comparison.experiment_export import DOWNLOADS
from skin.ui.components.choice import offer
from skin.ui.components.notices import status_line
from skin.ui.components.tables import headed
from skin.ui.gradio_internals import save_for_browser
from skin.workspace import Workspace

NOTHING_YET = (
    "There is no experiment yet. One trains both models over folds and seeds, and tells what metadata adds: "
    "python -m skin experiment run metadata --dataset demo --preset demo --folds 3 --seeds 3"
)


@dataclass(frozen=True)
class ResultsKey:
    """An experiment's name and, of each of its runs, the state and when its history or its predictions last changed."""

    name: str
    stamp: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Raises UserError when the plan is missing or damaged, or of a kind that this version does not know."""
        find_kind(experiment.plan.kind)
        rows = experiment.status().members
        return cls(experiment.name, tuple((row.state, _last_change(experiment.run(row.member))) for row in rows))


def _last_change(run: Run) -> int:
    paths = run.history_path, run.predictions_path
    return max((path.stat().st_mtime_ns for path in paths if path.is_file()), default=0)


def load_results(workspace: Workspace, key: ResultsKey) -> Results | SweepResults:
    """The results that the key stands for. Raises UserError when the experiment is gone."""
    return read(get(workspace, key.name))


def choose_experiment(workspace: Workspace, chosen: str | None, opened: str = "") -> list[Any]:
    """The experiments to choose from, the key of the one that is shown, a notice, and the content.

    Where none is chosen, or it is gone, it is the one that a link opened, else the newest.
    """
    experiments = {experiment.name: experiment for experiment in list_experiments(workspace)}
    name = next((name for name in (chosen, opened, *experiments) if name in experiments), None)
    key, notice = None, status_line(NOTHING_YET)
    if name is not None:
        try:
            key, notice = ResultsKey.of(experiments[name]), Markup()
        except UserError as error:
            notice = status_line(str(error))
    return [
        offer(_choices(workspace), name, chosen, visible=bool(experiments)),
        key,
        gr.HTML(notice, visible=bool(notice)),
        gr.Column(visible=key is not None),
    ]


def show_opened_experiment(workspace: Workspace, opened: str) -> Any:
    """The experiment that a link or another tab opened, whichever was chosen before."""
    return gr.Dropdown(_choices(workspace), value=opened) if opened and find(workspace, opened) else gr.skip()


def _choices(workspace: Workspace) -> list[tuple[str, str]]:
    return [(_label(experiment), experiment.name) for experiment in list_experiments(workspace)]


def _label(experiment: Experiment) -> str:
    """The name of an experiment, and how many of its runs have finished."""
    try:
        states = [row.state for row in experiment.status().members]
    except UserError:
        return f"{experiment.name} (damaged)"
    return f"{experiment.name}: {states.count(State.FINISHED)} of {len(states)} runs finished"


def show_results(results: Results | SweepResults) -> list[Any]:
    """The verdict, the figures, of which there may be fewer than there is room for, and the sections."""
    contents = contents_of(results)
    figures = [gr.Plot(figure, visible=True, label=figure.layout.title.text) for figure in contents.figures]
    hidden = [gr.Plot(None, visible=False) for _ in range(MAX_FIGURES - len(figures))]
    sections = (headed(heading, content) for heading, content in contents.sections.items())
    return [
        headed("Verdict", contents.verdict),
        *figures,
        *hidden,
        Markup().join(sections),
    ]


def make_file(kind: str, results: Results | SweepResults) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    return save_for_browser(write(results).encode(), f"experiment-{results.plan.name}.{suffix}")
