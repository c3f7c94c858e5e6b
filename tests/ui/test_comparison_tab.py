"""The Comparison tab's handlers, on plain values."""

import dataclasses
import json
from typing import Any

import gradio as gr
import plotly.graph_objects as go
import pytest

from skin.compare import compare
from skin.metrics import METRICS
from skin.report import Predictions, load_predictions, save_predictions
from skin.run import Run
from skin.ui import comparison_tab as tab
from skin.ui.selection import Shelf
from skin.ui.subject import Key
from skin.workspace import Workspace


@pytest.fixture
def subjects(workspace: Workspace, add_run: Any) -> tab.Subjects:
    """Three runs: two on the same images, the third on others."""
    add_run("image", 0.3)
    add_run("multimodal", 2.0, model="multimodal")
    add_run("other-seed", 2.0, seed=7)
    return tab.load(workspace, [Key.of_run(workspace, name, "test") for name in ("image", "multimodal", "other-seed")])


def pair(subjects: tab.Subjects) -> tab.Subjects:
    return {name: subjects[name] for name in ("image", "multimodal")}


def test_one_run_alone_is_not_compared(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    runs, shown, notice, content = tab.choose(workspace, ["mine"], "")
    assert (runs.value, shown, content.visible) == (["mine"], None, False)
    assert "at least two runs" in notice.value


def test_at_first_two_runs_on_the_same_images_are_compared(workspace: Workspace, subjects: tab.Subjects) -> None:  # noqa: ARG001 (makes the runs)
    runs, shown, _, content = tab.choose(workspace, [], "")
    assert sorted(runs.value) == ["image", "multimodal"]
    assert [key.run for key in shown] == runs.value
    assert content.visible


def test_a_run_opened_elsewhere_stands_beside_its_sibling(workspace: Workspace, subjects: tab.Subjects) -> None:  # noqa: ARG001 (makes the runs)
    assert tab.choose(workspace, [], "multimodal")[0].value == ["image", "multimodal"]
    assert tab.follow(workspace, "multimodal").value == ["image", "multimodal"]
    assert tab.follow(workspace, "other-seed").value == ["other-seed"]
    assert tab.follow(workspace, "") == gr.skip()


def test_a_deleted_or_damaged_run_is_a_sentence(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    add_run("hurt").config_path.write_text("{")
    assert "no report of a run &#x27;gone&#x27;" in tab.choose(workspace, ["mine", "gone"], "")[2].value
    assert "no run configuration" in tab.choose(workspace, ["mine", "hurt"], "")[2].value


def test_where_nothing_is_chosen_the_shipped_pair_is_compared(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    chosen = tab.choose(workspace, [], "")[1]
    assert [key.run for key in chosen] == ["ham10000-image", "ham10000-multimodal"]


def test_the_verdict_is_that_of_the_comparison(subjects: tab.Subjects, workspace: Workspace) -> None:
    verdict, figure, table = tab.show_verdict(pair(subjects))
    a, b = (load_predictions(workspace.runs / name / "predictions.npz")["test"] for name in ("image", "multimodal"))
    comparison = compare(a, b, ("image", "multimodal"))
    assert comparison.verdict in verdict
    assert f"multimodal alone on {len(comparison.only_b)}" in verdict
    assert figure.visible
    assert all(metric.label in table for metric in METRICS.values())
    assert f"{comparison.difference['accuracy'].value:+.3f}" in table


def test_other_test_images_are_refused_with_the_reason_and_the_rest_compared(subjects: tab.Subjects) -> None:
    verdict, figure, table = tab.show_verdict(subjects)
    assert "No verdict on image and other-seed. The test sets differ" in verdict
    assert "multimodal is better than image" in verdict
    assert figure.visible
    assert table
    alone = {name: subjects[name] for name in ("image", "other-seed")}
    verdict, figure, table = tab.show_verdict(alone)
    assert "The test sets differ" in verdict
    assert not figure.visible
    assert table == ""


def test_only_the_settings_that_differ_are_listed(workspace: Workspace, subjects: tab.Subjects) -> None:
    fair = tab.show_settings(workspace, pair(subjects))
    assert "Nothing but the model differs" in fair
    assert fair.count("<tr>") == 2
    unfair = tab.show_settings(workspace, subjects)
    assert "may come from any of these" in unfair
    assert "Seed" in unfair
    assert "Backbone" not in unfair


def test_each_run_has_its_bars_its_matrix_and_its_history(subjects: tab.Subjects) -> None:
    bars, matrices, histories = tab.show_classes(subjects)
    assert [trace.name for trace in bars.data] == list(subjects)
    assert matrices.count("<table>") == 3
    assert {trace.name for trace in histories.data} == set(subjects)


def test_images_that_one_run_alone_gets_right(subjects: tab.Subjects) -> None:
    both = pair(subjects)
    comparison = compare(both["image"].predictions, both["multimodal"].predictions, ("image", "multimodal"))
    assert set(tab.only_right(both, "multimodal")) == set(comparison.only_b)
    assert set(tab.only_right(both, "image")) == set(comparison.only_a)


def test_disagreements_are_shown_with_what_each_run_says(shared_workspace: Workspace, subjects: tab.Subjects) -> None:
    both = pair(subjects)
    assert tab.offer_disagreements(both).value == "multimodal"
    heading, gallery = tab.show_disagreements(Shelf(shared_workspace), both, "multimodal")
    ids = tab.only_right(both, "multimodal")
    assert f"{len(ids)} images" in heading
    assert gallery.value[0]["caption"].endswith(ids[0])
    assert " | " in gallery.value[0]["caption"]


def test_a_choice_of_runs_that_are_no_longer_compared_shows_nothing(
    shared_workspace: Workspace, subjects: tab.Subjects
) -> None:
    heading, gallery = tab.show_disagreements(Shelf(shared_workspace), subjects, "gone")
    assert heading == ""
    assert not gallery.visible


HOSTILE = '<img src=x onerror="attacked=1">'


def every_string(shown: Any) -> str:
    """What a handler hands to the page, as one text; plotly's own JSON hides what is markup in it."""
    if isinstance(shown, gr.Plot):
        return str(json.loads(shown.value["plot"]))
    if isinstance(shown, go.Figure):
        return str(shown.to_plotly_json())
    return str(shown.value if isinstance(shown, gr.HTML) else shown)


def test_no_name_on_disk_becomes_markup(workspace: Workspace, add_run: Any) -> None:
    """Whoever may put a folder in place chooses its name, its images' and its data set's."""
    names = [f"{HOSTILE}{number}" for number in range(2)]
    for number, name in enumerate(names):
        run = add_run(f"run{number}", 0.3 + number, dataset=f"/{HOSTILE}{number}")
        run.folder.rename(run.folder.with_name(name))
        path = Run(run.folder.with_name(name)).predictions_path
        parts = {part: renamed(predictions) for part, predictions in load_predictions(path).items()}
        save_predictions(path, parts)
    subjects = tab.load(workspace, [Key.of_run(workspace, name, "test") for name in names])
    verdict, drawn, table = tab.show_verdict(subjects)
    shown = [
        verdict,
        drawn,
        table,
        tab.show_settings(workspace, subjects),
        *tab.show_classes(subjects),
        *(tab.show_disagreements(Shelf(workspace), subjects, name)[0] for name in subjects),
        tab.choose(workspace, names[:1], "")[2],
        tab.choose(workspace, [HOSTILE, names[0]], "")[2],
    ]
    texts = [every_string(part) for part in shown]
    assert all("onerror" in text for text in texts[:-2])
    assert not any("<img" in text for text in texts)


def renamed(predictions: Predictions) -> Predictions:
    return dataclasses.replace(predictions, image_ids=tuple(f"{HOSTILE}{id}" for id in predictions.image_ids))
