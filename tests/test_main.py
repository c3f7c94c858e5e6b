"""The command line: facts as JSON, sentences for errors, exit codes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from skin.__main__ import app
from skin.data.datasets import Dataset
from skin.lesion import CODES
from skin.metrics import METRICS
from skin.run import Run
from skin.workspace import Workspace

COMMANDS = ["data", "train", "stop", "resume", "runs", "evaluate", "compare", "predict", "export", "benchmark"]
ESTIMATE = {"value", "low", "high"}


def call(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(workspace.home)])


def facts(workspace: Workspace, *words: str) -> object:
    result = call(workspace, *words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def twins(trained_run: Run) -> Run:
    """A second finished run on the same split."""
    twin = trained_run.folder.with_name("twin")
    shutil.copytree(trained_run.folder, twin)
    return Run(twin)


def test_help_names_every_command_and_each_explains_itself() -> None:
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(command in help_text for command in COMMANDS)
    for command in COMMANDS:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_data_tells_counts_splits_and_leaks(shared_workspace: Workspace, demo: Dataset) -> None:
    data = facts(shared_workspace, "data", "demo")
    assert data["images"] == len(demo.images)
    assert list(data["diagnoses"]) == list(CODES)
    assert sum(data["diagnoses"].values()) == data["images"]
    assert data["splits"]["by-lesion"]["shared_test_images"] == 0
    assert data["splits"]["by-image"]["shared_test_images"] > 0
    assert set(data["missing"]) == {"age", "sex", "site"}


@pytest.mark.ham10000
def test_data_of_ham10000_is_what_is_published(workspace: Workspace) -> None:
    import os

    data = facts(workspace, "data", os.environ["HAM10000_DIR"])
    assert (data["images"], data["lesions"], data["missing"]["age"]) == (10_015, 7_470, 57)
    assert data["splits"]["by-image"] == {"train": 7010, "validation": 1502, "test": 1503, "shared_test_images": 543}
    assert data["splits"]["by-lesion"]["shared_test_images"] == 0


def test_evaluate_gives_every_headline_with_its_interval(shared_workspace: Workspace, trained_run: Run) -> None:
    report = facts(shared_workspace, "evaluate", trained_run.name)
    for metric in METRICS:
        assert set(report[metric]) == ESTIMATE
    assert set(report["per_class"]) == set(CODES)
    assert report["n"] == sum(row["support"] for row in report["per_class"].values())


def test_evaluate_tells_groups_when_asked(shared_workspace: Workspace, trained_run: Run) -> None:
    assert "75 and older" not in call(shared_workspace, "evaluate", trained_run.name).stdout
    told = call(shared_workspace, "evaluate", trained_run.name, "--groups").stdout
    assert re.search(r"^75 and older +\d+", told, re.MULTILINE)


def test_evaluating_the_images_anew_gives_the_saved_report(shared_workspace: Workspace, trained_run: Run) -> None:
    saved = facts(shared_workspace, "evaluate", trained_run.name)
    anew = facts(shared_workspace, "evaluate", trained_run.name, "--dataset", "demo")
    assert anew["n"] == saved["n"]
    assert {"age", "sex", "site"} <= set(anew["subgroups"]) == set(saved["subgroups"])
    for metric in METRICS:
        assert anew[metric]["value"] == pytest.approx(saved[metric]["value"], abs=1e-4)


def test_evaluate_takes_all_images_of_a_data_set_that_the_run_never_saw(
    shared_workspace: Workspace, trained_run: Run, demo: Dataset, tmp_path: Path
) -> None:
    rows = ["lesion_id,image_id,dx"]
    for number, image in enumerate(demo.images[:8]):
        shutil.copy(image.path, tmp_path / f"NEW_{number}.jpg")
        rows.append(f"L{number},NEW_{number},{image.diagnosis}")
    (tmp_path / "HAM10000_metadata.csv").write_text("\n".join(rows))
    assert facts(shared_workspace, "evaluate", trained_run.name, "--dataset", str(tmp_path))["n"] == 8


def test_compare_gives_differences_and_a_verdict(shared_workspace: Workspace, trained_run: Run, twins: Run) -> None:
    comparison = facts(shared_workspace, "compare", trained_run.name, twins.name)
    assert (comparison["a"], comparison["b"]) == (trained_run.name, twins.name)
    assert set(comparison["difference"]["accuracy"]) == ESTIMATE
    assert comparison["difference"]["accuracy"]["value"] == 0
    assert comparison["mcnemar_p"] == 1
    assert comparison["identical"]
    assert "give the same probabilities" in comparison["verdict"]


def test_compare_tells_a_copy_in_a_sentence_without_a_table_of_zeros(
    shared_workspace: Workspace, trained_run: Run, twins: Run
) -> None:
    told = call(shared_workspace, "compare", trained_run.name, twins.name).stdout
    assert told.startswith(f"{trained_run.name} and {twins.name} give the same probabilities")
    assert "0.000" not in told


def test_predict_gives_probabilities_of_all_diagnoses(
    shared_workspace: Workspace, trained_run: Run, demo: Dataset
) -> None:
    path = str(demo.images[0].path)
    (prediction,) = facts(shared_workspace, "predict", path, "--age", "60", "--run", trained_run.name)
    assert prediction["image"] == path
    assert prediction["run"] == trained_run.name
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert prediction["diagnosis"] == max(prediction["probabilities"], key=prediction["probabilities"].get)
    assert {"malignancy", "risk", "advice"} <= set(prediction)


def test_runs_lists_what_there_is(shared_workspace: Workspace, trained_run: Run) -> None:
    listed = {run["name"]: run for run in facts(shared_workspace, "runs")}
    assert listed[trained_run.name]["state"] == "finished"
    assert 0 < listed[trained_run.name]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["data", "/no/such/folder"], 1, "no such folder|not a folder|no folder|neither"),
        (["train", "--set", "colour_of_hat=red"], 2, "Unknown setting 'colour_of_hat'"),
        (["train", "--set", "seed"], 2, "FIELD=VALUE"),
        (["train", "--set", "image_size=3"], 2, "image_size must be at least 32"),
        (["train", "--preset", "magic"], 2, "Unknown preset 'magic'"),
        (["train", "--model", "text"], 2, "model must be one of"),
        (["train", "--backbone", "vgg99", "--dataset", "demo"], 2, "Unknown backbone 'vgg99'"),
        (["train", "--name", "../up", "--model", "image"], 2, "cannot name a run"),
        (["evaluate", "nothing"], 1, "no run 'nothing'"),
        (["evaluate", "trained", "--part", "train"], 2, "test or validation"),
        (["predict", "x.jpg", "--age", "-3"], 2, "between 0 and 120 years"),
        (["predict", "x.jpg", "--site", "moon"], 2, "Unknown site 'moon'"),
        (["predict", "no-such-image.jpg", "--run", "trained"], 1, "no-such-image.jpg"),
        (["compare", "trained", "trained"], 2, "trained is one run: name another"),
        (["resume", "trained"], 1, "finished"),
        (["stop", "trained"], 1, "nothing to stop"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_bad_input_gets_one_sentence_and_an_exit_code(
    shared_workspace: Workspace, trained_run: Run, words: list[str], code: int, sentence: str
) -> None:
    import re

    result = call(shared_workspace, *words) if words != ["nonsense"] else CliRunner().invoke(app, words)
    assert result.exit_code == code, result.stderr
    assert re.search(sentence, " ".join(result.stderr.split()))
    assert "Traceback" not in result.stderr
    assert trained_run.report_path.exists()


def test_a_taken_name_is_refused_and_the_run_kept(shared_workspace: Workspace, trained_run: Run) -> None:
    result = call(shared_workspace, "train", "--dataset", "demo", "--model", "image", "--name", trained_run.name)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert trained_run.is_finished


def test_when_one_of_two_names_is_taken_neither_run_is_made(shared_workspace: Workspace, trained_run: Run) -> None:
    taken = trained_run.folder.with_name("pair-multimodal")
    taken.mkdir()
    result = call(shared_workspace, "train", "--dataset", "demo", "--name", "pair")
    assert result.exit_code == 2
    assert not taken.with_name("pair-image").exists()
    taken.rmdir()


def test_an_image_that_is_none_gets_a_sentence(shared_workspace: Workspace, trained_run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for name in ("text.jpg", "dot.png"):
        result = call(shared_workspace, "predict", str(tmp_path / name), "--run", trained_run.name)
        assert result.exit_code == 1
        assert name in result.stderr


def test_a_damaged_run_is_listed_as_such(shared_workspace: Workspace, trained_run: Run) -> None:
    damaged = trained_run.folder.with_name("damaged")
    shutil.copytree(trained_run.folder, damaged)
    (damaged / "status.json").write_text("{")
    states = {run["name"]: run["state"] for run in facts(shared_workspace, "runs")}
    assert states["damaged"] == "damaged"
    assert states[trained_run.name] == "finished"
    shutil.rmtree(damaged)
