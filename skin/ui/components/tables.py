"""Tables of texts and numbers, as HTML."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from skin.ui.components.templates import render

Rows = Sequence[Sequence[object]]


def rows_table(head: Sequence[str], rows: Rows, caption: str = "", kind: str = "rows") -> Markup:
    """A table whose first column heads its rows; those of the kind "rows pairs" stand in columns where there is room."""
    return render("components/table.html", head=head, rows=rows, caption=caption, kind=kind)


def plain_table(head: Sequence[str], rows: Rows, kind: str = "plain") -> Markup:
    """A table that scrolls by itself where the page is narrow."""
    return render("components/plain_table.html", head=head, rows=rows, kind=kind)


def picture_list(captions: Mapping[str, str]) -> Markup:
    """Images by id and caption, where they cannot be shown."""
    return rows_table(["Image", "Truth → prediction, confidence"], list(captions.items()))


def folded(summary: str, content: Markup) -> Markup:
    """Content that unfolds when its summary is clicked."""
    return render("components/folded.html", summary=summary, content=content)


def sentence_list(sentences: Sequence[str]) -> Markup:
    """Sentences as the points of a list."""
    return render("components/sentence_list.html", sentences=sentences)


def side_by_side(tables: Sequence[Markup]) -> Markup:
    """Confusion matrices beside each other where there is room."""
    return render("components/matrices.html", tables=tables)


def headed(heading: str, content: Markup | str = "", level: int = 2) -> Markup:
    """Content below its heading."""
    return render("components/headed.html", heading=heading, content=content, level=level)


def swatch(colour: str) -> Markup:
    """A diagnosis' colour as a small square."""
    return render("components/swatch.html", colour=colour)
