"""The Comparison tab: two or more runs on the same test images."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from skin.data.splits import key_of_test
from skin.errors import UserError
from skin.plots import comparison as plots
from skin.run import Run
from skin.ui import comparison_html as pieces
from skin.ui import downloads, report_html
from skin.ui.compared import PART, Compared, Fit, Subjects, load_compared
from skin.ui.comparison_file import DOWNLOADS
from skin.ui.page import Page, spoken
from skin.ui.pictures import GALLERY, pictures
from skin.ui.selection import Shelf
from skin.ui.subject import Key, Subject, reported_runs
from skin.ui.view import QUIET, View, tab_being_built
from skin.workspace import Workspace

MAX_RUNS = len(plots.RUN_STYLES)
N_PICTURES = 24

NOTHING_YET = "No run has a report yet: train both models on the Training tab (the demo takes a few minutes)."
GONE = "It was renamed or deleted, or has no report yet."
NOT_ENOUGH = "Choose at least two runs; the first is what the others are compared with."


def choose(workspace: Workspace, chosen: Sequence[str], opened: str) -> list[Any]:
    """The runs to choose from, the keys of those that are compared, a notice, and the content.

    Where nothing is chosen, it is the run that was opened elsewhere, else the newest that has one on the same images.
    What cannot be compared with the first of the chosen ones is marked, and left out with the reason.
    """
    runs = reported_runs(workspace)
    names = list(dict.fromkeys(chosen)) or (_pair(runs, opened) if opened else _first_pair(runs))
    fit = Fit.of(runs[name] for name in dict.fromkeys([*names, *runs]) if name in runs)
    obstacles = {**{name: GONE for name in names if name not in runs}, **fit.obstacles}
    keys = tuple(Key.of_run(workspace, name, PART) for name in names if name in fit.names)
    enough = len(keys) > 1
    notice = "" if enough else _notice(NOT_ENOUGH if runs else NOTHING_YET)
    notice += _left_out(names, obstacles)
    return [
        _dropdown(runs, names, obstacles),
        keys if enough else None,
        gr.HTML(notice, visible=bool(notice)),
        gr.Column(visible=enough),
    ]


def _left_out(names: Sequence[str], obstacles: Mapping[str, str]) -> str:
    """Why runs cannot be compared: those that were chosen in a sentence each, the others folded away."""
    chosen = "".join(_notice(f"{name} is left out. {obstacles[name]}") for name in names if name in obstacles)
    others = [(name, reason) for name, reason in obstacles.items() if name not in names]
    if not others:
        return chosen
    table = report_html.rows_table(["Run", "Why not"], others)
    count = f"{len(others):,} more run{'s' * (len(others) > 1)}"
    return f"{chosen}<details><summary>{count} cannot be compared with these: which, and why</summary>{table}</details>"


def follow(workspace: Workspace, opened: str) -> Any:
    """The run that another tab opened, beside one that was trained on the same images."""
    runs = reported_runs(workspace)
    return _dropdown(runs, _pair(runs, opened)) if opened else gr.skip()


def _dropdown(runs: Iterable[str], chosen: Sequence[str], obstacles: Collection[str] = ()) -> gr.Dropdown:
    names = dict.fromkeys([*runs, *chosen])
    choices = [(f"{name} (cannot be compared)" if name in obstacles else name, name) for name in names]
    return gr.Dropdown(choices, value=list(chosen), multiselect=True)


def _pair(runs: Mapping[str, Run], name: str) -> list[str]:
    """The newest other run with the same data set, split and seed, if there is one, as the baseline of this run."""
    if name not in runs:
        return [name]
    images = _images(runs[name])
    others = (other for other, run in runs.items() if other != name and images and _images(run) == images)
    fitting = next((other for other in others if not Fit.of([runs[other], runs[name]]).obstacles), None)
    return [fitting, name] if fitting else [name]


def _first_pair(runs: Mapping[str, Run]) -> list[str]:
    """The newest two of the same images; an image-only model is the baseline of what the patient's data add to it."""
    pairs = (_pair(runs, name) for name in runs)
    pair = next((pair for pair in pairs if len(pair) == 2), None)
    return sorted(pair, key=lambda name: runs[name].config.model) if pair else list(runs)[:1]


def _images(run: Run) -> tuple[str | int, ...] | None:
    """What decides which images a run is tested on; None for a damaged run."""
    try:
        return key_of_test(run.config)
    except UserError:
        return None


def _notice(sentence: str) -> str:
    return f'<p role="status">{escape(sentence)}</p>'


def show_verdict(compared: Compared) -> list[Any]:
    """What is said of each run beside the baseline; the differences drawn, as a table, and on each diagnosis."""
    verdict = f"<h2>Verdict</h2>{pieces.verdict(compared.comparisons)}"
    different = compared.different
    if not different:
        return [verdict, gr.Plot(visible=False), "", ""]
    figure = plots.difference_intervals({comparison.b: comparison.difference for comparison in different})
    classes = "".join(map(pieces.class_difference_table, different))
    return [
        verdict,
        gr.Plot(figure, visible=True),
        pieces.difference_table(compared.subjects, different),
        f"<h2>Differences on each diagnosis</h2>{classes}",
    ]


def show_settings(compared: Compared) -> str:
    """The settings in which the runs differ, and no others."""
    return f"<h2>Settings</h2>{pieces.settings_table(compared.configs)}"


def show_classes(compared: Compared) -> list[Any]:
    """F1 of each diagnosis, the confusion matrices, and the histories; below each figure its table."""
    return [
        plots.class_f1_by_run(compared.reports),
        pieces.folded("F1 of each diagnosis as a table", pieces.f1_table(compared.subjects)),
        f"<h2>Who is taken for whom</h2>{pieces.matrices(compared.subjects)}",
        plots.histories(compared.histories),
        pieces.folded("What each training reached, as a table", pieces.history_table(compared.histories)),
    ]


def make_file(kind: str, compared: Compared) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    return save_bytes_to_cache(write(compared).encode(), f"comparison.{suffix}", get_upload_folder())


def offer_disagreements(compared: Compared) -> Any:
    """Whose lonely successes can be looked at."""
    names = list(compared.subjects)
    return gr.Radio([(f"only {name} is right", name) for name in names], value=names[-1])


def show_disagreements(shelf: Shelf, compared: Compared, name: str) -> tuple[str, Any]:
    """The images that this run alone gets right, the surest first: a heading, and a gallery or a list."""
    subjects = compared.subjects
    if name not in subjects:
        return "", gr.Gallery(visible=False)
    ids = only_right(subjects, name)
    captions = _captions(subjects, ids[:N_PICTURES])
    shown = f", the {N_PICTURES} surest" if len(ids) > N_PICTURES else ""
    sentence = f"{len(ids):,} image{'s' * (len(ids) != 1)}{shown}: the truth, then what {', '.join(subjects)} say."
    heading = f"<p>{escape(sentence)}</p>"
    try:
        return heading, gr.Gallery(pictures(captions, subjects[name], shelf), visible=bool(captions))
    except UserError as error:
        return f"{heading}{_notice(str(error))}{report_html.picture_list(captions)}", gr.Gallery(visible=False)


def only_right(subjects: Subjects, name: str) -> list[str]:
    """Ids of the images that all the runs judge and this one alone gets right, the surest first."""
    judged = set.intersection(*(set(subject.predictions.image_ids) for subject in subjects.values()))
    others = set[str]().union(*(_right(subject) for run, subject in subjects.items() if run != name))
    predictions = subjects[name].predictions
    surest_first = np.argsort(-predictions.probabilities.max(axis=1), kind="stable")
    wanted = (judged & _right(subjects[name])) - others
    return [predictions.image_ids[row] for row in surest_first if predictions.image_ids[row] in wanted]


def _right(subject: Subject) -> set[str]:
    predictions = subject.predictions
    return {predictions.image_ids[row] for row in np.flatnonzero(predictions.predicted == predictions.truth)}


def _captions(subjects: Subjects, ids: Sequence[str]) -> dict[str, str]:
    """For each image the truth, and what each run says with which confidence."""
    rows = [{image_id: row for row, image_id in enumerate(s.predictions.image_ids)} for s in subjects.values()]
    captions = {}
    for image_id in ids:
        said = [_said(s, row[image_id]) for s, row in zip(subjects.values(), rows, strict=True)]
        first = next(iter(subjects.values()))
        captions[image_id] = (
            f"{first.predictions.task.codes[first.predictions.truth[rows[0][image_id]]]}: {' | '.join(said)}"
        )
    return captions


def _said(subject: Subject, row: int) -> str:
    predictions = subject.predictions
    return f"{predictions.task.codes[predictions.predicted[row]]} {predictions.probabilities[row].max():.0%}"


def build(page: Page) -> None:
    """Lay out and wire the tab."""
    workspace = page.workspace
    runs = gr.Dropdown([], value=[], multiselect=True, max_choices=MAX_RUNS, label="Runs", info=NOT_ENOUGH)
    notice = gr.HTML(_notice(NOT_ENOUGH), elem_classes="report")
    view = View(gr.State(None), lru_cache(maxsize=4)(partial(load_compared, workspace)))
    with gr.Column(visible=False) as content:
        _build_verdict(view)
        view.follow(show_settings, [gr.HTML(elem_classes="report")])
        _build_classes(view)
        _build_disagreements(view, page.shelf)
    choosing = {
        "fn": spoken(partial(choose, workspace)),
        "inputs": [runs, page.opened],
        "outputs": [runs, view.shown, notice, content],
        **QUIET,
    }
    gr.on([tab_being_built(page).select, runs.input], **choosing)
    page.opened.change(partial(follow, workspace), page.opened, runs, **QUIET).then(**choosing)


def _build_verdict(view: View) -> None:
    verdict = gr.HTML(elem_classes="report", elem_id="verdict-of-comparison")
    downloads.offer(view, DOWNLOADS, make_file, "comparison")
    figure = gr.Plot(label="Differences with their intervals", show_label=False)
    table, classes = gr.HTML(elem_classes="report"), gr.HTML(elem_classes="report")
    view.follow(show_verdict, [verdict, figure, table, classes])


def _build_classes(view: View) -> None:
    scores = gr.Plot(label="F1 of each diagnosis by run", show_label=False)
    scores_table, matrices = gr.HTML(elem_classes="report"), gr.HTML(elem_classes="report")
    histories = gr.Plot(label="Validation loss and accuracy by epoch and run", show_label=False)
    histories_table = gr.HTML(elem_classes="report")
    view.follow(show_classes, [scores, scores_table, matrices, histories, histories_table])


def _build_disagreements(view: View, shelf: Shelf) -> None:
    gr.Markdown("## Where they disagree")
    whose = gr.Radio([], label="Test images where")
    heading = gr.HTML(elem_classes="report")
    gallery = gr.Gallery(**GALLERY)
    view.follow(offer_disagreements, [whose])
    view.follow(partial(show_disagreements, shelf), [heading, gallery], [whose], whose.change)
