"""Reports that another version wrote, everywhere that they are shown."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare import Bare
from typer.testing import CliRunner

from skin.cli.main import app
from skin.evaluation.metrics import METRICS, Metric
from skin.evaluation.report import load_report
from skin.run import Run
from skin.ui.comparison import export as comparison_export
from skin.ui.comparison import handlers as comparison_handlers
from skin.ui.comparison.compared_runs import load_compared_runs
from skin.ui.components.loaded_report import ReportKey, load_by_key
from skin.ui.performance import export as performance_export
from skin.ui.performance import handlers as performance_handlers
from skin.ui.training import run_card, run_snapshot, run_table
from skin.workspace import PROJECT, Workspace

OLDEST = Path(__file__).with_name("report-0.1.0.json")
"""The report of `ham10000-image` at its first commit."""

MINE, OTHER = "mine", "other"
KEPT = (
    *("config.json", "status.json", "history.jsonl", "split.csv", "calibration.json"),
    *("predictions.npz", "report.json", "datasheet.json"),
)
ANYTHING = {"value": 0.5, "low": 0.4, "high": 0.6}


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """The shipped runs as a user's own."""
    workspace = Bare(tmp_path)
    for name, shipped in ((MINE, "ham10000-image"), (OTHER, "ham10000-multimodal")):
        (workspace.runs / name).mkdir(parents=True)
        for file in KEPT:
            shutil.copy(PROJECT / "checkpoints" / shipped / file, workspace.runs / name / file)
        shutil.copytree(PROJECT / "checkpoints" / shipped / "audit", workspace.runs / name / "audit")
    return workspace


def by_the_first_version(_: dict[str, Any]) -> dict[str, Any]:
    return json.loads(OLDEST.read_text())


def with_unknown_keys(reports: dict[str, Any]) -> dict[str, Any]:
    """As a later version may write it: a metric more, a sentence, and a key more in every record."""
    for report in reports.values():
        report |= {"brier_score": ANYTHING, "summary": "A sentence.", "cases": [1, None], "best": 3}
        groups = [group for groups in report["subgroups"].values() for group in groups.values()]
        for group in groups:
            group["headline"]["brier_score"] = "low"
        point = report["operating_point"]
        records = [*report["per_class"].values(), report["accuracy"], report["evaluation"], *groups]
        for record in (*records, point, point["thresholds"], *point["called_low"].values()):
            record["later"] = {"kind": ["unknown"]}
    return reports


def without_metrics(reports: dict[str, Any]) -> dict[str, Any]:
    """As an earlier version would have written it that had no accuracy, no AUC and no recall of a diagnosis."""
    for report in reports.values():
        for name in ("accuracy", "macro_auc"):
            del report[name]
        for row in report["per_class"].values():
            for measure in ("recall", "recall_low", "recall_high"):
                del row[measure]
        for group in (group for groups in report["subgroups"].values() for group in groups.values()):
            del group["headline"]["accuracy"]
    return reports


def without_decisions(reports: dict[str, Any]) -> dict[str, Any]:
    """As the version before there were decision rules wrote it."""
    for report in reports.values():
        for name in ("decision", "prevalence", "decisions", "operating_points", "decision_curve", "calibration"):
            del report[name]
        del report["operating_point"]["coverage_by_class"]
    return reports


Edit = Callable[[dict[str, Any]], dict[str, Any]]


def edit(workspace: Workspace, change: Edit) -> Run:
    run = Run(workspace.runs / MINE)
    run.report_path.write_text(json.dumps(change(json.loads(run.report_path.read_text()))))
    return run


def command(workspace: Workspace, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--home", str(workspace.home)])
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(workspace: Workspace) -> dict[str, str]:
    """What each place shows of the report of MINE."""
    places = {
        "evaluate": command(workspace, "evaluate", MINE),
        "evaluate --json": command(workspace, "evaluate", MINE, "--json"),
        "evaluate --groups": command(workspace, "evaluate", MINE, "--groups"),
        "runs": command(workspace, "runs"),
        "runs --json": command(workspace, "runs", "--json"),
        "training card": run_card.run_card(run_snapshot.take_snapshot(workspace, MINE), show_details=False),
        "training table": run_table.run_table(workspace).to_csv(),
    }
    subject = load_by_key(workspace, ReportKey.of_run(workspace, MINE, "test"))
    places["performance"] = performance_handlers.show_headline(subject)
    performance_handlers.show_classes(subject)
    performance_handlers.show_curves(subject)
    places["performance groups"] = performance_handlers.show_groups(subject)[1]
    places |= {kind: write(subject) for kind, (_, write) in performance_export.DOWNLOADS.items()}
    _, keys, *_ = comparison_handlers.choose_runs(workspace, [MINE, OTHER], "")
    compared = load_compared_runs(workspace, keys)
    places["comparison"] = str(comparison_handlers.show_verdict(compared)[2])
    comparison_handlers.show_classes(compared)
    places |= {kind: write(compared) for kind, (_, write) in comparison_export.DOWNLOADS.items()}
    return {place: text.partition("<h2>Figures</h2>")[0] for place, text in places.items()}  # without plotly's script


def test_a_report_of_the_first_version_is_shown_everywhere(home: Workspace) -> None:
    edit(home, by_the_first_version)
    places = shown(home)
    later = {"brier", "log_loss", "decisions", "operating_points", "calibration"}
    assert json.loads(places["evaluate --json"])["not_computed"].keys() == later
    accuracy = json.loads(OLDEST.read_text())["test"]["accuracy"]["value"]
    for place in ("evaluate", "performance", "training card", "training table", "comparison", "Report (HTML)"):
        assert f"{accuracy:.3f}" in places[place], place


def test_the_sentences_that_a_report_holds_are_not_read(home: Workspace) -> None:
    def lie(reports: dict[str, Any]) -> dict[str, Any]:
        return {part: report | {"best": "All is well."} for part, report in reports.items()}

    edit(home, lie)
    assert "All is well" not in "".join(shown(home).values())
    assert "Melanocytic nevus is recognised best" in command(home, "evaluate", MINE)


def test_what_a_later_version_knows_is_left_out_everywhere(home: Workspace) -> None:
    before = shown(home)
    edit(home, with_unknown_keys)
    assert shown(home) == before


WITH_METRICS = (
    *("evaluate", "evaluate --json", "runs", "runs --json", "training card", "performance", "comparison"),
    *("Report (HTML)", "Report (JSON)", "Comparison (HTML)"),
)
"""Places that show headline metrics, and so must say what computes one that is missing."""


@pytest.mark.slow
def test_a_metric_that_the_report_lacks_is_not_computed_and_the_command_that_is_told_adds_it(home: Workspace) -> None:
    before = json.loads(command(home, "evaluate", MINE, "--json"))
    run = edit(home, without_metrics)
    places = shown(home)
    advised = f"python -m skin evaluate {MINE} --save"
    for place in WITH_METRICS:
        assert advised in places[place], place
    for place in (*WITH_METRICS, "training table", "evaluate --groups", "performance groups"):
        assert re.search("not.computed", places[place], re.IGNORECASE), place
    assert json.loads(places["evaluate --json"])["not_computed"] == {"accuracy": advised, "macro_auc": advised}
    assert json.loads(places["evaluate --json"])["balanced_accuracy"] == before["balanced_accuracy"]

    command(home, *shlex.split(advised)[3:])
    after = json.loads(command(home, "evaluate", MINE, "--json"))
    assert {name: after[name] for name in METRICS} == {name: before[name] for name in METRICS}
    assert after["per_class"] == before["per_class"]
    assert load_report(run.report_path)["test"].not_computed == ()
    incomplete = {name: place for name, place in shown(home).items() if "ot computed" in place}
    assert incomplete.keys() == {"evaluate --groups", "performance groups", "Report (HTML)", "Model card (Markdown)"}
    assert all(f"{advised} --dataset DATASET" in place for place in incomplete.values())


@pytest.mark.slow
def test_a_report_from_before_there_were_decisions_says_what_adds_them(home: Workspace) -> None:
    before = json.loads(command(home, "evaluate", MINE, "--json"))
    edit(home, without_decisions)
    advised = f"python -m skin evaluate {MINE} --save"
    places = shown(home)
    lack = "Not computed when this report was made: decision rules, operating points, calibration; "
    assert f"{lack}`{advised}` computes it" in places["evaluate"]
    for place in ("performance", "Report (HTML)"):
        assert f"{lack}<code>{advised}</code> computes it" in places[place], place
    later = ("decisions", "operating_points", "calibration")
    assert json.loads(places["evaluate --json"])["not_computed"] == dict.fromkeys(later, advised)
    subject = load_by_key(home, ReportKey.of_run(home, MINE, "test"))
    assert performance_handlers.show_decisions(subject)[1] == performance_handlers.show_targets(subject) == ""
    assert performance_handlers.show_calibration(subject) == ""
    under = json.loads(command(home, "evaluate", MINE, "--decision", "balanced", "--json"))
    assert under["accuracy"] == before["decisions"]["balanced"]["figures"]["accuracy"]

    command(home, *shlex.split(advised)[3:])
    after = json.loads(command(home, "evaluate", MINE, "--json"))
    assert {name: after[name] for name in (*later, "not_computed")} == {
        name: before[name] for name in (*later, "not_computed")
    }


@pytest.mark.slow
def test_a_new_metric_leaves_every_report_readable(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    halves = Metric("Half", "Always a half.", lambda _task, _truth, _probabilities, weights: np.full(len(weights), 0.5))
    monkeypatch.setitem(METRICS, "half", halves)
    assert "Half" in shown(home)["performance"]
    assert re.search(r"Half +not computed", shown(home)["evaluate"])
    shipped = json.loads(CliRunner().invoke(app, ["evaluate", "ham10000-image", "--json"]).stdout)
    assert shipped["not_computed"] == {"half": "python -m skin evaluate ham10000-image --dataset DATASET"}
    command(home, "evaluate", MINE, "--save")
    assert json.loads(command(home, "evaluate", MINE, "--json"))["half"] == {"value": 0.5, "low": 0.5, "high": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "[]", '{"test": {"n": 1}}', '{"test": {"n": 1, "accuracy": 2}}'])
def test_the_sentence_on_a_damaged_report_names_the_command_that_mends_it(home: Workspace, content: str | None) -> None:
    run = Run(home.runs / MINE)
    before = load_report(run.report_path)["test"].to_dict()
    run.report_path.unlink()
    if content is not None:
        run.report_path.write_text(content)
    refused = CliRunner().invoke(app, ["evaluate", MINE, "--home", str(home.home)])
    assert refused.exit_code == 1
    assert refused.stderr.count("Error: ") == 1
    advised = re.search("`python -m skin (.*)`", refused.stderr)
    assert advised is not None
    assert "--save" in run_card.run_card(run_snapshot.take_snapshot(home, MINE), show_details=True)
    command(home, *shlex.split(advised[1]))
    assert load_report(run.report_path)["test"].to_dict()["accuracy"] == before["accuracy"]


def test_no_command_is_named_where_the_predictions_are_damaged_too(home: Workspace) -> None:
    run = Run(home.runs / MINE)
    run.report_path.write_text("{")
    run.predictions_path.write_bytes(run.predictions_path.read_bytes()[:1000])
    refused = CliRunner().invoke(app, ["evaluate", MINE, "--home", str(home.home)])
    assert "restore the file, or train the run again." in refused.stderr
