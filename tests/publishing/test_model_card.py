"""The model card: true to the run's files, whatever they hold and whatever they lack."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from skin.audit.audit import AUDITS, load_step
from skin.data.datasheet import Datasheet
from skin.errors import UserError
from skin.evaluation.decision import decision_metrics_of
from skin.evaluation.operating_point import SET_MISSES
from skin.evaluation.report import load_report
from skin.inference.predictor import SHIPPED
from skin.publishing import card_tables
from skin.publishing.markdown import escaped
from skin.publishing.model_card import example, model_card
from skin.publishing.provenance import HAM10000
from skin.run import Run
from skin.task import Task
from skin.workspace import PROJECT

SHIPPED_RUNS = [Run(PROJECT / "checkpoints" / name) for name in SHIPPED.values()]
ATTACK = "x|y\n# owned <script>alert(1)</script> [a](javascript:b) `c` *d*"


@pytest.fixture
def copy(tmp_path: Path) -> Run:
    """A copy of a shipped run that may be changed."""
    return Run(Path(shutil.copytree(SHIPPED_RUNS[1].folder, tmp_path / "copy")))


def section(card: str, title: str) -> str:
    """The text below a heading, down to the next of its level."""
    level = re.search(rf"^(#+) {title}$", card, re.MULTILINE)
    assert level, title
    rest = card[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


@pytest.mark.parametrize("run", SHIPPED_RUNS, ids=lambda run: run.name)
def test_the_hub_reads_every_headline_figure(run: Run) -> None:
    data = model_card(run).data
    report = load_report(run.report_path)["test"]

    assert [result.metric_value for result in data.eval_results] == [
        pytest.approx(estimate.value, abs=5e-5) for estimate in report.headline.values()
    ]
    assert {result.dataset_split for result in data.eval_results} == {"test"}
    assert (data.license, data.model_name, data.pipeline_tag) == (HAM10000.licence, run.name, "image-classification")


def test_the_sections_come_in_the_order_of_the_checklists(copy: Run) -> None:
    titles = re.findall(r"^##+ (.+)$", str(model_card(copy)), re.MULTILINE)
    assert titles == [
        *("The model", "Intended use", "Data", "Source and provenance", "Participants", "Partitions and overlap"),
        *("Class balance", "Missing data", "Reference standard", "Preprocessing", "Training", "Results"),
        *("Decisions and operating points", "Calibration and prediction sets", "Subgroups"),
        *("Robustness, scope and explanations", *(step.title for step in AUDITS.values()), "Limits", "Licence"),
        *("Use it without this software", "Reproduce it", "Who answers for it"),
    ]


def test_no_compliance_and_no_clinical_use_is_claimed(copy: Run) -> None:
    card = str(model_card(copy))
    assert "no compliance with any of them is claimed" in card
    assert "nothing in this card is a claim of clinical use" in card
    assert card.count("**Open question.**") >= 8


def test_figures_stand_with_their_intervals(copy: Run) -> None:
    report, card = load_report(copy.report_path)["test"], str(model_card(copy))
    results = section(card, "Results")
    for estimate in report.headline.values():
        assert card_tables.interval(estimate) in results
    for code, row in report.per_class.items():
        assert re.search(
            rf"^\| {code} \| {row.recall:.3f} \(.* \| {row.support:,} \| {row.lesions:,} \|$", results, re.M
        )


def test_every_decision_rule_and_target_stands_with_its_figures(copy: Run) -> None:
    report, card = load_report(copy.report_path)["test"], str(model_card(copy))
    decided = section(card, "Decisions and operating points")
    assert "| Rule | Most probable | Balanced | Malignant or not |" in decided
    for name, metric in decision_metrics_of(report.task).items():
        cells = " | ".join(card_tables.interval(judged.figures[name]) for judged in report.decisions.values())
        assert f"| {metric.label} | {cells} |" in decided
    for row in report.operating_points:
        figures = " | ".join(map(card_tables.interval, (row.sensitivity, row.specificity)))
        assert f"| {row.target:.0%} | {row.threshold:.3f} | {figures} |" in decided
    told = section(card, "Calibration and prediction sets")
    assert report.calibration is not None
    assert report.calibration.before is not None
    assert card_tables.interval(report.calibration.before.scores["ece"]) in told
    for code, coverage in report.operating_point.coverage_by_class.items():
        assert re.search(rf"^\| {code} \|.* {re.escape(card_tables.interval(coverage))} \|$", told, re.M)


@pytest.mark.parametrize(("run", "missed"), [(SHIPPED_RUNS[0], ["akiec"]), (SHIPPED_RUNS[1], [])])
def test_a_promise_that_the_test_part_did_not_keep_is_said(run: Run, missed: list[str]) -> None:
    said = section(str(model_card(run)), "Calibration and prediction sets")
    coverage = load_report(run.report_path)["test"].operating_point.coverage_by_class
    assert [code for code, held in coverage.items() if held.high < 1 - 1 / SET_MISSES] == missed
    assert re.findall(r"missed beyond chance for (\w+)", said) == missed


def test_a_network_that_refuses_nothing_says_so_beside_its_example(copy: Run) -> None:
    assert "nothing in these files refuses what is no lesion" in section(
        str(model_card(copy)), "Use it without this software"
    )


def test_what_the_data_were_is_told_from_the_datasheet(judged_run: Run) -> None:
    sheet, card = Datasheet.load(judged_run.datasheet_path), str(model_card(judged_run))

    assert "drawn by a program" in card
    partitions = section(card, "Partitions and overlap")
    for part, known in sheet.parts.items():
        assert f"| {part} | {known.images:,} | {known.lesions:,} |" in partitions
    assert "No test image shows a lesion of the training part" in partitions
    mel = sheet.parts["train"]
    expected = f"{mel.diagnoses['mel']} ({mel.diagnoses['mel'] / mel.images:.1%}), {mel.lesions_of['mel']}"
    assert f"| mel | {expected} |" in section(card, "Class balance")
    assert f"| Age | {sheet.parts['train'].unknown['age']}" in section(card, "Missing data")
    assert "histopathology" in section(card, "Reference standard")


def test_a_leak_is_said_with_the_figures_it_spoils(judged_run: Run) -> None:
    sheet = Datasheet.load(judged_run.datasheet_path)
    leaking = Datasheet(**{**vars(sheet), "shared_test_images": 7})
    partitions = section(str(model_card(judged_run, leaking)), "Partitions and overlap")
    assert re.search(
        r"\*\*7 of the \d+ test images \(\d+\.\d%\) show a lesion that is in the training part", partitions
    )
    assert "too good" in partitions


@pytest.mark.parametrize("damage", [None, "{"])
def test_a_run_without_a_datasheet_says_which_command_adds_it(copy: Run, damage: str | None) -> None:
    copy.datasheet_path.unlink(missing_ok=True)
    if damage:
        copy.datasheet_path.write_text(damage)
    card = str(model_card(copy))
    for title in ("Participants", "Missing data", "Reference standard"):
        assert "not computed: `python -m skin card copy --dataset DATASET` adds it" in section(card, title)


def test_a_report_of_another_version_says_what_it_lacks(copy: Run) -> None:
    reports = json.loads(copy.report_path.read_text())
    for report in reports.values():
        for name in ("ece", "operating_point", "subgroups", "decisions", "operating_points", "calibration"):
            del report[name]
    copy.report_path.write_text(json.dumps(reports))
    card = str(model_card(copy))
    assert "| Calibration error | not computed |" in section(card, "Results")
    for title in ("Decisions and operating points", "Calibration and prediction sets", "Subgroups"):
        assert "ot computed: `python -m skin evaluate copy" in section(card, title)


@pytest.mark.parametrize("step", AUDITS)
def test_every_step_of_the_audit_is_told_or_said_to_be_missing(copy: Run, step: str) -> None:
    record, told = load_step(copy, step), section(str(model_card(copy)), re.escape(AUDITS[step].title))
    if record:
        assert [line.removeprefix("- ") for line in told.strip().splitlines()] == list(map(escaped, record.sentences()))
    (copy.audit_folder / f"{step}.json").unlink(missing_ok=True)
    told = section(str(model_card(copy)), re.escape(AUDITS[step].title))
    assert told.strip() == "Not computed: `python -m skin audit copy --dataset DATASET` adds it."


def test_unknown_data_leave_licence_and_provenance_open(copy: Run) -> None:
    reports = json.loads(copy.report_path.read_text())
    reports["test"]["evaluation"]["dataset_fingerprint"] = "0" * 16
    copy.report_path.write_text(json.dumps(reports))
    card = model_card(copy)
    assert card.data.license is None
    for title in ("Source and provenance", "Licence"):
        assert "**Open question.**" in section(str(card), title)
    assert "HAM10000 dataset" not in str(card)


def test_no_text_of_a_stranger_means_anything(copy: Run) -> None:
    task = json.loads(copy.task.to_json())
    task["title"], task["diagnoses"][0]["name"], task["fields"][0]["label"] = ATTACK, ATTACK, ATTACK
    copy.task_path.write_text(json.dumps(task))
    reports = json.loads(copy.report_path.read_text())
    reports["test"]["evaluation"]["dataset"] = ATTACK
    reports["test"]["subgroups"] = {ATTACK: {ATTACK: reports["test"]["subgroups"]["sex"]["male"]}}
    copy.report_path.write_text(json.dumps(reports))
    copy.config_path.write_text(json.dumps(json.loads(copy.config_path.read_text()) | {"dataset": ATTACK}))
    plain = str(model_card(SHIPPED_RUNS[1]))
    _, _, body = str(model_card(copy)).split("---\n", 2)

    assert "<script" not in body.replace(r"\<script", "")
    assert "](javascript" not in body.replace(r"\](javascript", "")
    assert re.findall(r"^#+ .*", body, re.M)[1:] == re.findall(r"^#+ .*", plain, re.M)[1:]
    for block in re.findall(r"(?:^\|.*\n)+", body, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_a_card_can_be_read_by_the_hubs_own_library(copy: Run, tmp_path: Path) -> None:
    card = model_card(copy)
    card.save(tmp_path / "README.md")
    assert ModelCard.load(tmp_path / "README.md").data.to_dict() == card.data.to_dict()


def test_a_run_without_a_report_is_a_sentence(copy: Run) -> None:
    copy.report_path.unlink()
    with pytest.raises(UserError, match="holds no report"):
        model_card(copy)


def test_the_card_tells_no_path_of_this_machine(copy: Run) -> None:
    copy.config_path.write_text(json.dumps(json.loads(copy.config_path.read_text()) | {"dataset": "/home/me/secret"}))
    card = str(model_card(copy))
    assert "/home/me" not in card
    assert "| Data set | dataset | secret |" in card


def test_a_task_that_tells_nothing_of_malignancy_or_patient_has_its_card(copy: Run) -> None:
    values = json.loads(copy.task.to_json())
    for diagnosis in values["diagnoses"]:
        diagnosis["malignancy"] = None
    bare = Task.parse_json({**values, "name": "bare", "title": "Bare", "fields": []})
    copy.task_path.write_text(bare.to_json())
    copy.config_path.write_text(json.dumps(json.loads(copy.config_path.read_text()) | {"model": "image"}))
    reports = json.loads(copy.report_path.read_text())
    for report in reports.values():
        report["operating_point"] = None
    copy.report_path.write_text(json.dumps(reports))
    card = str(model_card(copy))
    assert "does not tell which diagnoses are malignant" in section(card, "Decisions and operating points")
    assert "tells nothing of the patient" in section(card, "Missing data")
    assert "patient" not in example(copy)
