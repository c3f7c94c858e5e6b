"""The Performance tab's handlers, on plain values."""

import csv
import dataclasses
import json
import re
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from ham import CODES

import skin
from skin.config import field_infos
from skin.errors import UsageError, UserError
from skin.evaluation.chosen import choose
from skin.evaluation.decision import DECISIONS
from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import judge_thresholds
from skin.evaluation.predictions import load_predictions, save_predictions
from skin.evaluation.report import evaluate, load_report
from skin.evaluation.subgroups import SUBGROUP_METRICS
from skin.evaluation.summary import SETS_PROMISE
from skin.ui.components.loaded_report import LoadedReport, ReportKey, load_by_key, reported_runs
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.performance import handlers
from skin.ui.performance.export import DOWNLOADS
from skin.workspace import Workspace


@pytest.fixture
def loaded(workspace: Workspace, add_run: Any) -> LoadedReport:
    """The test part of a run."""
    add_run("mine")
    return load_by_key(workspace, ReportKey.of_run(workspace, "mine", "test"))


ATTACK = """\"'><script>alert(1)</script><img src=x onerror=alert(1)>"""


def attacked(value: Any) -> Any:
    """The JSON value with an attack in the place of every text."""
    if isinstance(value, str):
        return ATTACK
    if isinstance(value, list):
        return [attacked(item) for item in value]
    if isinstance(value, dict):
        return {key: attacked(item) for key, item in value.items()}
    return value


@pytest.fixture
def hostile(workspace: Workspace, add_run: Any) -> LoadedReport:
    """The test part of a run from a stranger: whatever text its files hold is an attack."""
    run = add_run("theirs")
    reports = json.loads(run.report_path.read_text())
    group = {"n": 1, "n_lesions": 1, "headline": dict.fromkeys(SUBGROUP_METRICS, reports["test"]["accuracy"])}
    for report in reports.values():
        report["subgroups"] = {ATTACK: {ATTACK: group}}
    run.report_path.write_text(json.dumps(attacked(reports)))
    run.config_path.write_text(json.dumps(json.loads(run.config_path.read_text()) | {"dataset": ATTACK}))
    parts = load_predictions(run.predictions_path)
    for part, predictions in parts.items():
        ids = tuple(f"{number}{ATTACK}" for number in range(len(predictions.image_ids)))
        parts[part] = dataclasses.replace(predictions, image_ids=ids, lesion_ids=ids)
    save_predictions(run.predictions_path, parts)
    return load_by_key(workspace, ReportKey.of_run(workspace, "theirs", "test"))


class Tags(HTMLParser):
    """Collects the elements of a page and the names of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes = list[str](), set[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture
def labels(tmp_path: Path) -> LoadedReport:
    """An uploaded table of bare diagnoses."""
    path = tmp_path / "labels.csv"
    path.write_text("truth,predicted\nmel,nv\nnv,nv\n")
    return handlers.judge_upload(str(path))[0]


def test_without_a_run_it_says_what_to_do(tmp_path: Path) -> None:
    if reported_runs(Workspace(tmp_path)):
        pytest.skip("the project ships runs")
    run, part, shown, notice, content = handlers.choose_report(Workspace(tmp_path), None, "test", None, "")
    assert (run.choices, shown, part.interactive, content.visible) == ([], None, False, False)
    assert "Training tab" in notice


def test_the_newest_run_is_shown_first(workspace: Workspace, add_run: Any) -> None:
    add_run("older")
    add_run("newer").update_status(created=2e9)
    run, _, shown, notice, content = handlers.choose_report(workspace, None, "validation", None, "")
    assert run.value == shown.run == "newer"
    assert shown.part == "validation"
    assert "newer, validation part" in notice
    assert content.visible


def test_a_run_that_another_browser_deleted_is_a_sentence(workspace: Workspace) -> None:
    run, _, shown, notice, content = handlers.choose_report(workspace, "gone", "test", None, "")
    assert run.choices[0] == ("gone", "gone")
    assert (shown, content.visible) == (None, False)
    assert "no report of a run &#39;gone&#39;: choose another run" in notice


def test_a_damaged_run_is_a_sentence(workspace: Workspace, add_run: Any) -> None:
    add_run("mine").report_path.write_text("{")
    _, _, shown, notice, _ = handlers.choose_report(workspace, "mine", "test", None, "")
    assert shown is None
    assert "holds no report" in notice


def test_the_same_run_is_not_drawn_again_until_its_report_changes(workspace: Workspace, add_run: Any) -> None:
    run = add_run("mine")
    first, again = (handlers.choose_report(workspace, "mine", "test", None, "")[2] for _ in range(2))
    assert first == again
    run.report_path.write_text(run.report_path.read_text() + "\n")
    assert handlers.choose_report(workspace, "mine", "test", None, "")[2] != first


def test_a_run_opened_elsewhere_is_chosen(workspace: Workspace) -> None:
    assert handlers.choose_report(workspace, None, "test", None, "mine")[0].value == "mine"
    assert handlers.show_opened_run("mine").value == "mine"
    assert handlers.show_opened_run("") == gr.skip()


def test_an_uploaded_table_is_judged_and_deleted(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("image_id,truth,predicted\na,mel,nv\nb,nv,nv\n")
    uploaded, run = handlers.judge_upload(str(path))
    assert run is None
    assert not path.exists()
    _, part, shown, notice, _ = handlers.choose_report(workspace, run, "test", uploaded, "")
    assert load_by_key(workspace, shown).report.headline["accuracy"].value == 0.5
    assert "theirs.csv" in notice
    assert not part.interactive


def test_a_bad_upload_is_refused_and_deleted(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("no,table\n1,2\n")
    with pytest.raises(UserError, match="no true diagnoses"):
        handlers.judge_upload(str(path))
    assert not path.exists()


def test_matrix_in_images_or_shares(loaded: LoadedReport) -> None:
    nv = CODES.index("nv")
    assert f">{loaded.report.confusion[nv][nv]}<" in handlers.show_matrix(loaded, handlers.COUNTS)
    assert f">{loaded.report.per_class['nv'].recall:.0%}<" in handlers.show_matrix(loaded, handlers.SHARES)


def test_a_clicked_cell_is_picked() -> None:
    assert handlers.select_cell(gr.EventData(None, {"truth": 4, "predicted": 5})) == (4, 5)


@pytest.mark.parametrize("data", [{}, {"truth": 50, "predicted": 0}, {"truth": "0", "predicted": None}])
def test_a_forged_cell_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no such cell"):
        handlers.select_cell(gr.EventData(None, data))


def test_a_cell_of_another_task_is_refused(shared_workspace: Workspace, loaded: LoadedReport) -> None:
    with pytest.raises(UsageError, match="no such cell"):
        handlers.show_pictures(OpenDatasets(shared_workspace), loaded, (7, 0))


def test_the_most_confident_mistakes_are_shown(shared_workspace: Workspace, loaded: LoadedReport) -> None:
    heading, gallery, back = handlers.show_pictures(OpenDatasets(shared_workspace), loaded, None)
    assert "most confident mistakes" in heading
    assert not back.visible  # it would repeat the heading
    captions = [entry["caption"] for entry in gallery.value]
    expected = loaded.captions(loaded.mistakes()[:12])
    assert captions == [f"{caption} · {image_id}" for image_id, caption in expected.items()]


def test_the_images_of_a_cell_are_shown(shared_workspace: Workspace, loaded: LoadedReport) -> None:
    nv = CODES.index("nv")
    heading, gallery, back = handlers.show_pictures(OpenDatasets(shared_workspace), loaded, (nv, nv))
    n = loaded.report.confusion[nv][nv]
    assert f"Melanocytic nevus recognised: {n} images" in heading
    assert back.visible
    assert len(gallery.value) == min(n, handlers.N_PICTURES)


def test_without_the_data_set_the_images_are_listed(shared_workspace: Workspace, labels: LoadedReport) -> None:
    heading, gallery, _ = handlers.show_pictures(OpenDatasets(shared_workspace), labels, None)
    assert "not on this machine" in heading
    assert "row 1" in heading
    assert "mel → nv 100%" in heading
    assert not gallery.visible


def test_bare_diagnoses_have_no_curves_and_no_training(labels: LoadedReport) -> None:
    column, *curves, tables = handlers.show_curves(labels)
    assert not column.visible
    assert curves == [None] * 3
    assert tables == ""
    column, _, history = handlers.show_training(labels)
    assert not column.visible
    assert history is None


def test_curves_and_training_of_a_run(loaded: LoadedReport) -> None:
    column, *curves, tables = handlers.show_curves(loaded)
    assert column.visible
    assert all(figure.data for figure in curves)
    area, average = (
        figure.data[-1 - has_mark].name.split()[-1] for figure, has_mark in zip(curves[:2], (1, 0), strict=True)
    )
    assert f'<th scope="row">malignant</th><td>{area}</td><td>{average}</td>' in tables
    assert tables.count("<tr>") == 2 + len(curves[0].data) - 1 + len(curves[2].data[0].x)  # two heads, and no mark
    column, words, history = handlers.show_training(loaded)
    assert column.visible
    assert "Stage 2 changed the accuracy by +5.0 points" in words
    assert history.data


def test_the_slider_starts_at_the_runs_own_threshold(loaded: LoadedReport) -> None:
    section, words, slider, table = handlers.show_operating_point(loaded)
    point = loaded.report.operating_point
    assert section.visible
    assert "not a result to report" in words
    assert "chosen on the validation part" in words
    assert slider.value == pytest.approx(point.thresholds.malignant, abs=handlers.STEP / 2)
    assert f">The run&#39;s own <small>{point.thresholds.malignant:.4f}<" in table
    assert f"<td>{point.sensitivity:.3f} <small>" in table


def test_a_picked_threshold_stands_beside_the_runs_own(loaded: LoadedReport) -> None:
    (row,) = judge_thresholds(loaded.predictions, [0.9])
    point = loaded.report.operating_point
    assert row.missed > 0
    table = handlers.show_threshold(loaded, 0.9)
    assert ">Picked <small>0.9000<" in table
    assert f"<td>{row.missed} of {row.malignant}</td></tr>" in table
    assert f"<td>{point.specificity:.3f} <small>" in table


def test_predictions_without_a_threshold_are_seen_beside_a_half(loaded: LoadedReport) -> None:
    uploaded, _ = handlers.judge_upload(handlers.make_file("Predictions (CSV)", loaded))
    section, words, slider, table = handlers.show_operating_point(uploaded)
    assert section.visible
    assert "no threshold of its own: 0.5" in words
    assert "chosen on the validation part" not in words
    assert slider.value == 0.5
    assert ">For comparison <small>0.5000<" in table


@pytest.mark.parametrize("only", [[CODES.index("mel")], [CODES.index("nv"), CODES.index("bkl")]])
def test_without_both_kinds_of_images_there_is_nothing_to_pick(loaded: LoadedReport, only: list[int]) -> None:
    predictions = loaded.predictions.only(np.isin(loaded.predictions.truth, only))
    one_kind = dataclasses.replace(loaded, predictions=predictions, report=evaluate(predictions))
    section, words, _, table = handlers.show_operating_point(one_kind)
    assert (section.visible, words, table) == (False, "", "")


def test_the_decision_rules_stand_beside_each_other(loaded: LoadedReport, labels: LoadedReport) -> None:
    section, table = handlers.show_decisions(loaded)
    assert section.visible
    for name, judged in loaded.report.decisions.items():
        assert f">{DECISIONS[name].label}" in table
        assert f"<td>{judged.figures['balanced_accuracy'].value:.3f} <small>" in table
    assert f"power {loaded.report.decisions['balanced'].parameters['power']:.3g}" in table
    section, table = handlers.show_decisions(labels)
    assert (section.visible, table) == (False, "")


def test_targets_and_the_decision_curve_are_those_of_the_report(loaded: LoadedReport, labels: LoadedReport) -> None:
    table = handlers.show_targets(loaded)
    for row in loaded.report.operating_points:
        assert f">Set to find {row.target:.0%} <small>{row.threshold:.4f}<" in table
        assert f"<td>{row.missed:,} of {row.malignant:,}</td>" in table
    drawn = json.loads(handlers.show_decision_curve(loaded).value["plot"])["data"]
    assert drawn[2]["y"] == [row.benefit.value for row in loaded.report.decision_curve]
    assert handlers.show_targets(labels) == ""
    assert not handlers.show_decision_curve(labels).visible


def test_a_prevalence_changes_predictive_values_and_is_said(loaded: LoadedReport) -> None:
    told = ", ".join(f"{code}={0.94 if code == 'nv' else 0.01}" for code in CODES)
    for show in (handlers.show_targets, partial(handlers.show_threshold, picked=0.3)):
        usual, weighed = show(loaded), show(loaded, told=told)
        assert "; for the diagnoses&#39; shares that were given: 1.0% akiec" in weighed
        assert "; for" not in usual
        values = [re.findall("Positive predictive value</th><td>([^ ]+)", table)[0] for table in (usual, weighed)]
        assert float(values[1]) < float(values[0])
    with pytest.raises(UserError, match="no prevalence 'winter'"):
        handlers.show_targets(loaded, "winter")


def test_the_shares_that_are_typed_over_are_those_of_the_images(loaded: LoadedReport) -> None:
    assert handlers.shares_shown(lambda _: loaded, None) == ""
    first = handlers.shares_shown(lambda _: loaded, ReportKey())
    usual, same = handlers.show_threshold(loaded, 0.3), handlers.show_threshold(loaded, 0.3, first)
    values = [re.findall("<td>([0-9.]+) <small>", table) for table in (usual, same)]
    assert [float(value) for value in values[1]] == pytest.approx([float(value) for value in values[0]], abs=2e-3)


def test_the_calibration_is_told_before_and_after_and_of_each_diagnosis(loaded: LoadedReport) -> None:
    report = evaluate(loaded.predictions, choose(loaded.predictions), temperature=1.5)
    tables = handlers.show_calibration(dataclasses.replace(loaded, report=report))
    before, after = report.calibration.before.scores["ece"], report.calibration.after.scores["ece"]
    assert f"<td>{before.value:.3f} <small>" in tables
    assert f"<td>{after.value:.3f} <small>" in tables
    assert "one temperature, 1.500" in tables
    for code in CODES:
        assert f"<td>{report.operating_point.coverage_by_class[code].value:.3f}" in tables
    assert SETS_PROMISE in tables
    assert "Before is without it" not in handlers.show_calibration(loaded)  # whose temperature is not known


def test_bare_diagnoses_have_no_calibration(labels: LoadedReport) -> None:
    assert handlers.show_calibration(labels) == ""


def test_the_file_holds_decisions_operating_points_and_calibration(loaded: LoadedReport) -> None:
    html = Path(handlers.make_file("Report (HTML)", loaded)).read_text()
    for heading in ("Decision rules", "Operating points", "Calibration and prediction sets"):
        assert f"<h2>{heading}</h2>" in html
    assert "Decision curve" in html
    values = json.loads(Path(handlers.make_file("Report (JSON)", loaded)).read_text())
    assert list(values["decisions"]) == list(DECISIONS)


def test_bare_diagnoses_have_no_threshold(labels: LoadedReport) -> None:
    assert not handlers.show_operating_point(labels)[0].visible


def test_no_text_of_a_foreign_run_becomes_part_of_the_page(workspace: Workspace, hostile: LoadedReport) -> None:
    drawn = [
        handlers.choose_report(workspace, "theirs", "test", None, "")[3],
        handlers.show_headline(hostile),
        handlers.show_matrix(hostile, handlers.COUNTS),
        handlers.show_pictures(OpenDatasets(workspace), hostile, None)[0],
        handlers.show_classes(hostile)[0],
        handlers.show_groups(hostile)[1],
        handlers.show_decisions(hostile)[1],
        handlers.show_targets(hostile),
        handlers.show_calibration(hostile),
        handlers.show_training(hostile)[1],
        handlers.show_origin(hostile),
    ]
    page = Tags("".join(drawn))
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all("alert(1)" in drawn[section] for section in (3, 5))
    assert "alert(1)" not in drawn[1]  # whose sentences are the project's own


def test_no_text_of_a_foreign_run_becomes_part_of_the_file(hostile: LoadedReport, loaded: LoadedReport) -> None:
    theirs, ours = (Path(handlers.make_file("Report (HTML)", which)).read_text() for which in (hostile, loaded))
    assert "alert(1)" in theirs
    assert Tags(theirs).tags.count("script") == Tags(ours).tags.count("script")
    assert "img" not in Tags(theirs).tags
    assert not [name for name in Tags(theirs).attributes if name.startswith("on")]


CARD = "Model card (Markdown)"
REPORTS = [kind for kind in DOWNLOADS if kind != CARD]


@pytest.mark.parametrize("kind", REPORTS)
@pytest.mark.parametrize("which", ["loaded", "labels"])
def test_every_download_is_written(kind: str, which: str, request: pytest.FixtureRequest) -> None:
    loaded = request.getfixturevalue(which)
    path = Path(handlers.make_file(kind, loaded))
    assert path.suffix == f".{DOWNLOADS[kind][0]}"
    content = path.read_text()
    if path.suffix == ".json":
        assert json.loads(content)["accuracy"]["value"] == loaded.report.headline["accuracy"].value
    elif path.suffix == ".csv":
        assert [row["image_id"] for row in csv.DictReader(content.splitlines())] == list(loaded.predictions.image_ids)
    else:
        assert all(metric.label in content for metric in METRICS.values())


def test_every_download_tells_where_its_figures_come_from(loaded: LoadedReport) -> None:
    facts = loaded.origin.facts(loaded.report)
    assert (facts["run"], facts["part"], facts["split"], facts["seed"]) == ("mine", "test", "by-lesion", 42)
    html, text, table = (Path(handlers.make_file(kind, loaded)).read_text() for kind in REPORTS)
    assert f">{facts['malignant_threshold']:.4f}<" in html
    assert all(f">{info.label}</th>" in html for info in field_infos())
    values = json.loads(text)
    assert {name: values[name] for name in facts} == facts
    assert values["settings"] == loaded.origin.settings
    row = next(csv.DictReader(table.splitlines()))
    told = {name: "" if value is None else str(value) for name, value in (loaded.origin.settings | facts).items()}
    assert {name: row[name] for name in told} == told


def test_what_is_not_known_of_an_upload_is_said(labels: LoadedReport) -> None:
    html, text, table = (Path(handlers.make_file(kind, labels)).read_text() for kind in REPORTS)
    assert html.count(">unknown<") == 7
    assert html.count(f">{skin.__version__}<") == 1
    assert "Settings of the run" not in html
    assert (json.loads(text)["run"], json.loads(text)["settings"]) == (None, {})
    assert next(csv.DictReader(table.splitlines()))["run"] == ""
    assert handlers.show_origin(labels).count(">unknown<") == 7


def test_the_card_of_a_run_is_downloaded_whichever_part_is_shown(loaded: LoadedReport, workspace: Workspace) -> None:
    validation = load_by_key(workspace, ReportKey.of_run(workspace, "mine", "validation"))
    cards = [Path(handlers.make_file(CARD, shown)) for shown in (loaded, validation)]
    assert [card.name for card in cards] == ["mine-test-part.md", "mine-validation-part.md"]
    text = cards[0].read_text()
    assert text == cards[1].read_text()
    assert "\n# mine\n" in text
    assert all(f"| {metric.label} |" in text for metric in METRICS.values())


def test_an_uploaded_table_has_no_card(labels: LoadedReport) -> None:
    with pytest.raises(UserError, match="tells nothing of the model that made them: choose a run"):
        handlers.make_file(CARD, labels)


def test_the_file_shows_the_matrix_in_images_and_in_shares(loaded: LoadedReport) -> None:
    html = Path(handlers.make_file("Report (HTML)", loaded)).read_text()
    nv = CODES.index("nv")
    assert f">{loaded.report.confusion[nv][nv]}</span>" in html
    assert f">{loaded.report.per_class['nv'].recall:.0%}</span>" in html


def test_what_is_downloaded_can_be_uploaded_again(loaded: LoadedReport, workspace: Workspace) -> None:
    path = handlers.make_file("Predictions (CSV)", loaded)
    uploaded, _ = handlers.judge_upload(path)
    expected = load_report(workspace.runs / "mine" / "report.json")["test"]
    assert uploaded.report.confusion == expected.confusion
    assert uploaded.report.headline["macro_auc"].low == pytest.approx(expected.headline["macro_auc"].low, abs=1e-4)
