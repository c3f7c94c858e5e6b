"""Sentences to whoever looks, as HTML."""

from markupsafe import Markup

from skin.ui.components.templates import render

SYNTHETIC = "Synthetic: every image was drawn by this program; no patient stands behind any of them."


def notice(text: str, role: str = "status") -> Markup:
    """A framed sentence; the role "alert" is for errors."""
    return paragraph(text, **{"class": "message", "role": role})


def status_line(sentence: str) -> Markup:
    """A sentence of the Performance or the Comparison tab."""
    return paragraph(sentence, role="status")


def gap_note(gap: str) -> Markup:
    """The sentence on metrics that a report lacks, "" where it lacks none."""
    return paragraph(gap, **{"class": "gap", "role": "note"}) if gap else Markup("")


def paragraph(text: str, **attributes: str) -> Markup:
    """A sentence, or several."""
    return render("components/paragraph.html", text=text, attributes=attributes)
