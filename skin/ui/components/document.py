"""A report as one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from skin.plots.style import FONTS
from skin.workspace import assets

NOTICE = "For research and education only, not for diagnosis."

PAGE_STYLE = """
:root { color-scheme: light dark; --body-text-color-subdued: #566072; }
@media screen and (prefers-color-scheme: dark) {
  :root { --body-text-color-subdued: #a7adb8; }
  body { background: #0f1420; color: #e5e7eb; }
}
body { font: 15px/1.5 FONTS; max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
section { margin-top: 2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(28rem, 100%), 1fr)); gap: 1rem; }
.figures > div { min-width: 0; max-width: 680px; }
.js-plotly-plot :is([class$="tick"], .legend, .infolayer, .bars) text { fill: currentcolor !important; }
@page { size: A4; margin: 15mm 12mm; }
@media print {
  :root { color-scheme: light; --body-text-color-subdued: #333; }
  body { max-width: none; padding: 0; background: white; color: black; font-size: 10pt; }
  h2, thead, caption { break-after: avoid; }
  tr, li, .figures > div, .tiles, .matrix, .classes, .pairs { break-inside: avoid; }
  .tiles { padding-right: 1px; }
  .figures { display: block; }
  .report .scroll { overflow: visible; }
  .cell, .swatch { print-color-adjust: exact; }
  .modebar { display: none; }
}
""".replace("FONTS", FONTS)
"""A figure is never wider than a sheet of A4 between its margins (703 px), for a print draws it as wide as the screen."""


def document(title: str, sections: Mapping[str, str], figures: Sequence[go.Figure]) -> str:
    """A page that needs no network: titled sections of HTML, then the figures, plotly's script inside once."""
    parts = "".join(f"<section><h2>{escape(heading)}</h2>{html}</section>" for heading, html in sections.items())
    drawn = "".join(
        figure.to_html(full_html=False, include_plotlyjs=index == 0, config={"responsive": True, "displaylogo": False})
        for index, figure in enumerate(figures)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{(assets() / 'report.css').read_text()}{PAGE_STYLE}</style></head>"
        f'<body class="report"><header><h1>{escape(title)}</h1><p>{NOTICE}</p></header>{parts}'
        f'<section><h2>Figures</h2><div class="figures">{drawn}</div></section></body></html>'
    )
