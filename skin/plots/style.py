"""The look that every figure of the app shares, in light and dark."""

from collections.abc import Mapping

import plotly.graph_objects as go

DIAGNOSIS_COLOURS: Mapping[str, str] = {
    "akiec": "#D1B61E",
    "bcc": "#D57120",
    "bkl": "#1AA096",
    "df": "#87BCED",
    "mel": "#C9124A",
    "nv": "#3F68B4",
    "vasc": "#9C77F0",
}
"""One colour per diagnosis: warm where a lesion is dangerous, told apart under protanopia, deuteranopia and
tritanopia, on white and on near-black (searched for in Oklab under the simulation of Machado et al., 2009)."""

RISK_COLOURS: Mapping[str, str] = {"low": "#1AA096", "moderate": "#D1B61E", "high": "#C9124A"}
"""One colour per value of `skin.lesion.Risk`."""

GREY = "#7C828D"
"""Text that no style sheet reaches: 3.9 : 1 on white, 4.4 : 1 on near-black."""

NEUTRAL = "#7A8BA6"
"""Whatever stands for no diagnosis, because colours stand for diagnoses."""

GRID = "rgba(124, 130, 141, 0.25)"
TRANSPARENT = "rgba(0, 0, 0, 0)"
FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif'

HEAT_SCALE: tuple[tuple[float, str], ...] = ((0.0, "rgba(63, 104, 180, 0.04)"), (1.0, "rgba(63, 104, 180, 0.6)"))
"""Colour scale of heat maps: nothing is the page itself, and everything still bears its text, whatever the theme."""

_SUPERFLUOUS = ["select2d", "lasso2d", "autoScale2d"]
"""Buttons that no figure of the app needs: each takes room from its title (see `assets/plots.css`)."""

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
        "hoverlabel": {"bgcolor": "#1F2937", "bordercolor": "#1F2937", "font": {"family": FONTS, "color": "#FFFFFF"}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "modebar": {
            "bgcolor": TRANSPARENT,
            "color": GREY,
            "activecolor": DIAGNOSIS_COLOURS["nv"],
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
