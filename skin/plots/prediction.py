"""Figures of one prediction."""

from collections.abc import Sequence

import plotly.graph_objects as go

from skin.plots.style import GREY, RISK_COLOURS, styled


def age_curve(ages: Sequence[float], malignant: Sequence[float], age: float | None, unknown: float) -> go.Figure:
    """Probability of a malignant lesion by age in years, the patient's own age marked where it is known.

    `unknown` is the probability with the age unknown, drawn as a line across.
    """
    figure = go.Figure(
        go.Scatter(
            x=list(ages),
            y=list(malignant),
            mode="lines",
            line={"color": RISK_COLOURS["high"], "width": 3, "shape": "spline"},
            hovertemplate="%{x:.0f} years: %{y:.1%}<extra></extra>",
        )
    )
    figure.add_hline(y=unknown, line={"color": GREY, "dash": "dash", "width": 1.5})
    end = 0 if age is not None and age > ages[-1] / 2 else -1  # away from the mark
    figure.add_annotation(
        text="age unknown",
        x=ages[end],
        y=unknown,
        showarrow=False,
        xanchor="right" if end else "left",
        yanchor="top" if malignant[end] > unknown else "bottom",
    )
    if age is not None:
        _mark(figure, age, malignant[list(ages).index(age)])
    figure.update_layout(title_text="Malignant probability by age", showlegend=False)
    figure.update_xaxes(title="years", dtick=10, showgrid=False)
    # Small probabilities are seen, and not blown up to look large.
    figure.update_yaxes(range=[0, min(max(0.2, 1.25 * max(*malignant, unknown)), 1.05)], tickformat=".0%")
    return styled(figure, 280)


def _mark(figure: go.Figure, age: float, share: float) -> None:
    figure.add_scatter(
        x=[age],
        y=[share],
        mode="markers",
        marker={"color": RISK_COLOURS["high"], "size": 12, "line": {"color": "white", "width": 2}},
        hoverinfo="skip",
    )
    figure.add_annotation(text=f"{age:g} years: {share:.0%}", x=age, y=share, yshift=18, showarrow=False)
