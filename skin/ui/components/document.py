"""A report as one HTML file that needs no network."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from markupsafe import Markup

from skin import DISCLAIMER
from skin.plots.style import FONTS
from skin.theme import document_properties
from skin.ui.components.templates import render
from skin.workspace import assets


def document(title: str, sections: Mapping[str, Markup], figures: Sequence[go.Figure]) -> str:
    """A page that needs no network: titled sections of HTML, then the figures, plotly's script inside once."""
    drawn = [
        figure.to_html(full_html=False, include_plotlyjs=index == 0, config={"responsive": True, "displaylogo": False})
        for index, figure in enumerate(figures)
    ]
    return render(
        "components/document.html",
        title=title,
        notice=DISCLAIMER,
        style=Markup(document_properties() + (assets() / "report.css").read_text()),
        fonts=Markup(FONTS),
        sections=sections,
        figures=[Markup(html) for html in drawn],
    )
