"""Handlers of the Comparison tab: two runs or more on the same test images."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from skin.data.splits import key_of_test
from skin.errors import UserError
from skin.plots import comparison as plots
from skin.run import Run
from skin.ui.comparison import sections
from skin.ui.comparison.compared_runs import PART, ComparableRuns, ComparedRuns, LoadedReports
from skin.ui.comparison.export import DOWNLOADS
from skin.ui.components.choice import offer
from skin.ui.components.gallery import load_gallery
from skin.ui.components.loaded_report import LoadedReport, ReportKey, reported_runs
from skin.ui.components.notices import paragraph, status_line
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.components.tables import folded, headed, picture_list, rows_table
from skin.ui.gradio_internals import save_for_browser
from skin.workspace import Workspace

N_PICTURES = 24
NOTHING_YET = "No run has a report yet: train both models on the Training tab (the demo takes a few minutes)."
GONE = "It was renamed or deleted, or has no report yet."
NOT_ENOUGH = "Choose at least two runs; the first is what the others are compared with."
PINNED = "Any run is compared with it, whichever are chosen, until you untick this; your browser remembers it."


def choose_runs(workspace: Workspace, chosen: Sequence[str], opened_run: str, pinned: Sequence[str] = ()) -> list[Any]:
    """The runs to choose from, the keys of those that are compared, a notice, the content, and the tick of the baseline.

    Where nothing is chosen, it is the run that was opened elsewhere, else the newest that has one on the same images.
    The pinned run, one or none, is the first whatever is chosen, while there is such a run. What cannot be compared with
    the first is marked, and left out with the reason.
    """
    runs = reported_runs(workspace)
    baseline = [name for name in pinned if name in runs]
    names = list(dict.fromkeys([*baseline, *(chosen or _usual(runs, opened_run, baseline))]))
    comparable = ComparableRuns.of(runs[name] for name in dict.fromkeys([*names, *runs]) if name in runs)
    obstacles = {**{name: GONE for name in names if name not in runs}, **comparable.obstacles}
    keys = tuple(ReportKey.of_run(workspace, name, PART) for name in names if name in comparable.names)
    enough = len(keys) > 1
    notice = Markup() if enough else status_line(NOT_ENOUGH if runs else NOTHING_YET)
    notice += _left_out(names, obstacles)
    return [
        offer(_choices(runs, names, obstacles), names, chosen, multiselect=True),
        keys if enough else None,
        gr.HTML(notice, visible=bool(notice)),
        gr.Column(visible=enough),
        _tick(names, bool(baseline), enough),
    ]


def _tick(names: Sequence[str], is_pinned: bool, enough: bool) -> gr.Checkbox:
    label = f"Keep {names[0]} as the baseline" if names else None
    return gr.Checkbox(is_pinned, label=label, visible=enough or is_pinned)


def pin(is_wanted: bool, chosen: Sequence[str]) -> list[str]:
    """The run that stays the baseline, the first of the chosen ones, or none. A browser would not keep an empty text."""
    return list(chosen[:1]) if is_wanted else []


def _usual(runs: Mapping[str, Run], opened_run: str, pinned: Sequence[str]) -> list[str]:
    """The runs that are compared where none is chosen, with the pinned one or none."""
    if opened_run not in ("", *pinned) and pinned:
        return [opened_run]
    first = opened_run or next(iter(pinned), "")
    return _pair(runs, first) if first else _first_pair(runs)


def _left_out(names: Sequence[str], obstacles: Mapping[str, str]) -> Markup:
    """Why runs cannot be compared: those that were chosen in a sentence each, the others folded away."""
    chosen = Markup().join(status_line(f"{name} is left out. {obstacles[name]}") for name in names if name in obstacles)
    others = [(name, reason) for name, reason in obstacles.items() if name not in names]
    if not others:
        return chosen
    table = rows_table(["Run", "Why not"], others)
    count = f"{len(others):,} more run{'s' * (len(others) > 1)}"
    return chosen + folded(f"{count} cannot be compared with these: which, and why", table)


def show_opened_run(workspace: Workspace, opened_run: str) -> Any:
    """The run that another tab opened, beside one that was trained on the same images."""
    runs = reported_runs(workspace)
    if not opened_run:
        return gr.skip()
    pair = _pair(runs, opened_run)
    return gr.Dropdown(_choices(runs, pair), value=pair, multiselect=True)


def _choices(runs: Iterable[str], chosen: Sequence[str], obstacles: Collection[str] = ()) -> list[tuple[str, str]]:
    names = dict.fromkeys([*runs, *chosen])
    return [(f"{name} (cannot be compared)" if name in obstacles else name, name) for name in names]


def _pair(runs: Mapping[str, Run], name: str) -> list[str]:
    """The newest other run with the same data set, split and seed, if there is one, as the baseline of this run."""
    if name not in runs:
        return [name]
    images = _images(runs[name])
    others = (other for other, run in runs.items() if other != name and images and _images(run) == images)
    fitting = next((other for other in others if not ComparableRuns.of([runs[other], runs[name]]).obstacles), None)
    return [fitting, name] if fitting else [name]


def _first_pair(runs: Mapping[str, Run]) -> list[str]:
    """The newest two of the same images; an image-only model is the baseline of what the patient's data add to it."""
    pairs = (_pair(runs, name) for name in runs)
    pair = next((pair for pair in pairs if len(pair) == 2), None)
    return sorted(pair, key=lambda name: runs[name].config.model) if pair else list(runs)[:1]


def _images(run: Run) -> tuple[str | int, ...] | None:
    """The settings that decide which images a run is tested on; None for a damaged run."""
    try:
        return key_of_test(run.config)
    except UserError:
        return None


def show_verdict(compared_runs: ComparedRuns) -> list[Any]:
    """The verdict on each run beside the baseline; the differences drawn, as a table, and on each diagnosis."""
    verdict = headed("Verdict", sections.verdict(compared_runs.comparisons))
    different = compared_runs.different
    if not different:
        return [verdict, gr.Plot(visible=False), "", ""]
    figure = plots.difference_intervals({comparison.b: comparison.difference for comparison in different})
    return [
        verdict,
        gr.Plot(figure, visible=True),
        sections.difference_table(compared_runs.loaded_reports, different),
        headed("Differences on each diagnosis", sections.class_difference_tables(different)),
    ]


def show_settings(compared_runs: ComparedRuns) -> Markup:
    """The settings in which the runs differ, and no others."""
    return headed("Settings", sections.settings_table(compared_runs.configs))


def show_classes(compared_runs: ComparedRuns) -> list[Any]:
    """F1 of each diagnosis, the confusion matrices, and the histories; below each figure its table."""
    return [
        plots.class_f1_by_run(compared_runs.reports),
        folded("F1 of each diagnosis as a table", sections.f1_table(compared_runs.loaded_reports)),
        headed("Who is taken for whom", sections.matrices(compared_runs.loaded_reports)),
        plots.histories(compared_runs.histories),
        folded("What each training reached, as a table", sections.history_table(compared_runs.histories)),
    ]


def make_file(kind: str, compared_runs: ComparedRuns) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    return save_for_browser(write(compared_runs).encode(), f"comparison.{suffix}")


def disagreement_choices(compared_runs: ComparedRuns) -> Any:
    """The runs whose exclusive hits the page can list."""
    names = list(compared_runs.loaded_reports)
    return gr.Radio([(f"only {name} is right", name) for name in names], value=names[-1])


def show_disagreements(open_datasets: OpenDatasets, compared_runs: ComparedRuns, name: str) -> tuple[str, Any]:
    """The images that this run alone gets right, the surest first: a heading, and a gallery or a list."""
    loaded_reports = compared_runs.loaded_reports
    if name not in loaded_reports:
        return "", gr.Gallery(visible=False)
    ids = only_right(loaded_reports, name)
    captions = _captions(loaded_reports, ids[:N_PICTURES])
    shown = f", the {N_PICTURES} surest" if len(ids) > N_PICTURES else ""
    sentence = (
        f"{len(ids):,} image{'s' * (len(ids) != 1)}{shown}: the truth, then what {', '.join(loaded_reports)} say."
    )
    heading = paragraph(sentence)
    try:
        return heading, gr.Gallery(load_gallery(captions, loaded_reports[name], open_datasets), visible=bool(captions))
    except UserError as error:
        return heading + status_line(str(error)) + picture_list(captions), gr.Gallery(visible=False)


def only_right(loaded_reports: LoadedReports, name: str) -> list[str]:
    """Ids of the images that all the runs judge and this one alone gets right, the surest first."""
    judged = set.intersection(*(set(loaded.predictions.image_ids) for loaded in loaded_reports.values()))
    others = set[str]().union(*(_right(loaded) for run, loaded in loaded_reports.items() if run != name))
    predictions = loaded_reports[name].predictions
    surest_first = np.argsort(-predictions.probabilities.max(axis=1), kind="stable")
    wanted = (judged & _right(loaded_reports[name])) - others
    return [predictions.image_ids[row] for row in surest_first if predictions.image_ids[row] in wanted]


def _right(loaded: LoadedReport) -> set[str]:
    predictions = loaded.predictions
    return {predictions.image_ids[row] for row in np.flatnonzero(predictions.predicted == predictions.truth)}


def _captions(loaded_reports: LoadedReports, ids: Sequence[str]) -> dict[str, str]:
    """For each image the truth, and what each run says with which confidence."""
    rows = [{image_id: row for row, image_id in enumerate(s.predictions.image_ids)} for s in loaded_reports.values()]
    captions = {}
    for image_id in ids:
        said = [_said(s, row[image_id]) for s, row in zip(loaded_reports.values(), rows, strict=True)]
        first = next(iter(loaded_reports.values()))
        captions[image_id] = (
            f"{first.predictions.task.codes[first.predictions.truth[rows[0][image_id]]]}: {' | '.join(said)}"
        )
    return captions


def _said(loaded: LoadedReport, row: int) -> str:
    predictions = loaded.predictions
    return f"{predictions.task.codes[predictions.predicted[row]]} {predictions.probabilities[row].max():.0%}"
