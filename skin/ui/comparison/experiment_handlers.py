"""Handlers of the experiments of the Comparison tab: what the runs of one say together."""

from dataclasses import dataclass
from typing import Any, Self

import gradio as gr
from markupsafe import Markup

from skin.config import MODELS
from skin.errors import UserError
from skin.experiments.experiment import Experiment, get, list_experiments
from skin.experiments.kinds import find_kind
from skin.experiments.plan import Member
from skin.experiments.results import Results
from skin.run import State
from skin.ui.comparison import experiment_sections as sections
from skin.ui.comparison.experiment_export import DOWNLOADS
from skin.ui.components.notices import status_line
from skin.ui.components.tables import folded, headed
from skin.ui.gradio_internals import save_for_browser
from skin.workspace import Workspace

NOTHING_YET = (
    "There is no experiment yet. One trains both models over folds and seeds, and tells what metadata adds: "
    "python -m skin experiment run metadata --dataset demo --preset demo --folds 3 --seeds 3"
)
N_DIFFERENCE_FIGURES = 2 * len(MODELS)
"""The most that an experiment has: of each contrast one of the metrics and one of the diagnoses."""


@dataclass(frozen=True)
class ResultsKey:
    """An experiment's name and, of each of its runs, the state and the time of its predictions."""

    name: str
    stamp: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Raises UserError when the plan is missing or damaged, or of a kind that this version does not know."""
        find_kind(experiment.plan.kind)
        rows = experiment.status().members
        return cls(experiment.name, tuple((row.state, _time_of_predictions(experiment, row.member)) for row in rows))


def _time_of_predictions(experiment: Experiment, member: Member) -> int:
    path = experiment.run(member).predictions_path
    return path.stat().st_mtime_ns if path.is_file() else 0


def load_results(workspace: Workspace, key: ResultsKey) -> Results:
    """The results that the key stands for. Raises UserError when the experiment is gone."""
    return Results.of(get(workspace, key.name))


def choose_experiment(workspace: Workspace, chosen: str | None) -> list[Any]:
    """The experiments to choose from, the key of the one that is shown, a notice, and the content.

    Where none is chosen, or it is gone, it is the newest.
    """
    experiments = {experiment.name: experiment for experiment in list_experiments(workspace)}
    name = chosen if chosen in experiments else next(iter(experiments), None)
    choices = [(_label(experiment), own) for own, experiment in experiments.items()]
    key, notice = None, status_line(NOTHING_YET)
    if name is not None:
        try:
            key, notice = ResultsKey.of(experiments[name]), Markup()
        except UserError as error:
            notice = status_line(str(error))
    return [
        gr.Dropdown(choices, value=name, visible=bool(experiments)),
        key,
        gr.HTML(notice, visible=bool(notice)),
        gr.Column(visible=key is not None),
    ]


def _label(experiment: Experiment) -> str:
    """The name of an experiment, and how many of its runs have finished."""
    try:
        states = [row.state for row in experiment.status().members]
    except UserError:
        return f"{experiment.name} (damaged)"
    return f"{experiment.name}: {states.count(State.FINISHED)} of {len(states)} runs finished"


def show_results(results: Results) -> list[Any]:
    """The verdict; the figures of the differences, and their tables; every run; how they learnt; how it was made."""
    outcome = results.outcome
    figures = [figure for own in outcome.comparisons for figure in sections.difference_figures(results, own)]
    plots = [gr.Plot(figure, visible=True) for figure in figures[:N_DIFFERENCE_FIGURES]]
    left_out = sections.left_out_table(results)
    return [
        headed("Verdict", sections.verdict(results)),
        *plots,
        *(gr.Plot(None, visible=False) for _ in range(N_DIFFERENCE_FIGURES - len(plots))),
        headed("Pooled over folds and seeds", sections.pooled_tables(results)) if figures else "",
        headed("Differences on each diagnosis", sections.class_tables(results)) if figures else "",
        gr.Plot(sections.points_figure(results), visible=True) if outcome.points else gr.Plot(None, visible=False),
        folded("Every run as a table", sections.runs_table(results)) if outcome.points else "",
        _curves(results),
        headed("Runs that are in no figure", left_out) if left_out else "",
        headed("How it was made", sections.made_tables(results)),
    ]


def _curves(results: Results) -> gr.Plot:
    have_trained = any(results.histories.values())
    return gr.Plot(sections.curves_figure(results) if have_trained else None, visible=have_trained)


def make_file(kind: str, results: Results) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    return save_for_browser(write(results).encode(), f"experiment-{results.plan.name}.{suffix}")
