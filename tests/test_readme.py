"""What the README says exists: commands, options, files, settings."""

import re
import shlex

import pytest
from typer.main import get_command

from skin.__main__ import app
from skin.config import field_infos
from skin.workspace import PROJECT

README = (PROJECT / "README.md").read_text()
COMMANDS = re.findall(r"^python -m skin (.+?)(?:\s+#.*)?$", README, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str) -> None:
    words = shlex.split(line)
    command = get_command(app).commands[words[0]]
    command.make_context(words[0], words[1:])


def test_every_command_is_in_the_readme() -> None:
    assert {shlex.split(line)[0] for line in COMMANDS} == set(get_command(app).commands)


@pytest.mark.parametrize(
    "path", re.findall(r"`((?:skin|assets|checkpoints|tests)/[\w./-]*)`|\]\((assets/[\w./-]+)\)", README)
)
def test_every_path_exists(path: tuple[str, str]) -> None:
    assert (PROJECT / (path[0] or path[1])).exists()


@pytest.mark.parametrize("info", field_infos(), ids=lambda info: info.name)
def test_every_setting_stands_in_the_table(info: object) -> None:
    assert settings_row(info) in README


def settings_row(info: object) -> str:
    return f"| `{info.name}` | {info.default} | {info.bounds} | {info.help} |"


def test_no_setting_has_a_bound_that_nobody_can_read() -> None:
    assert "0 to 2,147,483,647" in README
    assert not re.search(r"\de\+\d", README)
