"""The folder of a Space: it serves chosen runs by itself, without Keras, and changes nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml
from gradio_client import Client, handle_file
from packaging.requirements import Requirement
from PIL import Image

from skin.config import TrainConfig
from skin.errors import UsageError, UserError
from skin.inference.predictor import SHIPPED
from skin.publishing.requirements import APP
from skin.publishing.space_folder import write_space
from skin.run import Run, State
from skin.workspace import PROJECT, Workspace

SHIPPED_RUNS = [Run(PROJECT / "checkpoints" / name) for name in SHIPPED.values()]
ONLY_FOR_TRAINING = {"keras", "tensorflow", "tensorflow-cpu", "tf2onnx"}

WITHOUT_KERAS = """
import runpy, sys
for name in ("keras", "tensorflow", "tf2onnx"):
    sys.modules[name] = None
sys.path.insert(0, ".")
runpy.run_path("app.py", run_name="__main__")
"""


@contextmanager
def served(folder: Path, *line: str) -> Iterator[str]:
    """The address of the app that the folder serves, by this command line, as a Space would be."""
    own = {"SPACE_ID": "me/mine", "SKIN_ALLOW_TRAINING": "1", "SKIN_AUTH": "", "PYTHONUNBUFFERED": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | own
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(line, cwd=folder, env=environment, **pipes) as process:
        said = []
        for text in process.stdout:
            said.append(text)
            if found := re.search(r"http://[\d.]+:\d+", text):
                break
        else:
            pytest.fail("".join(said))
        try:
            yield found[0].replace("0.0.0.0", "127.0.0.1")
        finally:
            process.terminate()


def check(address: str, folder: Path) -> None:
    """The app predicts with the shown run, and offers neither training nor a folder of the server."""
    assert '<span class="badge">read-only</span>' in str(httpx.get(f"{address}/config", timeout=60).json())
    image = folder / "lesion.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)).save(image)
    with_client = Client(address, verbose=False)
    record = with_client.predict(handle_file(str(image)), 50, "male", "back", api_name="/predict")
    assert record["run"] == SHIPPED_RUNS[1].name
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert (record["in_scope"], record["reason"] != "") == (False, True)  # its audit came along, and noise is no lesion


@pytest.mark.slow
def test_a_space_serves_its_runs_without_keras_and_read_only(tmp_path: Path) -> None:
    write_space(SHIPPED_RUNS[1:], tmp_path / "space")
    with served(tmp_path / "space", sys.executable, "-c", WITHOUT_KERAS) as address:
        check(address, tmp_path)


@pytest.mark.exhaustive
def test_a_space_runs_in_an_empty_environment(tmp_path: Path) -> None:
    write_space(SHIPPED_RUNS[1:], tmp_path / "space")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    requirements = tmp_path / "space" / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    with served(tmp_path / "space", python, "app.py") as address:
        check(address, tmp_path)


def test_a_space_holds_its_runs_and_nothing_of_this_machine(tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(SHIPPED_RUNS[0].folder, tmp_path / "mine")))
    values = json.loads(run.config_path.read_text()) | {"dataset": str(tmp_path / "images")}
    run.config_path.write_text(json.dumps(values))
    run.notes_path.write_text("{}")
    folder = tmp_path / "space"
    write_space([run, SHIPPED_RUNS[1]], folder)

    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"mine", SHIPPED_RUNS[1].name}
    files = {path.name for path in (folder / "checkpoints" / "mine").iterdir()}
    assert not files & {"train.log", "notes.json"}
    shown = Run(folder / "checkpoints" / "mine")
    assert shown.can_predict
    assert shown.status().job is None
    for path in [path for path in folder.rglob("*") if path.is_file() and "skin" not in path.relative_to(folder).parts]:
        assert str(tmp_path).encode() not in path.read_bytes()


def test_the_hub_can_start_it(tmp_path: Path) -> None:
    write_space(SHIPPED_RUNS, tmp_path / "space")
    text = (tmp_path / "space" / "README.md").read_text()
    metadata = yaml.safe_load(text.split("---\n")[1])
    pins = dict(line.split("==") for line in (tmp_path / "space" / "requirements.txt").read_text().splitlines())
    assert (metadata["sdk"], metadata["sdk_version"]) == ("gradio", pins["gradio"])
    assert (tmp_path / "space" / metadata["app_file"]).is_file()
    assert len(metadata["short_description"]) <= 60  # the Hub takes no longer one
    assert all(f"| {run.name} |" in text for run in SHIPPED_RUNS)
    assert {"LICENSE", "NOTICE"} <= {path.name for path in (tmp_path / "space").iterdir()}


def test_its_requirements_are_the_projects_but_for_training() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert set(APP) == {Requirement(line).name for line in project["dependencies"]} - ONLY_FOR_TRAINING


def test_a_space_without_a_run_that_can_predict_is_not_written(workspace: Workspace, tmp_path: Path) -> None:
    run = Run.create(workspace, "mine", TrainConfig())
    run.update_status(state=State.FAILED)
    with pytest.raises(UserError, match="mine is failed and cannot predict"):
        write_space([SHIPPED_RUNS[0], run], tmp_path / "space")
    for wrong in ([], [SHIPPED_RUNS[0], SHIPPED_RUNS[0]]):
        with pytest.raises(UsageError, match="name each one once"):
            write_space(wrong, tmp_path / "space")
    assert not (tmp_path / "space").exists()
