"""What the report pages are about."""

from typing import Any

import numpy as np
import pytest

from skin.errors import UserError
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.run import Run
from skin.ui.components.loaded_report import LoadedReport, ReportKey, load_by_key, reported_runs
from skin.workspace import Workspace

PROBABILITIES = np.array(
    [[0.9, 0.1, 0, 0, 0, 0, 0], [0.2, 0.8, 0, 0, 0, 0, 0], [0.7, 0.3, 0, 0, 0, 0, 0], [0.4, 0.6, 0, 0, 0, 0, 0]],
    np.float32,
)
PREDICTIONS = Predictions(tuple("abcd"), tuple("abcd"), np.array([0, 0, 1, 0]), PROBABILITIES)
SUBJECT = LoadedReport("made here", PREDICTIONS, evaluate(PREDICTIONS))


def test_mistakes_come_surest_first() -> None:
    assert SUBJECT.mistakes().tolist() == [1, 2, 3]


def test_a_cell_holds_its_images_surest_first() -> None:
    assert SUBJECT.cell(0, 1).tolist() == [1, 3]
    assert SUBJECT.cell(0, 0).tolist() == [0]
    assert SUBJECT.cell(6, 6).tolist() == []


def test_captions_say_the_truth_the_prediction_and_how_sure() -> None:
    assert SUBJECT.captions([0, 1]) == {"a": "akiec ✓ 90%", "b": "akiec → bcc 80%"}


def test_a_judged_run_can_be_shown(shared_workspace: Workspace, judged_run: Run) -> None:
    for part in ("test", "validation"):
        subject = load_by_key(shared_workspace, ReportKey.of_run(shared_workspace, judged_run.name, part))
        assert subject.title == f"{judged_run.name}, {part} part"
        assert subject.report.n == len(subject.predictions.image_ids)
        assert len(subject.history) == len(judged_run.history())
        assert subject.dataset == "demo"


def test_only_runs_with_a_report_are_offered(workspace: Workspace, add_run: Any) -> None:
    add_run("done")
    add_run("running").report_path.unlink()
    assert "done" in reported_runs(workspace)
    assert "running" not in reported_runs(workspace)


def test_a_run_that_is_gone_or_damaged_is_refused(workspace: Workspace, add_run: Any) -> None:
    run = add_run("mine")
    key = ReportKey.of_run(workspace, "mine", "test")
    with pytest.raises(UserError, match="tells nothing of a part 'train'"):
        load_by_key(workspace, ReportKey.of_run(workspace, "mine", "train"))
    run.predictions_path.write_bytes(b"")
    with pytest.raises(UserError, match="holds no predictions"):
        load_by_key(workspace, key)
    run.report_path.unlink()
    with pytest.raises(UserError, match="no report of a run 'mine'"):
        load_by_key(workspace, key)


def test_no_path_leads_out_of_the_runs(workspace: Workspace, add_run: Any) -> None:
    add_run("mine")
    with pytest.raises(UserError, match="no report of a run"):
        ReportKey.of_run(workspace, "../checkpoints/mine", "test")
