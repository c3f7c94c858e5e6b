from pathlib import Path

import pytest

from skin.workspace import PROJECT, Workspace


def test_the_home_is_the_option_then_the_environment_then_the_project(tmp_path: Path) -> None:
    environ = {"SKIN_HOME": str(tmp_path / "environment")}
    assert Workspace.locate(tmp_path / "option", environ).home == tmp_path / "option"
    assert Workspace.locate(None, environ).home == tmp_path / "environment"
    assert Workspace.locate(None, {}).home == PROJECT
    assert Workspace.locate(None, {"SKIN_HOME": ""}).home == PROJECT


def test_the_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Workspace.locate(Path("here"), {}).home == tmp_path / "here"
    assert Workspace.locate(Path("~/skin"), {}).home == tmp_path / "me" / "skin"


def test_everything_written_lies_under_the_home(workspace: Workspace) -> None:
    for folder in (workspace.runs, workspace.cache, workspace.datasets, workspace.pixels, workspace.features):
        assert folder.is_relative_to(workspace.home)
        assert not folder.exists()  # naming a path makes nothing


def test_what_the_project_ships_is_found_wherever_the_home_is(workspace: Workspace) -> None:
    assert workspace.shipped_runs == PROJECT / "checkpoints"
    assert workspace.assets == PROJECT / "assets"
    assert (PROJECT / "skin" / "workspace.py").is_file()
