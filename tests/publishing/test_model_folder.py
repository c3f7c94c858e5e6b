"""The folder for the Hub: it runs by itself, tells nothing of this machine, and is whole or not there."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from small import SmallDisk

from skin.config import TrainConfig
from skin.errors import UsageError, UserError
from skin.evaluation.decision import DECISIONS
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.predictions import load_predictions
from skin.inference.predictor import SHIPPED, Predictor
from skin.publishing.model_folder import write_model_folder
from skin.run import Run, State
from skin.task import Task
from skin.workspace import PROJECT, Workspace

SHIPPED_RUNS = {model: Run(PROJECT / "checkpoints" / name) for model, name in SHIPPED.items()}
SAME = 1e-4
"""Largest difference of two probabilities that one network gives the same image."""


@pytest.fixture
def lesion(tmp_path: Path) -> Path:
    """An image of something."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((30, 30, 1))).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "lesion.png")
    return tmp_path / "lesion.png"


def answer(folder: Path, lesion: Path, python: str = sys.executable) -> dict[str, float]:
    """The probabilities that the example of a published folder prints."""
    # Isolated, so that nothing of the checkout is in reach.
    line = [python, "-I", "example.py", str(lesion)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    probabilities: dict[str, float] = json.loads(done.stdout)
    return probabilities


def in_the_app(run: Run, lesion: Path) -> dict[str, float]:
    """The probabilities for the example's patient as the app gives them."""
    patient = {"age": 60, "sex": "female", "site": "abdomen"} if run.config.model == "multimodal" else {}
    return Predictor(run).predict(lesion, run.task.parse(patient)).probabilities


@pytest.mark.parametrize("model", SHIPPED)
def test_the_example_says_what_the_app_says(model: str, lesion: Path, tmp_path: Path) -> None:
    run, folder = SHIPPED_RUNS[model], tmp_path / "folder"
    write_model_folder(run, folder)
    assert answer(folder, lesion) == pytest.approx(in_the_app(run, lesion), abs=SAME)


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", SHIPPED)
def test_the_example_runs_in_an_empty_environment(model: str, lesion: Path, tmp_path: Path) -> None:
    run, folder = SHIPPED_RUNS[model], tmp_path / "folder"
    write_model_folder(run, folder)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", folder / "requirements.txt"], check=True)
    assert answer(folder, lesion, python) == pytest.approx(in_the_app(run, lesion), abs=SAME)


def test_a_folder_holds_what_it_takes_and_nothing_of_this_machine(tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(SHIPPED_RUNS["multimodal"].folder, tmp_path / "run")))
    values = json.loads(run.config_path.read_text()) | {"dataset": str(tmp_path / "images")}
    run.config_path.write_text(json.dumps(values))
    folder = tmp_path / "folder"
    write_model_folder(run, folder)

    assert {path.name for path in folder.iterdir()} >= {
        *("README.md", "model.onnx", "config.json", "task.json", "report.json", "thresholds.json"),
        *("example.py", "requirements.txt", "LICENSE", ".gitattributes"),
    }
    assert not {path.name for path in folder.iterdir()} & {"train.log", "status.json", "predictions.npz", "split.csv"}
    assert TrainConfig.load(folder / "config.json").dataset == "images"
    assert Task.load(folder / "task.json") == run.task
    assert ModelCard.load(folder / "README.md").data.model_name == "run"
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        assert str(tmp_path).encode() not in path.read_bytes()


def test_the_thresholds_are_those_that_the_app_decides_by(tmp_path: Path) -> None:
    run = SHIPPED_RUNS["image"]
    write_model_folder(run, tmp_path / "folder")
    known = json.loads((tmp_path / "folder" / "thresholds.json").read_text())
    chosen = choose_thresholds(load_predictions(run.predictions_path)["validation"])
    assert (known["malignant"], known["diagnoses"]) == (chosen.malignant, chosen.diagnoses)
    assert set(known["decisions"]) == set(DECISIONS)
    assert len(known["decisions"]["balanced"]["shares"]) == len(run.task)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write_model_folder(SHIPPED_RUNS["image"], tmp_path / "folder")
    assert (tmp_path / "folder" / "model.onnx").is_file()


def test_what_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for place in (tmp_path / "folder", tmp_path / "folder" / "mine.txt"):
        with pytest.raises(UsageError, match="is there already, and not empty: name a new folder"):
            write_model_folder(SHIPPED_RUNS["image"], place)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_place_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"could not be written \(Not a directory\): name a folder that you may write to"
    ):
        write_model_folder(SHIPPED_RUNS["image"], tmp_path / "file" / "folder")


def test_a_full_disk_leaves_nothing_behind(small_disk: SmallDisk) -> None:
    disk = small_disk("1m")
    with pytest.raises(UserError, match=r"could not be written \(No space left on device\)"):
        write_model_folder(SHIPPED_RUNS["image"], disk / "folder")
    assert list(disk.iterdir()) == []


def test_an_unfinished_run_is_not_published(workspace: Workspace, tmp_path: Path) -> None:
    run = Run.create(workspace, "mine", TrainConfig())
    run.update_status(state=State.STOPPED)
    with pytest.raises(UserError, match="mine is stopped and cannot predict yet"):
        write_model_folder(run, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_run_without_a_sound_network_is_not_published(tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(SHIPPED_RUNS["image"].folder, tmp_path / "run")))
    run.onnx_path.write_bytes(run.onnx_path.read_bytes()[:1000])
    with pytest.raises(UserError, match="it cannot be loaded"):
        write_model_folder(run, tmp_path / "folder")
    run.onnx_path.unlink()
    with pytest.raises(UserError, match="python -m skin export run"):
        write_model_folder(run, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
