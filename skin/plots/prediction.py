"""Figures of one prediction."""

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go

from skin.patient import NumberField
from skin.plots.style import styled
from skin.theme import GREY, RISK_COLOURS, WHITE


def curve_over(
    field: NumberField, shares: Mapping[float, float], given: float | None, unknown: float, what: str
) -> go.Figure:
    """The share that `what` names by a number of the patient, whose own is marked where it is known.

    `unknown` is the share with the number unknown, drawn as a line across.
    """
    numbers, values = list(shares), list(shares.values())
    figure = go.Figure(
        go.Scatter(
            x=numbers,
            y=values,
            mode="lines",
            line={"color": RISK_COLOURS["high"], "width": 3, "shape": "spline"},
            hovertemplate=f"%{{x:.4~g}} {escape(field.unit)}: %{{y:.1%}}<extra></extra>",
        )
    )
    # Small probabilities are seen, and not blown up to look large.
    top = min(max(0.2, 1.25 * max(*values, unknown)), 1.05)
    figure.add_hline(y=unknown, line={"color": GREY, "dash": "dash", "width": 1.5})
    end = 0 if given is not None and given > numbers[-1] / 2 else -1  # away from the mark
    figure.add_annotation(
        text=f"{escape(field.words)} unknown",
        x=numbers[end],
        y=unknown,
        showarrow=False,
        xanchor="right" if end else "left",
        yanchor="top" if values[end] > unknown > 0.1 * top else "bottom",  # away from the curve, and not on the axis
    )
    if given is not None:
        _mark(figure, field, given, shares[given])
    figure.update_layout(title_text=escape(f"{what} by {field.words}"), showlegend=False)
    figure.update_xaxes(title=escape(field.unit) or None, dtick=10 if field.unit == "years" else None, showgrid=False)
    figure.update_yaxes(range=[0, top], tickformat=".0%")
    return styled(figure, 280)


def _mark(figure: go.Figure, field: NumberField, number: float, share: float) -> None:
    figure.add_scatter(
        x=[number],
        y=[share],
        mode="markers",
        marker={"color": RISK_COLOURS["high"], "size": 12, "line": {"color": WHITE, "width": 2}},
        hoverinfo="skip",
    )
    figure.add_annotation(
        text=f"{number:g} {escape(field.unit)}: {share:.0%}", x=number, y=share, yshift=18, showarrow=False
    )
