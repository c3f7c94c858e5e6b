"""Sentences to whoever looks, as HTML."""

from html import escape

SYNTHETIC = "Synthetic: every image was drawn by this program; no patient stands behind any of them."


def notice(text: str, role: str = "status") -> str:
    """A sentence to whoever looks; the role "alert" is for what went wrong."""
    return f'<p class="message" role="{role}">{escape(text)}</p>'


def gap_note(gap: str) -> str:
    """The sentence on what a report lacks, "" where it lacks nothing."""
    return f'<p class="gap" role="note">{escape(gap)}</p>' if gap else ""


def status_line(sentence: str) -> str:
    return f'<p role="status">{escape(sentence)}</p>'
