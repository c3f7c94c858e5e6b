"""Markdown in which no text of a user means anything."""

import jinja2
import pytest
from markupsafe import Markup

from skin.publishing.markdown import code, escaped, render, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script\>"),
        ("[x](y)", r"\[x\](y)"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("snake_case and _italics_", r"snake_case and \_italics\_"),
        ("two\nlines", "two lines"),
        ("Fish & chips &lt;", r"Fish & chips \&lt;"),
        (Markup("**ours**"), "**ours**"),
    ],
)
def test_what_means_something_is_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_table_stays_one_whatever_its_cells_hold() -> None:
    lines = table(["a|b", "n"], [["x\ny|z", 1234], ["", 0]]).splitlines()
    assert lines == [r"| a\|b | n |", "| :-- | --: |", r"| x y\|z | 1,234 |", "|  | 0 |"]


@pytest.mark.parametrize(("text", "expected"), [("a b", "`a b`"), ("a`b", "`` a`b ``"), ("two\nlines", "`two lines`")])
def test_code_is_shown_as_it_is(text: str, expected: str) -> None:
    assert code(text) == expected


def test_what_a_template_is_not_told_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("space.md.jinja", disclaimer="x")
