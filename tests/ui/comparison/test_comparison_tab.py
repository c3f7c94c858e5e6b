"""The Comparison tab's handlers, on plain values."""

import dataclasses
import io
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import plotly.graph_objects as go
import pytest
from ham import CODES

from skin.evaluation.compare import compare
from skin.evaluation.metrics import METRICS
from skin.evaluation.origin import FACTS
from skin.evaluation.predictions import Predictions, load_predictions, save_predictions
from skin.run import Run
from skin.ui.comparison import handlers
from skin.ui.comparison.compared_runs import ComparedRuns, load_compared_runs
from skin.ui.comparison.export import DOWNLOADS
from skin.ui.components.loaded_report import ReportKey
from skin.ui.components.open_datasets import OpenDatasets
from skin.workspace import Workspace


@pytest.fixture
def pair(workspace: Workspace, add_run: Any) -> ComparedRuns:
    """Two runs on the same images."""
    add_run("image", 0.3)
    add_run("multimodal", 2.0, model="multimodal")
    return compared(workspace, "image", "multimodal")


@pytest.fixture
def stranger(add_run: Any) -> str:
    """A run on other test images."""
    return str(add_run("other-seed", 2.0, seed=7).name)


def compared(workspace: Workspace, *names: str) -> ComparedRuns:
    return load_compared_runs(workspace, [ReportKey.of_run(workspace, name, "test") for name in names])


def test_one_run_alone_is_not_compared(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    _, shown, notice, content, _ = handlers.choose_runs(workspace, ["mine"], "")
    assert (shown, content.visible) == (None, False)
    assert "at least two runs" in notice.value


@pytest.mark.usefixtures("pair", "stranger")
def test_at_first_two_runs_on_the_same_images_are_compared(workspace: Workspace) -> None:
    runs, shown, _, content, _ = handlers.choose_runs(workspace, [], "")
    assert sorted(runs.value) == ["image", "multimodal"]
    assert [key.run for key in shown] == runs.value
    assert content.visible


@pytest.mark.usefixtures("pair", "stranger")
def test_a_run_opened_elsewhere_stands_beside_its_sibling(workspace: Workspace) -> None:
    assert handlers.choose_runs(workspace, [], "multimodal")[0].value == ["image", "multimodal"]
    assert handlers.show_opened_run(workspace, "multimodal").value == ["image", "multimodal"]
    assert handlers.show_opened_run(workspace, "other-seed").value == ["other-seed"]
    assert handlers.show_opened_run(workspace, "") == gr.skip()


@pytest.mark.usefixtures("pair", "stranger")
def test_a_pinned_run_is_the_baseline_of_whatever_is_chosen(workspace: Workspace) -> None:
    for chosen in ([], ["image"], ["image", "multimodal"]):
        runs, shown, _, _, keep = handlers.choose_runs(workspace, chosen, "", pinned=["multimodal"])
        assert runs.value == [key.run for key in shown] == ["multimodal", "image"]
        assert (keep.value, keep.label) == (True, "Keep multimodal as the baseline")
    assert handlers.choose_runs(workspace, [], "image", pinned=["multimodal"])[0].value == ["multimodal", "image"]

    runs, _, notice, content, keep = handlers.choose_runs(workspace, ["other-seed"], "", pinned=["multimodal"])
    assert "other-seed is left out" in notice.value
    assert (content.visible, keep.visible) == (False, True)  # so that it can be unpinned


@pytest.mark.usefixtures("pair")
def test_the_first_run_is_pinned_and_what_is_gone_pins_nothing(workspace: Workspace) -> None:
    assert handlers.pin(True, ["image", "multimodal"]) == ["image"]
    assert handlers.pin(False, ["image", "multimodal"]) == handlers.pin(True, []) == []
    _, shown, _, _, keep = handlers.choose_runs(workspace, ["image", "multimodal"], "", pinned=["gone"])
    assert ([key.run for key in shown], keep.value) == (["image", "multimodal"], False)


def test_a_deleted_or_damaged_run_is_a_sentence(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    add_run("hurt").config_path.write_text("{")
    assert (
        "gone is left out. It was renamed or deleted" in handlers.choose_runs(workspace, ["mine", "gone"], "")[2].value
    )
    assert "no run configuration" in handlers.choose_runs(workspace, ["mine", "hurt"], "")[2].value


def test_one_run_chosen_twice_is_one_run(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    _, shown, notice, content, _ = handlers.choose_runs(workspace, ["mine", "mine"], "")
    assert (shown, content.visible) == (None, False)
    assert "at least two runs" in notice.value


@pytest.mark.usefixtures("pair")
def test_a_run_that_cannot_be_compared_is_marked_and_left_out_with_its_sentence(
    workspace: Workspace, stranger: str, add_run: Any
) -> None:
    add_run("hurt", 0.3).predictions_path.write_bytes(b"PK")
    runs, shown, notice, content, _ = handlers.choose_runs(workspace, ["image", stranger, "multimodal"], "")
    assert [key.run for key in shown] == ["image", "multimodal"]
    assert content.visible
    labels = {name: label for label, name in runs.choices}
    assert {name for name, label in labels.items() if "cannot be compared" in label} >= {stranger, "hurt"}
    assert (labels["image"], labels["multimodal"]) == ("image", "multimodal")
    assert notice.visible
    assert f"{stranger} is left out. The test sets differ" in notice.value
    assert re.search(r"<summary>\d+ more runs cannot be compared.*hurt.*holds no predictions", notice.value, re.DOTALL)


@pytest.mark.usefixtures("pair")
def test_a_damaged_run_is_nobodys_sibling(workspace: Workspace, add_run: Any) -> None:
    add_run("hurt", 0.3).predictions_path.write_bytes(b"PK")
    assert handlers.choose_runs(workspace, [], "multimodal")[0].value == ["image", "multimodal"]


def test_where_nothing_is_chosen_the_shipped_pair_is_compared(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    chosen = handlers.choose_runs(workspace, [], "")[1]
    assert [key.run for key in chosen] == ["ham10000-image", "ham10000-multimodal"]


def test_the_verdict_is_that_of_the_comparison(pair: ComparedRuns, workspace: Workspace) -> None:
    verdict, figure, table, classes = handlers.show_verdict(pair)
    a, b = (load_predictions(workspace.runs / name / "predictions.npz")["test"] for name in ("image", "multimodal"))
    comparison = compare(a, b, ("image", "multimodal"))
    assert comparison.verdict in verdict
    assert f"multimodal alone on {len(comparison.only_b)}" in verdict
    assert figure.visible
    assert all(metric.label in table for metric in METRICS.values())
    assert f"{comparison.difference['accuracy'].value:+.3f}" in table
    assert escape(comparison.class_verdict) in verdict
    assert f"{comparison.per_class['mel'].difference['recall'].value:+.3f}" in classes
    assert classes.count("too few") == sum(not row.is_tested for row in comparison.per_class.values())


def test_a_copy_of_a_run_is_a_sentence_not_a_table_of_zeros(workspace: Workspace, add_run: Any) -> None:
    copies = [add_run(name, 0.3).name for name in ("one", "two")]
    verdict, figure, table, classes = handlers.show_verdict(compared(workspace, *copies))
    assert "one and two give the same probabilities on" in verdict
    assert not figure.visible
    assert table == classes == ""


def test_only_the_settings_that_differ_are_listed(workspace: Workspace, pair: ComparedRuns, stranger: str) -> None:
    fair = handlers.show_settings(pair)
    assert "Nothing but the model differs" in fair
    assert fair.count("<tr>") == 2
    unfair = handlers.show_settings(compared(workspace, "image", stranger))
    assert "may come from any of these" in unfair
    assert "Seed" in unfair
    assert "Backbone" not in unfair


def test_each_run_has_its_bars_its_matrix_and_its_history(pair: ComparedRuns) -> None:
    bars, bars_table, matrices, histories, histories_table = handlers.show_classes(pair)
    assert [trace.name for trace in bars.data] == ["image", "multimodal"]
    assert matrices.count("<table>") == 2
    assert {trace.name for trace in histories.data} == {"image", "multimodal"}
    melanoma = pair.reports["multimodal"].per_class["mel"]
    assert f"<td>{melanoma.f1:.2f} ({melanoma.f1_low:.2f} to {melanoma.f1_high:.2f})</td>" in bars_table
    assert "<td>1 of stage 2</td><td>0.700</td><td>65.0%</td>" in histories_table


def test_images_that_one_run_alone_gets_right(pair: ComparedRuns) -> None:
    both = pair.loaded_reports
    comparison = compare(both["image"].predictions, both["multimodal"].predictions, ("image", "multimodal"))
    assert set(handlers.only_right(both, "multimodal")) == set(comparison.only_b)
    assert set(handlers.only_right(both, "image")) == set(comparison.only_a)


def test_disagreements_are_shown_with_what_each_run_says(shared_workspace: Workspace, pair: ComparedRuns) -> None:
    assert handlers.disagreement_choices(pair).value == "multimodal"
    heading, gallery = handlers.show_disagreements(OpenDatasets(shared_workspace), pair, "multimodal")
    ids = handlers.only_right(pair.loaded_reports, "multimodal")
    assert f"{len(ids)} images" in heading
    assert gallery.value[0]["caption"].endswith(ids[0])
    assert " | " in gallery.value[0]["caption"]


def test_a_choice_of_runs_that_are_no_longer_compared_shows_nothing(
    shared_workspace: Workspace, pair: ComparedRuns
) -> None:
    heading, gallery = handlers.show_disagreements(OpenDatasets(shared_workspace), pair, "gone")
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
    both = compared(workspace, *names)
    shown = [
        *handlers.show_verdict(both),
        handlers.show_settings(both),
        *handlers.show_classes(both),
        *(handlers.show_disagreements(OpenDatasets(workspace), both, name)[0] for name in names),
        handlers.choose_runs(workspace, [HOSTILE, *names], "")[2],
        *(write(both) for kind, (_, write) in DOWNLOADS.items() if "HTML" in kind),
    ]
    texts = [every_string(part) for part in shown]
    assert all("onerror" in text for text in texts)
    assert not any("<img" in text for text in texts)


def renamed(predictions: Predictions) -> Predictions:
    return dataclasses.replace(predictions, image_ids=tuple(f"{HOSTILE}{id}" for id in predictions.image_ids))


@pytest.fixture
def download(pair: ComparedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a file as the page does; returns its text."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return lambda kind: Path(handlers.make_file(kind, pair)).read_text()


def test_the_page_to_download_needs_no_network(pair: ComparedRuns, download: Any) -> None:
    page = download("Comparison (HTML)")
    (comparison,) = pair.comparisons
    assert escape(comparison.verdict) in page
    assert escape(comparison.class_verdict) in page
    assert page.count('class="plotly-graph-div"') == 3
    assert not re.search("<(script|link|img)[^>]+(src|href)=", page)
    assert all(
        f"<h2>{heading}</h2>" in page
        for heading in ("Settings", "Where these figures come from", "Differences on each diagnosis")
    )


def test_the_json_to_download_is_what_the_command_line_prints(pair: ComparedRuns, download: Any) -> None:
    facts = json.loads(download("Comparison (JSON)"))
    assert facts["comparisons"] == [comparison.to_dict() for comparison in pair.comparisons]
    assert facts["part"] == "test"
    assert {name: run["settings"]["model"] for name, run in facts["runs"].items()} == {
        "image": "image",
        "multimodal": "multimodal",
    }
    assert all(set(FACTS) < set(run) for run in facts["runs"].values())


def test_the_table_to_download_holds_every_paired_difference(pair: ComparedRuns, download: Any) -> None:
    table = pd.read_csv(io.StringIO(download("Differences (CSV)")))
    (comparison,) = pair.comparisons
    assert len(table) == len(METRICS) + 2 * len(CODES)
    assert set(table["baseline"]) == {"image"}
    assert set(table["run_malignant_threshold"]) == {table["run_malignant_threshold"][0]} != {None}
    assert (table["baseline_seed"] == 42).all()
    accuracy = table[table["diagnosis"].isna() & (table["measure"] == "accuracy")].iloc[0]
    assert accuracy["difference"] == pytest.approx(comparison.difference["accuracy"].value, abs=1e-6)
    melanoma = table[(table["diagnosis"] == "mel") & (table["measure"] == "recall")].iloc[0]
    assert melanoma["low"] == pytest.approx(comparison.per_class["mel"].difference["recall"].low, abs=1e-6)
