"""Where the figures of a report come from."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest

import skin
from skin.data.dataset import Dataset
from skin.evaluation.origin import FACTS, UNKNOWN, Origin
from skin.evaluation.report import Evaluation, load_report
from skin.run import Run, list_runs
from skin.workspace import PROJECT, Workspace


def test_the_fingerprint_follows_the_contents_and_not_the_files(demo: Dataset) -> None:
    moved = [dataclasses.replace(image, path=image.path.with_suffix(".gone")) for image in reversed(demo.images)]
    assert dataclasses.replace(demo, images=tuple(moved)).fingerprint == demo.fingerprint
    for field, value in (("image_id", "x"), ("lesion_id", "x"), ("diagnosis", "nv")):
        first = next(image for image in demo.images if image.diagnosis == "mel")
        others = tuple(image for image in demo.images if image != first)
        changed = dataclasses.replace(demo, images=(dataclasses.replace(first, **{field: value}), *others))
        assert changed.fingerprint != demo.fingerprint


def test_a_judged_run_knows_where_its_figures_come_from(judged_run: Run, demo: Dataset) -> None:
    report = load_report(judged_run.report_path)["test"]
    origin = Origin.of_run(judged_run, "test")
    facts = origin.facts(report)
    assert facts == {
        "run": "judged",
        "part": "test",
        "dataset": "Demo (synthetic)",
        "dataset_fingerprint": demo.fingerprint,
        "split": "by-lesion",
        "seed": 42,
        "malignant_threshold": report.operating_point.thresholds.malignant,
        "version": skin.__version__,
        "date": report.evaluation.date,
    }
    assert abs((datetime.now(UTC) - datetime.fromisoformat(facts["date"])).total_seconds()) < 86400
    assert origin.settings == json.loads(judged_run.config_path.read_text())


@pytest.mark.parametrize("run", list_runs(Workspace(PROJECT)), ids=lambda run: run.name)
def test_the_shipped_runs_know_too(run: Run) -> None:
    for part, report in load_report(run.report_path).items():
        assert None not in Origin.of_run(run, part).facts(report).values()


def test_what_an_older_report_lacks_is_unknown(judged_run: Run) -> None:
    report = dataclasses.replace(load_report(judged_run.report_path)["test"], evaluation=Evaluation())
    facts = Origin.of_run(judged_run, "test").facts(report)
    assert [name for name in FACTS if facts[name] is None] == ["dataset_fingerprint", "version", "date"]
    assert facts["dataset"] == "demo"
    assert set(UNKNOWN.facts(dataclasses.replace(report, operating_point=None)).values()) == {None}


def test_where_files_lie_is_not_told(judged_run: Run) -> None:
    config = dataclasses.replace(judged_run.config, dataset="/home/someone/secret/skins", weights="/mnt/net.h5")
    settings = Origin("mine", "test", config).settings
    assert (settings["dataset"], settings["weights"]) == ("skins", "net.h5")


def test_a_damaged_configuration_leaves_the_figures(workspace: Workspace, judged_run: Run) -> None:
    broken = Run(workspace.runs / "broken")
    broken.folder.mkdir(parents=True)
    broken.config_path.write_text("{")
    assert Origin.of_run(broken, "test").config is None
    report = load_report(judged_run.report_path)["test"]
    assert Origin.of_run(broken, "test").to_dict(report)["settings"] == {}
