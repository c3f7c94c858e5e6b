"""The wheel, installed where nothing of the checkout is in reach, and what a release says of itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image
from small import SMALL

import skin
from skin.run import Run, State
from skin.workspace import PROJECT

SHIPPED_RUNS = {"ham10000-image", "ham10000-multimodal"}
TRAIN = """
import json, sys
from skin import jobs
from skin.config import TrainConfig
from skin.workspace import Workspace
recipe = TrainConfig.from_preset("demo", **json.loads(sys.argv[1]))
jobs.start(Workspace.locate(), {"mine": recipe})
"""
PATIENCE_SECONDS = 300

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip put the wheel alone; what it needs is where the tests have it from."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = tmp_path_factory.mktemp("wheels")
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, PROJECT], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", folder, *wheels.iterdir()], check=True)
    return folder


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> dict[str, str]:
    """Of a user who has the wheel installed, and a home of her own."""
    own = {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
    return {**os.environ, **own, "XDG_DATA_HOME": str(tmp_path / "data")}


@pytest.fixture
def command(installed: Path, environment: dict[str, str], tmp_path: Path) -> Command:
    """Runs `skin-lab` in another folder."""

    def run(*words: str, package: Path = installed) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, package / "bin" / "skin-lab", *words]
        own = {**environment, "PYTHONPATH": str(package)}
        return subprocess.run(line, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_the_command_says_its_version(command: Command) -> None:
    assert command("--version").stdout == f"Skin Lesion Lab {skin.__version__}\n"


@pytest.mark.slow
def test_a_wheel_holds_what_the_project_ships_and_no_run_of_anybody(installed: Path) -> None:
    shipped = installed / "skin" / "_shipped"
    assert {run.name for run in (shipped / "checkpoints").iterdir()} == SHIPPED_RUNS
    assets = {path.name for path in (PROJECT / "assets").iterdir() if path.suffix in (".css", ".svg", ".h5")}
    assert {path.name for path in (shipped / "assets").iterdir()} == assets
    assert (installed / "skin" / "py.typed").is_file()
    templates = PROJECT / "skin" / "ui" / "templates"
    shipped_templates = installed / "skin" / "ui" / "templates"
    for path in templates.rglob("*.*"):
        assert (shipped_templates / path.relative_to(templates)).is_file()
    assert all((shipped / name).read_text() == (PROJECT / name).read_text() for name in ("LICENSE", "NOTICE"))


@pytest.mark.slow
def test_an_installed_copy_predicts_with_the_shipped_runs(command: Command, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "lesion.png")

    (answer,) = json.loads(command("predict", "lesion.png", "--json").stdout)

    assert answer["run"] == "ham10000-image"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_an_installed_copy_publishes_as_the_checkout_does(command: Command, tmp_path: Path) -> None:
    assert "is ready" in command("publish", "ham10000-image", "hub").stdout
    assert "is ready" in command("space", "space", "ham10000-image").stdout
    assert {path.name for path in (tmp_path / "space").iterdir()} == {
        *(
            "README.md",
            "app.py",
            "requirements.txt",
            ".gitattributes",
            "LICENSE",
            "NOTICE",
            "skin",
            "assets",
            "checkpoints",
        ),
    }
    assert not (tmp_path / "space" / "skin" / "_shipped").exists()
    assert (tmp_path / "hub" / "README.md").read_text().startswith("---")


@pytest.mark.slow
def test_an_installed_copy_serves_the_app(installed: Path, environment: dict[str, str], tmp_path: Path) -> None:
    words = [sys.executable, installed / "bin" / "skin-lab", "app"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, cwd=tmp_path, env={**environment, "PYTHONUNBUFFERED": "1"}, **pipes) as process:
        url = next(found[0] for line in process.stdout if (found := re.search(r"http://127\S+", line)))
        page = httpx.get(url, timeout=60)
        process.terminate()
    assert page.is_success
    assert "masthead" in page.text


@pytest.mark.slow
def test_an_installed_copy_trains_in_the_users_folder_and_writes_nowhere_else(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    before = sorted(installed.rglob("*"))

    subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps({**SMALL, "stage2_epochs": 0})],
        cwd=tmp_path,
        env=environment,
        check=True,
    )

    run = Run(tmp_path / "data" / "skin-lesion-lab" / "checkpoints" / "mine")
    ends = time.monotonic() + PATIENCE_SECONDS
    while run.status().state not in (State.FINISHED, State.FAILED) and time.monotonic() < ends:
        time.sleep(0.5)
    assert run.status().state is State.FINISHED, run.log_path.read_text()
    assert sorted(installed.rglob("*")) == before


@pytest.mark.slow
def test_a_wheel_without_its_assets_says_so_and_still_lists_runs(
    command: Command, installed: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(installed, bare, ignore=shutil.ignore_patterns("_shipped"))

    refused = command("app", package=bare)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: This copy of Skin Lesion Lab came without its assets")
    assert command("runs", package=bare).stdout.startswith("No runs yet")


@pytest.mark.parametrize(
    ("name", "extras", "left_out"),
    [
        ("requirements.txt", [], set()),
        ("requirements-dev.txt", ["dev", "jax", "ray", "slurm"], set()),
        ("requirements-gpu.txt", ["gpu"], {"tensorflow-cpu"}),
    ],
)
def test_everything_asked_for_is_pinned_to_a_version_in_its_range(
    name: str, extras: list[str], left_out: set[str]
) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    asked = [wanted for line in lines if (wanted := Requirement(line)).name != project["name"]]
    locked = (PROJECT / name).read_text()
    pins = dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", locked, re.MULTILINE))
    for wanted in asked:
        assert wanted.name in left_out or wanted.specifier.contains(pins[wanted.name])
    assert not left_out & set(pins)
    assert "://" not in locked  # of no one registry


def test_everything_that_names_the_version_agrees() -> None:
    released = re.findall(r"^## (\d\S*)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = re.findall(r"^version: (\S+)$", (PROJECT / "CITATION.cff").read_text(), re.MULTILINE)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert [released[0]] == cited == [skin.__version__]
    assert project["project"]["dynamic"] == ["version"]
    assert PROJECT / project["tool"]["hatch"]["version"]["path"] == Path(skin.__file__)
