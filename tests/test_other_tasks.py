"""Data sets of other tasks than HAM10000's, through the whole command line: explored, trained, reported, compared, predicted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import drawn
import onnx
import pandas as pd
import pytest
from small import SMALL
from typer.testing import CliRunner

from skin.cli.main import app
from skin.evaluation.predictions import load_predictions
from skin.evaluation.report import load_report
from skin.patient import ChoiceField
from skin.run import Run
from skin.task import ISIC2019, Task
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

ONLY_THE_HEAD = [word for name, value in {**SMALL, "stage2_epochs": 0}.items() for word in ("--set", f"{name}={value}")]
"""Stage 2 hears of classes and fields through the same head, and takes the most time."""
OWN = Task.parse_json(drawn.OWN_TASK)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home in which both models were trained on each data set, by the command."""
    home = tmp_path_factory.mktemp("other-tasks")
    for name, draw in DRAWN.items():
        words = ["--dataset", str(draw(home / "data" / name)), "--preset", "demo", "--name", name, *ONLY_THE_HEAD]
        said = command(home, "train", *words)
        assert f"{name}-multimodal minus {name}-image" in said  # two models are compared when both are trained
    return Workspace(home)


DRAWN = {"isic": drawn.isic2019, "own": drawn.own}


def command(home: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--home", str(home)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def facts(workspace: Workspace, *words: str) -> Any:
    return json.loads(command(workspace.home, *words, "--json"))


TASKS = [pytest.param("isic", ISIC2019, id="isic"), pytest.param("own", OWN, id="own")]


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a_data_set_is_described_in_its_own_classes_and_fields(home: Workspace, name: str, task: Task) -> None:
    told = facts(home, "data", str(home.home / "data" / name))

    assert list(told["diagnoses"]) == list(task.codes)
    assert list(told["missing"]) == [field.name for field in task.fields]
    assert told["task"] == task.name
    assert told["splits"]["by-lesion"]["shared_test_images"] == 0
    assert told["unknown_labels"] == ({"UNK": 2} if name == "isic" else {})


@pytest.mark.parametrize("model", ["image", "multimodal"])
@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a_run_and_its_network_carry_their_task(home: Workspace, name: str, task: Task, model: str) -> None:
    run = Run(home.runs / f"{name}-{model}")

    assert run.task == task
    metadata = {row.key: row.value for row in onnx.load(run.onnx_path).metadata_props}
    assert Task.parse_json(json.loads(metadata["task"])) == task
    assert json.loads(metadata["classes"]) == list(task.codes)
    assert load_predictions(run.predictions_path)["test"].probabilities.shape[1] == len(task)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a_report_has_the_runs_classes_and_what_they_have_metrics_for(home: Workspace, name: str, task: Task) -> None:
    report = facts(home, "evaluate", f"{name}-multimodal")

    assert list(report["per_class"]) == list(task.codes)
    assert {"malignant_auc", "accuracy"} <= report.keys()
    assert ("melanoma_sensitivity" in report) == (task.find("mel") is not None)
    assert report["operating_point"]["thresholds"]["diagnoses"].keys() == set(task.codes)
    assert report["subgroups"].keys() & {field.name for field in task.fields}
    again = facts(home, "evaluate", f"{name}-multimodal", "--dataset", str(home.home / "data" / name))
    assert again["accuracy"]["value"] == pytest.approx(report["accuracy"]["value"])


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_two_runs_are_compared_on_their_classes(home: Workspace, name: str, task: Task) -> None:
    comparison = facts(home, "compare", f"{name}-image", f"{name}-multimodal")

    assert list(comparison["per_class"]) == list(task.codes)
    assert comparison["task"] == task.name


@pytest.mark.parametrize("model", ["image", "multimodal"])
@pytest.mark.parametrize(("name", "task"), TASKS)
def test_what_is_published_asks_in_the_runs_own_classes_and_fields(
    home: Workspace, name: str, task: Task, model: str, tmp_path: Path
) -> None:
    command(home.home, "publish", f"{name}-{model}", str(tmp_path / "hub"))

    image = next((home.home / "data" / name).rglob("*.jpg"))
    line = [sys.executable, "-I", "example.py", str(image)]
    done = subprocess.run(line, cwd=tmp_path / "hub", capture_output=True, text=True, check=True)
    probabilities = json.loads(done.stdout)
    assert list(probabilities) == list(task.codes)
    known = {field.name: field.values[0] if isinstance(field, ChoiceField) else 60 for field in task.fields}
    known |= {"diameter": 15} if name == "own" else {}
    words = [word for field, value in known.items() for word in ("--field", f"{field}={value}")]
    [told] = facts(home, "predict", str(image), "--run", f"{name}-{model}", *(words if model == "multimodal" else ()))
    assert probabilities == pytest.approx(told["probabilities"], abs=1e-3)
    card = (tmp_path / "hub" / "README.md").read_text()
    assert all(f"| {code} | " in card for code in task.codes)
    assert not (tmp_path / "hub" / "LICENSE").exists()


def test_runs_of_other_classes_are_not_compared(home: Workspace) -> None:
    result = CliRunner().invoke(app, ["compare", "isic-image", "own-image", "--home", str(home.home)])
    assert result.exit_code == 1
    assert "They tell other diagnoses apart" in result.stderr


def test_a_prediction_takes_the_runs_own_fields(home: Workspace) -> None:
    image = str(next((home.home / "data" / "own" / "images").iterdir()))
    [plain] = facts(home, "predict", image, "--run", "own-multimodal")
    words = ["--field", "itch=yes", "--field", "diameter=14"]
    [told] = facts(home, "predict", image, "--run", "own-multimodal", *words)

    assert (told["itch"], told["diameter"]) == ("yes", 14)
    assert (plain["itch"], plain["diameter"]) == ("unknown", None)
    assert list(told["probabilities"]) == list(OWN.codes)
    assert told["probabilities"] != plain["probabilities"]
    assert told["risk"] in ("low", "moderate", "high")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--age", "50"), "There is no field 'age' in Our clinic: use diameter, itch."),
        (("--field", "itch=often"), "Unknown itch 'often': use one of no, sometimes, yes, unknown."),
        (("--field", "diameter=99"), "The diameter must lie between 0 and 30 mm, not 99."),
        (("--field", "itch"), "--field wants NAME=VALUE, not 'itch'."),
    ],
)
def test_a_field_that_is_not_the_runs_is_refused(home: Workspace, words: tuple[str, ...], said: str) -> None:
    image = str(next((home.home / "data" / "own" / "images").iterdir()))
    result = CliRunner().invoke(app, ["predict", image, "--run", "own-multimodal", *words, "--home", str(home.home)])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_table_of_patients_and_of_answers_has_the_runs_columns(home: Workspace, tmp_path: Path) -> None:
    images = sorted((home.home / "data" / "own" / "images").iterdir())[:3]
    table, answers = tmp_path / "patients.csv", tmp_path / "answers.csv"
    table.write_text(f"image,itch,diameter\n{images[0].name},yes,12\n{images[1].name},,\n")
    words = ["--run", "own-multimodal", "--patients", str(table), "--csv", str(answers)]
    command(home.home, "predict", *map(str, images), *words)

    frame = pd.read_csv(answers)
    assert list(frame.columns[1:3]) == ["diameter", "itch"]
    assert frame["itch"].tolist() == ["yes", "unknown", "unknown"]
    assert set(OWN.codes) <= set(frame)


def test_a_task_that_does_not_tell_what_is_malignant_gets_no_risk(home: Workspace, tmp_path: Path) -> None:
    diagnoses = [{"code": row["code"]} for row in drawn.OWN_TASK["diagnoses"]]
    folder = drawn.own(tmp_path / "plain", lesions=4, task={"name": "plain", "diagnoses": diagnoses})
    words = ["--dataset", str(folder), "--preset", "demo", "--model", "image", "--name", "plain", *ONLY_THE_HEAD]
    command(home.home, "train", *words)

    report = load_report(home.runs / "plain" / "report.json")["test"]
    assert report.operating_point is None
    assert "malignant_auc" not in report.headline
    [row] = facts(home, "predict", str(next((folder / "images").iterdir())), "--run", "plain")
    assert (row["risk"], row["malignancy"], row["malignant_probability"], row["malignant_threshold"]) == (None,) * 4
    assert "does not tell what is malignant" in row["advice"]
    both = CliRunner().invoke(app, ["train", "--dataset", str(folder), "--preset", "demo", "--home", str(home.home)])
    assert both.exit_code == 1
    assert "plain tells nothing of the patient: train the model 'image' on it." in both.stderr


def test_a_data_set_that_changed_its_classes_does_not_resume_the_run(home: Workspace) -> None:
    run = Run(home.runs / "own-image")
    with pytest.raises(Exception, match="tells apart nevus, melanoma, angioma, keratosis, and its data set now says"):
        run.keep_task(ISIC2019)


@pytest.mark.parametrize(
    "content", ["{", '{"diagnoses": []}', '{"diagnoses": [{"code": "a"}, {"code": "b"}], "new": 1}']
)
def test_a_run_of_a_task_that_cannot_be_read_is_named_and_the_rest_goes_on(
    home: Workspace, content: str, tmp_path: Path
) -> None:
    damaged = Workspace(tmp_path)
    damaged.runs.mkdir(parents=True)
    for name in ("own-image", "own-multimodal"):
        (damaged.runs / name).mkdir()
        for path in (home.runs / name).iterdir():
            (damaged.runs / name / path.name).write_bytes(path.read_bytes())
    (damaged.runs / "own-image" / "task.json").write_text(content)

    rows = {row["name"]: row for row in facts(damaged, "runs")}
    assert rows["own-image"]["state"] == "damaged"
    assert "task.json tells no task" in rows["own-image"]["message"]
    assert rows["own-multimodal"]["state"] == "finished"
    for words in (("evaluate", "own-image"), ("compare", "own-multimodal", "own-image")):
        result = CliRunner().invoke(app, [*words, "--home", str(damaged.home)])
        assert result.exit_code == 1
        assert "task.json tells no task" in result.stderr
