"""Markdown made from the templates in `skin/publishing/templates`, in which every text is escaped."""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skin.task import listed

_SPECIAL = re.compile(r"[\\`*<>\[\]|~]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
"""Characters that mean something inside a line of Markdown: an underscore at the edge of a word, "&" before an entity."""


def render(template: str, **values: object) -> str:
    """The template with these values; texts are escaped but for Markup, which is Markdown already."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("skin.publishing"),
        autoescape=False,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "listed": listed}
    return environment


def _finalized(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value


def escaped(text: str) -> Markup:
    """The text on one line, so that it means nothing in Markdown; Markup as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(_SPECIAL.sub(lambda found: "\\" + found[0], " ".join(text.split())))


def code(text: str) -> Markup:
    """The text on one line as code, between as many backticks as it takes."""
    line = " ".join(str(text).split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " * bool(longest)
    return Markup(f"{fence}{space}{line}{space}{fence}")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table with numbers to the right, all else to the left; numbers have commas between thousands."""
    known = [tuple(row) for row in rows]
    ruler = ["--:" if column and isinstance(column[0], int) else ":--" for column in zip(*known, strict=True)]
    lines = [map(_cell, header), ruler or [":--"] * len(header), *(map(_cell, row) for row in known)]
    return Markup("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(value: object) -> str:
    return escaped(value) if isinstance(value, str) else f"{value:,}"
