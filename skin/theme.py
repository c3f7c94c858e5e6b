"""Every colour of the app: figures, style sheets and templates take theirs from here.

Colours of diagnoses are no part of it: they belong to the task (`skin/task.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

WHITE = "#FFFFFF"

GREY = "#7C828D"
"""Text that no style sheet reaches: 3.9 : 1 on white, 4.4 : 1 on near-black."""

NEUTRAL = "#7A8BA6"
"""The colour of all that stands for no diagnosis, because colours stand for diagnoses."""

ACCENT = "#3F68B4"
"""The colour of all that is to be noticed and stands for no diagnosis."""

RISK_COLOURS: Mapping[str, str] = {"low": "#1AA096", "moderate": "#D1B61E", "high": "#C9124A"}
"""One colour per value of `skin.task.Risk`."""

CHOICE_COLOURS = (NEUTRAL, "#B3BECD", "#5F6B7E", "#CBD5E1", "#475569")
"""Shades of grey for the values of a choice; GREY is for unknown."""

RUN_COLOURS = ("#3B82C4", "#B7791F", "#14A38B", "#D5568F", "#8B6FD6", "#5F6B7E")
"""Runs laid over each other: at least 3 : 1 on white and on near-black."""

COMPARED_COLOURS = ("#5F6B7E", "#14A38B", "#B7791F", "#8B6FD6")
"""Runs beside each other, the one that the others are compared with first."""

TRAIN_COLOUR = "#E08A1E"
VALIDATION_COLOUR = "#3B82C4"

LABEL_COLOUR = "#1F2937"
"""Ground of the label that a pointer on a figure opens; its text is WHITE."""

HEATMAP_COLOURS = ("#1E3CA0", "#148CAA", "#78CD5A", "#FFEB3C")
"""Blue to yellow, alike in order for every kind of colour vision, and unlike skin."""


def translucent(colour: str, opacity: float) -> str:
    """A colour like #3F68B4 with this opacity, from 0 to 1, in the form that both plotly and CSS read."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


GRID = translucent(GREY, 0.25)
TRANSPARENT = translucent("#000000", 0)
HATCHING = translucent(WHITE, 0.6)
BAND = translucent(ACCENT, 0.2)
"""Ground between the ends of an interval along a line of ACCENT."""

HEAT_SCALE = ((0.0, translucent(ACCENT, 0.04)), (1.0, translucent(ACCENT, 0.6)))
"""Colour scale of heat maps: nothing is the page itself, and everything still bears its text, whatever the theme."""

F1_SCALE = ((0.0, "#D57120"), (0.5, "#A6B0C0"), (1.0, ACCENT))
"""Orange is poor, blue is good: seen on white and on near-black, and by colour-blind people."""


@dataclass(frozen=True)
class Tone:
    """A colour on a light page and its counterpart on a dark one."""

    light: str
    dark: str


PRIMARY_HUE, NEUTRAL_HUE = "teal", "slate"
"""The page's hues, as Gradio calls them."""

CANCEL_BUTTON = Tone("#B91C1C", "#991B1B")
"""Ground of a button that ends or deletes something; under the pointer it takes the other tone."""

TONES: Mapping[str, Tone] = {
    "good": Tone("#0F766E", "#5EEAD4"),
    "busy": Tone("#1D4ED8", "#93C5FD"),
    "warn": Tone("#92400E", "#FCD34D"),
    "bad": Tone("#B91C1C", "#FCA5A5"),
    "cell": Tone(ACCENT, ACCENT),
    "chosen-cell": Tone(RISK_COLOURS["high"], RISK_COLOURS["high"]),
}
"""Custom properties of every style sheet: `var(--good)` is the tone "good"."""

PAGE_TONES: Mapping[str, Tone] = {"color-accent": Tone("#0F766E", "#2DD4BF")}
"""Custom properties of Gradio's to which its theme gives one colour for both."""

DOCUMENT_TONES: Mapping[str, Tone] = {
    "body-background-fill": Tone(WHITE, "#0F1420"),
    "body-text-color": Tone("#000000", "#E5E7EB"),
    "body-text-color-subdued": Tone("#566072", "#A7ADB8"),
    "border-color-primary": Tone(translucent(GREY, 0.35), translucent(GREY, 0.35)),
}
"""Custom properties of Gradio's, for a report that is a file by itself and so has no theme of Gradio's."""

PRINTED_SUBDUED = "#333333"
"""The subdued text of a printed report."""


def page_properties() -> str:
    """The style sheet that sets the custom properties of the page, light and dark."""
    tones = {**TONES, **PAGE_TONES}
    light = {name: tone.light for name, tone in tones.items()}
    dark = {name: tone.dark for name, tone in tones.items()}
    return f":root {_block(light)}\n.dark {_block(dark)}\n"


def document_properties() -> str:
    """The style sheet that sets those of a report that is a file by itself, as the reader's system is light or dark."""
    tones = {name: f"light-dark({tone.light}, {tone.dark})" for name, tone in {**TONES, **DOCUMENT_TONES}.items()}
    printed = f"color-scheme: light; --body-text-color-subdued: {PRINTED_SUBDUED};"
    return f":root {{ color-scheme: light dark; }}\n:root {_block(tones)}\n@media print {{ :root {{ {printed} }} }}\n"


def _block(properties: Mapping[str, str]) -> str:
    return "{ " + " ".join(f"--{name}: {value};" for name, value in properties.items()) + " }"
