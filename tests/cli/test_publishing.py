"""The commands that hand a run to others."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from skin.cli.main import app
from skin.data.dataset import Dataset
from skin.data.datasheet import Datasheet
from skin.run import Run
from skin.workspace import Workspace


def call(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(workspace.home)])


@pytest.fixture
def mine(workspace: Workspace, judged_run: Run) -> Run:
    """A finished run of the user's own."""
    return Run(Path(shutil.copytree(judged_run.folder, workspace.runs / "mine")))


def test_card_prints_the_card_or_writes_it(workspace: Workspace, mine: Run, tmp_path: Path) -> None:
    printed = call(workspace, "card", mine.name).stdout
    assert printed.startswith("---\nlibrary_name: onnx\n")
    assert "\n# mine\n" in printed
    written = call(workspace, "card", mine.name, "--output", str(tmp_path / "card.md"))
    assert written.stdout.strip() == str(tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text() == printed.removesuffix("\n")


def test_card_describes_the_data_of_a_run_that_has_no_datasheet(
    shared_workspace: Workspace, judged_run: Run, demo: Dataset
) -> None:
    old = Run(Path(shutil.copytree(judged_run.folder, shared_workspace.runs / "old")))
    old.datasheet_path.unlink()
    assert "not computed: `python -m skin card old" in call(shared_workspace, "card", "old").stdout
    told = call(shared_workspace, "card", "old", "--dataset", demo.name).stdout
    assert "python -m skin card old" not in told
    assert Datasheet.load(old.datasheet_path) == Datasheet.load(judged_run.datasheet_path)
    assert call(shared_workspace, "card", "old").stdout == told
    shutil.rmtree(old.folder)


def test_card_refuses_other_data(workspace: Workspace, mine: Run, demo: Dataset, tmp_path: Path) -> None:
    image = demo.images[0]
    shutil.copy(image.path, tmp_path / "A.jpg")
    (tmp_path / "HAM10000_metadata.csv").write_text(f"lesion_id,image_id,dx\nL,A,{image.diagnosis}\n")
    refused = call(workspace, "card", mine.name, "--dataset", str(tmp_path))
    assert refused.exit_code == 1
    assert "is not what mine was evaluated on" in refused.stderr


def test_publish_and_space_say_what_to_do_next(workspace: Workspace, mine: Run, tmp_path: Path) -> None:
    published = call(workspace, "publish", mine.name, str(tmp_path / "hub"))
    assert "answer the open questions in its README.md" in published.stdout
    assert "It has no LICENSE" in published.stdout  # drawn data have no licence that anybody knows
    shown = call(workspace, "space", str(tmp_path / "space"), "mine")
    assert f"`hf upload USER/NAME {tmp_path / 'space'} --repo-type space`" in shown.stdout
    assert [path.name for path in (tmp_path / "space" / "checkpoints").iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [("publish", "nobody", "FOLDER"), ("space", "FOLDER", "nobody"), ("card", "nobody")])
def test_a_run_that_is_not_there_is_a_sentence(workspace: Workspace, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = call(workspace, *(str(tmp_path / "new") if word == "FOLDER" else word for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: There is no run 'nobody'")
    assert not (tmp_path / "new").exists()
