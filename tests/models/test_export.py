"""The exported file, called as docs/onnx.md says, by a program that knows nothing of this package."""

import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
from ham import CODES, UNKNOWN, someone
from typer.testing import CliRunner

from skin import run as runs
from skin.cli.main import app
from skin.data.dataset import Dataset
from skin.inference.predictor import SHIPPED, Predictor
from skin.run import Run
from skin.task import HAM10000, Task
from skin.workspace import PROJECT, Workspace

PAGE = (PROJECT / "docs" / "onnx.md").read_text()
(SCRIPT,) = re.findall("```python\n(.*?)```", PAGE, re.DOTALL)

COLUMNS = [heading for field in HAM10000.fields for heading in field.headings]


def export(home: Workspace, name: str, *options: str) -> None:
    result = CliRunner().invoke(app, ["export", name, *options, "--home", str(home.home)])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED.values())
def test_the_script_of_the_docs_says_what_the_predictor_says(
    name: str, workspace: Workspace, demo: Dataset, tmp_path: Path
) -> None:
    export(workspace, name, "--output", str(tmp_path / "lesion.onnx"))
    content = demo.images[0].path.read_bytes()
    (tmp_path / "lesion.jpg").write_bytes(content)
    command = [sys.executable, "-I", "-c", f"{SCRIPT}\nimport sys; assert 'skin' not in sys.modules"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    predictor = Predictor(runs.get(workspace, name))
    told = predictor.predict(content, someone(55, "male", "back"))
    assert json.loads(printed) == pytest.approx(told.probabilities, abs=1e-5)


@pytest.mark.slow
def test_a_shipped_run_keeps_its_own_file(workspace: Workspace, tmp_path: Path) -> None:
    path = runs.get(workspace, SHIPPED["image"]).onnx_path
    before = path.read_bytes()
    export(workspace, SHIPPED["image"], "--output", str(tmp_path / "lesion.onnx"))
    export(workspace, SHIPPED["image"])
    assert path.read_bytes() == before


def test_a_trained_run_exports_what_the_docs_list(
    trained_run: Run, shared_workspace: Workspace, tmp_path: Path
) -> None:
    path, before = tmp_path / "lesion.onnx", trained_run.onnx_path.read_bytes()
    export(shared_workspace, trained_run.name, "--half", "--output", str(path))
    session = onnxruntime.InferenceSession(path)
    listed = re.findall(r"^\| (input|output) \| `(\w+)` \| (\w+) \| \(n, (.*?)\)", PAGE, re.MULTILINE)
    values = {"input": session.get_inputs(), "output": session.get_outputs()}
    types = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}
    found = [(kind, value.name, value.type, len(value.shape)) for kind in values for value in values[kind]]
    assert found == [(kind, name, types[type], 2 + shape.count(",")) for kind, name, type, shape in listed]
    facts = session.get_modelmeta().custom_metadata_map
    assert (json.loads(facts["classes"]), json.loads(facts["patient_columns"])) == (list(CODES), COLUMNS)
    assert Task.parse_json(json.loads(facts["task"])) == HAM10000
    assert trained_run.onnx_path.read_bytes() == before
    assert path.stat().st_size < 0.55 * len(before)


def test_the_opset_is_the_one_of_the_docs(trained_run: Run) -> None:
    opsets = {opset.domain: opset.version for opset in onnx.load(trained_run.onnx_path).opset_import}
    assert f"opset {opsets['']})" in PAGE


def test_the_columns_name_the_encoding() -> None:
    named = dict(zip(COLUMNS, HAM10000.encode([someone(55, "male", "lower extremity")])[0].tolist(), strict=True))
    assert {column: value for column, value in named.items() if value} == {
        "age / 100": pytest.approx(0.55),
        "sex male": 1,
        "site lower extremity": 1,
    }
    unknown = [column for column, value in zip(COLUMNS, UNKNOWN, strict=True) if value]
    assert unknown == ["age unknown", "sex unknown", "site unknown"]
