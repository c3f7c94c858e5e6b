"""Commands, options, files, links and settings that the README and docs/ name exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from skin.cli.main import GROUPS, app
from skin.config import field_infos
from skin.workspace import PROJECT

README = (PROJECT / "README.md").read_text()
PAGES = {
    path.relative_to(PROJECT): path.read_text() for path in [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
}
SETTINGS = PAGES[Path("docs/settings.md")]
IN_README = re.findall(r"^python -m skin (.+?)(?:\s+#.*)?$", README, re.MULTILINE)
COMMANDS = [
    command
    for page in PAGES.values()
    for command in re.findall(r"(?:^|`)python -m skin (.+?)(?:\s+#.*|`|$)", page, re.MULTILINE)
]
LINKS = [(page, link) for page, text in PAGES.items() for link in re.findall(r"\]\((?!https?:)([\w./-]+)\)", text)]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str) -> None:
    words = shlex.split(line)
    command = get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    command.make_context("", words)


def test_every_command_is_in_the_readme() -> None:
    assert {shlex.split(line)[0] for line in IN_README} == set(get_command(app).commands)


def test_every_command_of_experiments_is_on_their_page() -> None:
    page = PAGES[Path("docs/experiments.md")]
    assert set(re.findall(r"python -m skin experiment (\w+)", page)) == set(GROUPS["experiment"][1])


@pytest.mark.parametrize(
    "path",
    sorted(
        {
            path
            for text in PAGES.values()
            for path in re.findall(r"`((?:skin|assets|checkpoints|docs|tests)/[\w./-]*)`", text)
        }
    ),
)
def test_every_path_exists(path: str) -> None:
    assert (PROJECT / path).exists()


@pytest.mark.parametrize(("page", "link"), LINKS, ids=str)
def test_every_link_leads_somewhere(page: Path, link: str) -> None:
    assert (PROJECT / page.parent / link).exists()


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {Path(link) for page, link in LINKS if page == Path("README.md")}
    assert set(PAGES) - {Path("README.md")} <= linked


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("info", field_infos(), ids=lambda info: info.name)
def test_every_setting_stands_in_the_table(info: object) -> None:
    assert settings_row(info) in SETTINGS


def settings_row(info: object) -> str:
    return f"| `{info.name}` | {info.default} | {info.bounds} | {info.help} |"


def test_no_setting_has_a_bound_that_nobody_can_read() -> None:
    assert "0 to 2,147,483,647" in SETTINGS
    assert not re.search(r"\de\+\d", SETTINGS)


def docstrings(path: Path) -> Iterator[str]:
    """The texts that stand by themselves in a module: those of it, its functions and classes, and below its values."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@pytest.mark.parametrize("path", list(PROJECT.glob("skin/**/*.py")), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_docstring_names_the_thing(path: Path) -> None:
    asking = re.compile(r"(What|Whether|How|Of|Where|Which|Who|Whose|Whom)\b")
    assert [text for text in docstrings(path) if asking.match(text)] == []
