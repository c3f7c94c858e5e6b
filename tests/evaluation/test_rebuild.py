"""Making a run's report anew from its predictions."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import skin
from skin import run as runs
from skin.data.dataset import Dataset
from skin.engines.engine import Job
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions, save_predictions
from skin.evaluation.rebuild import rebuild
from skin.evaluation.report import load_report
from skin.run import Run, State
from skin.workspace import PROJECT


@pytest.fixture
def copy(judged_run: Run, tmp_path: Path) -> Run:
    """A finished run that a test may change."""
    return Run(Path(shutil.copytree(judged_run.folder, tmp_path / "copy")))


def figures(run: Run) -> dict[str, dict[str, object]]:
    """The report without when it was made."""
    parts = {part: report.to_dict() for part, report in load_report(run.report_path).items()}
    for values in parts.values():
        assert values["evaluation"].pop("date")
    return parts


def test_the_report_is_the_same_to_the_last_digit_and_keeps_groups_and_data_set(copy: Run) -> None:
    before = figures(copy)
    rebuilt = rebuild(copy)
    assert figures(copy) == before
    assert before["test"]["subgroups"]
    assert rebuilt["test"].to_dict() == load_report(copy.report_path)["test"].to_dict()


def test_a_data_set_gives_groups_and_origin_anew(copy: Run, demo: Dataset) -> None:
    before = figures(copy)
    copy.report_path.unlink()
    rebuild(copy, demo)
    assert figures(copy) == before


def test_without_the_old_report_there_are_no_groups_and_no_data_set(copy: Run) -> None:
    before = figures(copy)
    copy.report_path.write_text("{")
    rebuild(copy)
    after = figures(copy)
    for part in before:
        evaluation = {"dataset": None, "dataset_fingerprint": None, "version": skin.__version__, "unknown_labels": {}}
        assert after[part]["evaluation"] == evaluation
        assert after[part]["subgroups"] == {}
        assert after[part]["per_class"] == before[part]["per_class"]


def test_the_groups_of_other_predictions_are_not_kept(copy: Run) -> None:
    parts = load_predictions(copy.predictions_path)
    test = parts["test"]
    flipped = dataclasses.replace(test, probabilities=test.probabilities[:, ::-1].copy())
    save_predictions(copy.predictions_path, {**parts, "test": flipped})
    rebuild(copy)
    reports = load_report(copy.report_path)
    assert reports["validation"].subgroups
    assert not reports["test"].subgroups
    assert reports["test"].evaluation.dataset is None


def test_another_data_set_is_refused(copy: Run, demo: Dataset) -> None:
    before = copy.report_path.read_bytes()
    (first, *others) = demo.images
    wanted = {image_id for part in load_predictions(copy.predictions_path).values() for image_id in part.image_ids}
    fewer = dataclasses.replace(demo, images=tuple(image for image in demo.images if image.image_id not in wanted))
    wrong = "nv" if first.diagnosis != "nv" else "mel"
    renamed = tuple(dataclasses.replace(image, diagnosis=wrong) for image in (first, *others))
    for dataset in (fewer, dataclasses.replace(demo, images=renamed)):
        with pytest.raises(UserError, match="give the data set that the run was trained on"):
            rebuild(copy, dataset)
    assert copy.report_path.read_bytes() == before


def test_shipped_runs_are_not_changed() -> None:
    with pytest.raises(UserError, match="came with the project and is not changed here"):
        rebuild(Run(PROJECT / "checkpoints" / "ham10000-image"))


def test_a_run_that_trains_is_left_alone(copy: Run) -> None:
    before = copy.report_path.read_bytes()
    copy.update_status(state=State.EVALUATING, job=Job.here())
    with pytest.raises(UserError, match="copy is evaluating"):
        rebuild(copy)
    assert copy.report_path.read_bytes() == before


def test_a_run_that_another_process_holds_is_left_alone(copy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = copy.report_path.read_bytes()
    monkeypatch.setattr(runs, "LOCK_SECONDS", 0.1)
    with copy.locked(), pytest.raises(UserError, match="could not be written"):
        rebuild(copy)
    assert copy.report_path.read_bytes() == before


def test_predictions_that_are_damaged_replace_nothing(copy: Run) -> None:
    before = copy.report_path.read_bytes()
    copy.predictions_path.write_bytes(b"")
    with pytest.raises(UserError, match="holds no predictions"):
        rebuild(copy)
    assert copy.report_path.read_bytes() == before


def test_only_the_report_is_written(copy: Run) -> None:
    others = {path: path.read_bytes() for path in copy.folder.iterdir() if path.name not in ("report.json", ".lock")}
    rebuild(copy)
    assert {path: path.read_bytes() for path in others} == others
    assert json.loads(copy.report_path.read_text()).keys() == {"validation", "test"}
    assert not [
        path for path in copy.folder.iterdir() if path not in others and path.name not in ("report.json", ".lock")
    ]
