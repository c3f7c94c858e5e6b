"""Tables of texts and numbers, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape


def rows_table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", kind: str = "rows") -> str:
    """A table of texts and numbers; those of the kind "rows pairs" stand in columns where there is room."""
    head_cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll {kind}" tabindex="0"><table><caption>{escape(caption)}</caption><thead><tr>{head_cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def picture_list(captions: Mapping[str, str]) -> str:
    """Images by id and caption, where they cannot be shown."""
    return rows_table(["Image", "Truth → prediction, confidence"], list(captions.items()))


def folded(summary: str, table: str) -> str:
    """A table below its figure, for whoever cannot see that."""
    return f"<details><summary>{escape(summary)}</summary>{table}</details>"
