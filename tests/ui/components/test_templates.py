"""Every template is found by the app, and no value of a user's becomes markup in any of them."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import skin.ui
from skin.ui.components.notices import notice
from skin.ui.components.tables import folded, plain_table, rows_table
from skin.ui.components.templates import render

FOLDER = Path(skin.ui.__file__).parent
TEMPLATES = {path.relative_to(FOLDER / "templates").as_posix() for path in (FOLDER / "templates").rglob("*.html")}
HOSTILE = "<script>alert('1')</script>"


def test_every_template_is_rendered_or_included_somewhere_and_no_other_is_asked_for() -> None:
    texts = [path.read_text() for path in [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.html")]]
    asked = {name for text in texts for name in re.findall(r'(?:render\(|from |include )\s*"([\w/]+\.html)"', text)}
    assert asked == TEMPLATES


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_no_template_turns_escaping_off(name: str) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape", (FOLDER / "templates" / name).read_text())


def test_a_users_text_is_never_markup_and_rendered_html_is_not_escaped_again() -> None:
    for html in (
        notice(HOSTILE, HOSTILE),
        rows_table([HOSTILE], [[HOSTILE, HOSTILE]], HOSTILE),
        plain_table([HOSTILE], [[HOSTILE]]),
        folded(HOSTILE, notice(HOSTILE)),
    ):
        assert "<script" not in html
        assert "&lt;script" in html
    assert "<p class" in folded("more", notice("sentence"))


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("training/run_card_notice.html")


def test_a_command_in_a_sentence_is_code_and_a_hostile_one_still_text() -> None:
    told = notice(f"Not computed: `python -m skin audit {HOSTILE}` computes it.")
    assert "<code>python -m skin audit &lt;script&gt;" in told
    assert "</code> computes it." in told
    assert HOSTILE not in told
