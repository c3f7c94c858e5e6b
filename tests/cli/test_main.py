"""The command line: facts as JSON, sentences for errors, exit codes."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from ham import CODES
from PIL import Image
from typer.testing import CliRunner, Result

from skin import jobs
from skin.cli.main import app
from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.evaluation.decision import DECISION_METRICS, DECISIONS
from skin.evaluation.metrics import METRICS
from skin.inference import batch
from skin.run import Run, State
from skin.workspace import Workspace

COMMANDS = [
    *("data", "train", "stop", "resume", "runs", "rename", "delete"),
    *("evaluate", "compare", "audit", "predict", "export", "card", "publish", "space", "benchmark", "app"),
]
ESTIMATE = {"value", "low", "high"}


def call(workspace: Workspace, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(workspace.home)], input=typed)


def facts(workspace: Workspace, *words: str) -> object:
    result = call(workspace, *words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def twins(judged_run: Run) -> Run:
    """A second finished run on the same split."""
    twin = judged_run.folder.with_name("twin")
    shutil.copytree(judged_run.folder, twin)
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
    by_source = {"train": 6598, "validation": 1158, "test": 2259, "shared_test_images": 0}
    assert data["splits"]["by-source, fold 0 (rosendahl)"] == by_source
    assert data["splits"]["by-lesion"]["shared_test_images"] == 0


def test_evaluate_gives_every_headline_with_its_interval(shared_workspace: Workspace, judged_run: Run) -> None:
    report = facts(shared_workspace, "evaluate", judged_run.name)
    assert (report["run"], report["split"], report["dataset"]) == (judged_run.name, "by-lesion", "Demo (synthetic)")
    assert report["settings"]["image_size"] == judged_run.config.image_size
    assert report["dataset_fingerprint"] == facts(shared_workspace, "data", "demo")["fingerprint"]
    for metric in METRICS:
        assert set(report[metric]) == ESTIMATE
    assert set(report["per_class"]) == set(CODES)
    assert report["n"] == sum(row["support"] for row in report["per_class"].values())


def test_evaluate_tells_groups_when_asked(shared_workspace: Workspace, judged_run: Run) -> None:
    assert "75 and older" not in call(shared_workspace, "evaluate", judged_run.name).stdout
    told = call(shared_workspace, "evaluate", judged_run.name, "--groups").stdout
    assert re.search(r"^75 and older +\d+", told, re.MULTILINE)


def test_evaluating_the_images_anew_gives_the_saved_report(shared_workspace: Workspace, judged_run: Run) -> None:
    saved = facts(shared_workspace, "evaluate", judged_run.name)
    anew = facts(shared_workspace, "evaluate", judged_run.name, "--dataset", "demo")
    assert anew["n"] == saved["n"]
    assert {"age", "sex", "site"} <= set(anew["subgroups"]) == set(saved["subgroups"])
    for metric in METRICS:
        assert anew[metric]["value"] == pytest.approx(saved[metric]["value"], abs=1e-4)


def test_evaluate_takes_all_images_of_a_data_set_that_the_run_never_saw(
    shared_workspace: Workspace, judged_run: Run, demo: Dataset, tmp_path: Path
) -> None:
    rows = ["lesion_id,image_id,dx"]
    for number, image in enumerate(demo.images[:8]):
        shutil.copy(image.path, tmp_path / f"NEW_{number}.jpg")
        rows.append(f"L{number},NEW_{number},{image.diagnosis}")
    (tmp_path / "HAM10000_metadata.csv").write_text("\n".join(rows))
    assert facts(shared_workspace, "evaluate", judged_run.name, "--dataset", str(tmp_path))["n"] == 8


@pytest.mark.parametrize("decision", DECISIONS)
def test_evaluate_reports_under_each_decision_rule(shared_workspace: Workspace, judged_run: Run, decision: str) -> None:
    saved = facts(shared_workspace, "evaluate", judged_run.name)
    report = facts(shared_workspace, "evaluate", judged_run.name, "--decision", decision)
    assert report["decision"] == decision
    figures = report["decisions"][decision]["figures"]
    assert report["accuracy"] == figures["accuracy"] == saved["decisions"][decision]["figures"]["accuracy"]
    assert set(figures) == set(DECISION_METRICS)
    assert {name: report[name] for name in ("macro_auc", "ece", "brier")} == {
        name: saved[name] for name in ("macro_auc", "ece", "brier")
    }
    assert (report["dataset"], report["operating_points"]) == (saved["dataset"], saved["operating_points"])
    told = call(shared_workspace, "evaluate", judged_run.name, "--decision", decision).stdout
    assert all(re.search(rf"^{name} ", told, re.MULTILINE) for name in DECISIONS)
    assert ("Decided by the rule" in told) == (decision != "most-probable")


def test_evaluating_the_images_anew_under_a_rule_gives_what_the_predictions_do(
    shared_workspace: Workspace, judged_run: Run
) -> None:
    words = ("evaluate", judged_run.name, "--decision", "sensitivity", "--target", "0.8")
    saved, anew = facts(shared_workspace, *words), facts(shared_workspace, *words, "--dataset", "demo")
    assert saved["decisions"]["sensitivity"]["parameters"]["target"] == 0.8
    assert anew["accuracy"]["value"] == pytest.approx(saved["accuracy"]["value"], abs=1e-2)


def test_a_prevalence_is_what_the_operating_points_are_for(shared_workspace: Workspace, judged_run: Run) -> None:
    saved = facts(shared_workspace, "evaluate", judged_run.name)
    shares = ",".join(f"{code}={0.94 if code == 'nv' else 0.01}" for code in CODES)
    report = facts(shared_workspace, "evaluate", judged_run.name, "--prevalence", shares)
    assert report["prevalence"]["nv"] == pytest.approx(0.94)
    assert saved["prevalence"] is None
    for before, after in zip(saved["operating_points"], report["operating_points"], strict=True):
        assert after["threshold"] == before["threshold"]
        assert after["positive_predictive_value"]["value"] < before["positive_predictive_value"]["value"]
    assert report["accuracy"] == saved["accuracy"]
    told = call(shared_workspace, "evaluate", judged_run.name, "--prevalence", shares).stdout
    assert "Operating points are for a prevalence of 1.0% akiec" in told


def test_predict_decides_by_a_rule_and_for_a_prevalence(
    shared_workspace: Workspace, judged_run: Run, demo: Dataset
) -> None:
    words = ("predict", str(demo.images[0].path), "--run", judged_run.name)
    (usual,) = facts(shared_workspace, *words)
    (balanced,) = facts(shared_workspace, *words, "--decision", "balanced")
    (equal,) = facts(shared_workspace, *words, "--prevalence", "equal")
    assert (usual["decision"], balanced["decision"]) == ("most-probable", "balanced")
    assert balanced["probabilities"] == usual["probabilities"] != equal["probabilities"]
    assert balanced["decided_by"].startswith("Decided by the highest probability once each is divided")
    assert equal["prevalence"] == pytest.approx(dict.fromkeys(CODES, 1 / 7))
    told = call(shared_workspace, *words, "--decision", "balanced", "--prevalence", "equal").stdout
    assert "Decided by the rule balanced: " in told
    assert "Probabilities are for a prevalence of 14.3% akiec" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--decision", "magic"], "There is no decision rule 'magic' for this model"),
        (["--decision", "sensitivity", "--target", "95"], "must be a number between 0 and 1"),
        (["--prevalence", "winter"], "There is no prevalence 'winter'"),
        (["--prevalence", "mel=1"], "The prevalence lacks akiec, bcc, bkl, df, nv and vasc"),
        (["--prevalence", ",".join(f"{code}=0.5" for code in CODES)], "sum to 3.5: they must sum to 1"),
        (["--prevalence", ",".join(f"{code}=-1" for code in CODES)], "must be a number from 0 to 1, not '-1'"),
    ],
)
def test_a_decision_that_cannot_be_gets_a_sentence(
    shared_workspace: Workspace, judged_run: Run, demo: Dataset, words: list[str], sentence: str
) -> None:
    for command in (["evaluate", judged_run.name], ["predict", str(demo.images[0].path), "--run", judged_run.name]):
        refused = call(shared_workspace, *command, *words)
        assert refused.exit_code == 2
        assert sentence in " ".join(refused.stderr.split())


def test_a_report_is_saved_with_every_rule_at_once(shared_workspace: Workspace, judged_run: Run) -> None:
    refused = call(shared_workspace, "evaluate", judged_run.name, "--save", "--decision", "balanced")
    assert refused.exit_code == 2
    assert "A saved report holds every decision rule" in refused.stderr


def test_compare_gives_differences_and_a_verdict(shared_workspace: Workspace, judged_run: Run, twins: Run) -> None:
    comparison = facts(shared_workspace, "compare", judged_run.name, twins.name)
    assert (comparison["a"], comparison["b"]) == (judged_run.name, twins.name)
    assert set(comparison["difference"]["accuracy"]) == ESTIMATE
    assert comparison["difference"]["accuracy"]["value"] == 0
    assert comparison["mcnemar_p"] == 1
    assert comparison["identical"]
    assert "give the same probabilities" in comparison["verdict"]


def test_compare_tells_a_copy_in_a_sentence_without_a_table_of_zeros(
    shared_workspace: Workspace, judged_run: Run, twins: Run
) -> None:
    told = call(shared_workspace, "compare", judged_run.name, twins.name).stdout
    assert told.startswith(f"{judged_run.name} and {twins.name} give the same probabilities")
    assert "0.000" not in told


def test_predict_gives_probabilities_of_all_diagnoses(
    shared_workspace: Workspace, judged_run: Run, demo: Dataset
) -> None:
    path = str(demo.images[0].path)
    (prediction,) = facts(shared_workspace, "predict", path, "--age", "60", "--run", judged_run.name)
    assert prediction["image"] == path
    assert prediction["run"] == judged_run.name
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert prediction["diagnosis"] == max(prediction["probabilities"], key=prediction["probabilities"].get)
    assert {"malignancy", "risk", "advice"} <= set(prediction)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them broken, among files that are none."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    Image.new("RGB", (40, 30), "red").save(folder / "red.png")
    Image.new("RGB", (40, 30), "blue").save(folder / "sub" / "blue.JPG", "JPEG")
    (folder / "broken.jpg").write_text("no image")
    (folder / "notes.txt").write_text("no image, and not said to be one")
    (folder / ".thumbnail.png").write_bytes((folder / "red.png").read_bytes())
    return folder


def test_predict_takes_a_folder_and_a_table_of_patients(two_models: Workspace, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("image;age\nsub/blue.jpg;90\nelsewhere.jpg;30\n")
    words = ["predict", str(folder), "--patients", str(tmp_path / "patients.csv")]
    result = call(two_models, *words, "--json")
    assert result.exit_code == 1
    assert "1 of 3 images have no answer" in result.stderr
    broken, red, blue = json.loads(result.stdout)
    assert broken["image"] == str(folder / "broken.jpg")
    assert "broken.jpg is not an image" in broken["error"]
    assert (red["run"], red["diagnosis"], red["age"]) == ("ham10000-image", "mel", None)
    assert (blue["image"], blue["run"], blue["age"]) == (str(folder / "sub" / "blue.JPG"), "ham10000-multimodal", 90)
    told = call(two_models, *words).stdout
    assert "2 answers. 1 file could not be read: the table says why. 1 row of your table named no image" in told
    assert re.search(r"broken.jpg.*broken.jpg is not an image", told)


def test_predict_writes_the_table_that_the_app_gives(two_models: Workspace, folder: Path, tmp_path: Path) -> None:
    result = call(two_models, "predict", str(folder), "--csv", str(tmp_path / "answers.csv"), "--sex", "male")
    assert result.exit_code == 1
    assert f"1 of 3 images have no answer: {folder}/broken.jpg." in " ".join(result.stderr.split())
    table = pd.read_csv(tmp_path / "answers.csv")
    assert list(table) == ["image", "age", "sex", "site", *batch.ANSWER, *CODES, "error"]
    assert table["error"].notna().tolist() == [True, False, False]
    assert table["sex"].tolist() == ["male"] * 3
    assert table["run"].tolist()[1:] == ["ham10000-multimodal"] * 2
    assert "answers.csv: 2 answers." in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["{folder}/sub/none"], 1, "none is no file that can be read"),
        (["{home}"], 1, "holds no image"),
        (["{folder}", "--patients", "{home}/no.csv"], 1, "no.csv cannot be read"),
        (["{folder}", "--patients", "{folder}/notes.txt"], 1, "notes.txt needs a column 'image'"),
        (["{folder}", "--patients", "{folder}/notes.txt", "--age", "3"], 2, "not both"),
        (["{folder}", "--parallel", "2"], 2, "--engine, --parallel and --address are for a table: give --out FILE"),
        (["{folder}", "--out", "{home}/a.csv", "--json"], 2, "either --out or --json"),
        (["{folder}", "--out", "{home}/a.xlsx"], 2, "a.xlsx must end in .csv or .parquet"),
        (["{folder}", "--out", "{home}/a.csv", "--engine", "slurm"], 2, "on local or ray, not on 'slurm'"),
        (["{folder}", "--out", "{home}/a.csv", "--parallel", "0"], 2, "--parallel"),
        (["{folder}", "--out", "{home}/a.csv", "--address", "auto"], 2, "give --engine ray, too"),
    ],
)
def test_a_batch_that_cannot_be_gets_a_sentence(
    two_models: Workspace, folder: Path, tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [word.format(folder=folder, home=tmp_path / "empty") for word in words]
    result = call(two_models, "predict", *filled)
    assert (result.exit_code, sentence in " ".join(result.stderr.split())) == (code, True), result.stderr


@pytest.fixture
def own_run(workspace: Workspace) -> Run:
    run = Run.create(workspace, "mine", TrainConfig.from_preset("demo"))
    run.update_status(state=State.FINISHED)
    return run


def test_a_run_gets_another_name(workspace: Workspace, own_run: Run) -> None:
    assert "mine is now yours." in call(workspace, "rename", own_run.name, "yours").stdout
    assert not own_run.folder.exists()
    assert (workspace.runs / "yours" / "config.json").is_file()


@pytest.mark.parametrize(("typed", "is_kept"), [("n\n", True), ("", True), ("y\n", False)])
def test_a_run_is_deleted_only_when_the_question_is_answered_so(
    workspace: Workspace, own_run: Run, typed: str, is_kept: bool
) -> None:
    assert "Delete mine with its weights and its report" in call(workspace, "delete", "mine", typed=typed).stdout
    assert own_run.folder.exists() == is_kept


def test_delete_need_not_ask(workspace: Workspace, own_run: Run) -> None:
    result = call(workspace, "delete", "mine", "--yes")
    assert (result.exit_code, result.stdout) == (0, "mine is deleted.\n")
    assert not own_run.folder.exists()


def test_what_is_shipped_or_trains_is_neither_renamed_nor_deleted(workspace: Workspace, own_run: Run) -> None:
    jobs.claim(own_run)
    for words in (["rename", "mine", "yours"], ["delete", "mine"], ["delete", "mine", "--yes"]):
        result = call(workspace, *words)
        assert result.exit_code == 1
        assert "mine is queued: stop it first." in result.stderr
        assert "?" not in result.stdout
    for words in (["rename", "ham10000-image", "yours"], ["delete", "ham10000-image", "--yes"]):
        assert "came with the project" in call(workspace, *words).stderr
    assert own_run.folder.exists()
    assert (workspace.shipped_runs / "ham10000-image").is_dir()


def test_runs_lists_what_there_is(shared_workspace: Workspace, judged_run: Run) -> None:
    listed = {run["name"]: run for run in facts(shared_workspace, "runs")}
    assert listed[judged_run.name]["state"] == "finished"
    assert 0 < listed[judged_run.name]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["data", "/no/such/folder"], 1, "no such folder|not a folder|no folder|neither"),
        (["train", "--set", "colour_of_hat=red"], 2, "Unknown setting 'colour_of_hat'"),
        (["train", "--set", "model=text", "--dataset", "demo"], 2, "model must be one of"),
        (["train", "--set", "seed"], 2, "FIELD=VALUE"),
        (["train", "--set", "image_size=3"], 2, "image_size must be at least 32"),
        (["train", "--preset", "magic"], 2, "Unknown preset 'magic'"),
        (["train", "--model", "text"], 2, "model must be one of"),
        (["train", "--backbone", "vgg99", "--dataset", "demo"], 2, "Unknown backbone 'vgg99'"),
        (["train", "--name", "../up", "--model", "image"], 2, "cannot name a run"),
        (["evaluate", "nothing"], 1, "no run 'nothing'"),
        (["evaluate", "judged", "--part", "train"], 2, "test or validation"),
        (["predict", "x.jpg", "--age", "-3"], 2, "between 0 and 120 years"),
        (["predict", "x.jpg", "--site", "moon"], 2, "Unknown site 'moon'"),
        (["predict", "no-such-image.jpg", "--run", "judged"], 1, "no-such-image.jpg"),
        (["compare", "judged", "judged"], 2, "judged is one run: name another"),
        (["rename", "judged", "../up"], 2, "cannot name a run"),
        (["delete", "nothing"], 1, "no run 'nothing'"),
        (["resume", "judged"], 1, "finished"),
        (["stop", "judged"], 1, "nothing to stop"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_bad_input_gets_one_sentence_and_an_exit_code(
    shared_workspace: Workspace, judged_run: Run, words: list[str], code: int, sentence: str
) -> None:
    import re

    result = call(shared_workspace, *words) if words != ["nonsense"] else CliRunner().invoke(app, words)
    assert result.exit_code == code, result.stderr
    assert re.search(sentence, " ".join(result.stderr.split()))
    assert "Traceback" not in result.stderr
    assert judged_run.report_path.exists()


def test_a_taken_name_is_refused_and_the_run_kept(shared_workspace: Workspace, judged_run: Run) -> None:
    result = call(shared_workspace, "train", "--dataset", "demo", "--model", "image", "--name", judged_run.name)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert judged_run.is_finished


def test_when_one_of_two_names_is_taken_neither_run_is_made(shared_workspace: Workspace, judged_run: Run) -> None:
    taken = judged_run.folder.with_name("pair-multimodal")
    taken.mkdir()
    result = call(shared_workspace, "train", "--dataset", "demo", "--name", "pair")
    assert result.exit_code == 2
    assert not taken.with_name("pair-image").exists()
    taken.rmdir()


def test_an_image_that_is_none_gets_a_sentence(shared_workspace: Workspace, judged_run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for name in ("text.jpg", "dot.png"):
        result = call(shared_workspace, "predict", str(tmp_path / name), "--run", judged_run.name)
        assert result.exit_code == 1
        assert name in result.stderr


def test_a_damaged_run_is_listed_as_such(shared_workspace: Workspace, judged_run: Run) -> None:
    damaged = judged_run.folder.with_name("damaged")
    shutil.copytree(judged_run.folder, damaged)
    (damaged / "config.json").write_text("{")
    states = {run["name"]: run["state"] for run in facts(shared_workspace, "runs")}
    assert states["damaged"] == "damaged"
    assert states[judged_run.name] == "finished"
    shutil.rmtree(damaged)
