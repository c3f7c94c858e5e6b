import re
from pathlib import Path

import pytest

from skin import theme
from skin.workspace import PROJECT

OWN_COLOURS = {
    "skin/theme.py": "the theme itself",
    "skin/task.py": "a diagnosis' colour travels with its task",
    "skin/data/image_file.py": "white is what shows through a transparent upload",
    "skin/stress.py": "a file of one colour, to be refused",
}
"""Files that may say a colour, and why; the painter of the drawn data set is another one."""

SHEETS = [*PROJECT.glob("assets/*.css"), *PROJECT.glob("skin/ui/templates/**/*.*")]
MODULES = [
    path
    for path in PROJECT.glob("skin/**/*.py")
    if str(path.relative_to(PROJECT)) not in OWN_COLOURS and "synthetic" not in path.parts
]
COLOUR = re.compile(
    r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\b(?=[\"'; ,)])|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch)a?\(\s*\d"
    r"|[\"':]\s*(?:white|black)\s*[\"';]",
    re.IGNORECASE,
)


@pytest.mark.parametrize("text", ['"#3F68B4"', "color: #333;", "rgba(63, 104, 180, 0.6)", '"white"', "color: white;"])
def test_a_colour_is_found(text: str) -> None:
    assert COLOUR.search(text)


@pytest.mark.parametrize("path", [*SHEETS, *MODULES], ids=lambda path: str(path.relative_to(PROJECT)))
def test_colours_stand_in_the_theme_alone(path: Path) -> None:
    assert COLOUR.findall(path.read_text()) == []


def test_a_page_knows_each_tone_in_light_and_dark() -> None:
    light, dark = theme.page_properties().split(".dark")

    for name, tone in {**theme.TONES, **theme.PAGE_TONES}.items():
        assert f"--{name}: {tone.light};" in light
        assert f"--{name}: {tone.dark};" in dark


def test_translucent_colours_are_written_as_plotly_and_css_read_them() -> None:
    assert theme.translucent("#3F68B4", 0.6) == "rgba(63, 104, 180, 0.6)"
    assert theme.TRANSPARENT == "rgba(0, 0, 0, 0)"


def test_every_property_of_a_report_that_stands_alone_has_a_colour() -> None:
    sheets = (PROJECT / "assets" / "report.css").read_text() + (
        PROJECT / "skin" / "ui" / "templates" / "components" / "document.css"
    ).read_text()
    own = set(re.findall(r"--([\w-]+):", theme.document_properties()))

    assert set(re.findall(r"var\(--([\w-]+)", sheets)) - {"shade"} <= own


def test_every_tone_is_used() -> None:
    used = set(re.findall(r"var\(--([\w-]+)", "".join(path.read_text() for path in SHEETS)))

    assert set(theme.TONES) <= used
