"""HTML made from the templates in `skin/ui/templates`, in which every value is escaped."""

import math
import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from skin.task import listed


def render(template: str, **values: object) -> Markup:
    """The template with these values, all of them escaped but for Markup that was rendered before."""
    return Markup(_environment().get_template(template).render(values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("skin.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "listed": listed, "with_code": with_code}
    environment.tests |= {"finite": math.isfinite}
    return environment


def with_code(sentence: str) -> Markup:
    """A sentence whose commands stand between backticks, as in a terminal, with these as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))


def percent(share: float) -> str:
    """A probability as people read it; neither certain nor impossible unless it is."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def number(value: float) -> str:
    """A figure with three digits, a dash where it is undefined."""
    return f"{value:.3f}" if math.isfinite(value) else "–"
