"""The look that every figure of the app shares, in light and dark."""

from colorsys import hls_to_rgb

import numpy as np
import plotly.graph_objects as go

from skin.task import Task
from skin.theme import ACCENT, GREY, GRID, LABEL_COLOUR, TRANSPARENT, WHITE

FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif'

_SUPERFLUOUS = ["select2d", "lasso2d", "autoScale2d"]
"""Buttons that no figure of the app needs: each takes room from its title (see `assets/plots.css`)."""

_GOLDEN = 0.381966
"""Share of the colour circle between one class and the next: no two of few come near each other."""


def colours(task: Task) -> dict[str, str]:
    """The colour of each diagnosis by its code: the task's own or, where it tells none, one of the colour circle."""
    return {known.code: known.colour or _generated(place) for place, known in enumerate(task.diagnoses)}


def _generated(place: int) -> str:
    """A colour of the circle, as light as shows on white and on near-black."""
    hue, luminance = (0.58 + place * _GOLDEN) % 1, (0.2, 0.12, 0.32)[place % 3]
    shades = (hls_to_rgb(hue, lightness / 100, 0.6) for lightness in range(90, 0, -1))
    shade = next(rgb for rgb in shades if np.dot(_LUMINANCE, np.power(rgb, 2.2)) <= luminance)
    return "#" + "".join(f"{round(255 * part):02X}" for part in shade)


_LUMINANCE = (0.2126, 0.7152, 0.0722)
"""The shares of red, green and blue in the light that is seen."""


_AXIS = {
    "automargin": True,
    "title": {"font": {"size": 13}},
    "gridcolor": GRID,
    "linecolor": GRID,
    "zerolinecolor": GRID,
}
TEMPLATE = go.layout.Template(
    layout={
        "paper_bgcolor": TRANSPARENT,
        "plot_bgcolor": TRANSPARENT,
        "font": {"family": FONTS, "size": 13, "color": GREY},
        "title": {
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 8, "t": 10},
            "font": {"size": 15, "weight": 600},
        },
        "margin": {"l": 8, "r": 12, "b": 8},
        "hoverlabel": {
            "bgcolor": LABEL_COLOUR,
            "bordercolor": LABEL_COLOUR,
            "font": {"family": FONTS, "color": WHITE},
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "modebar": {
            "bgcolor": TRANSPARENT,
            "color": GREY,
            "activecolor": ACCENT,
            "remove": _SUPERFLUOUS,
        },
        "dragmode": False,  # so that a finger on a figure scrolls the page; the buttons above a figure zoom
        "uirevision": "constant",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)
"""The look of every figure, as defaults, in a fifth of the bytes of plotly's own."""


def styled(figure: go.Figure, height: int = 320) -> go.Figure:
    """`figure` itself, `height` pixels high, in the look of the house where it says nothing else.

    The page's style sheet (`assets/plots.css`) gives the text the full contrast of its theme, which a figure cannot know.
    """
    layout = figure.layout
    layout.template = TEMPLATE
    layout.height = height
    if layout.margin.t is None:
        layout.margin.t = 20 + 24 * bool(layout.title.text) + 24 * _has_legend(figure)
    return figure


def _has_legend(figure: go.Figure) -> bool:
    named = [trace for trace in figure.data if trace.showlegend is not False]
    return figure.layout.showlegend is not False and len(named) > 1
