"""The predictions of a batch as an HTML table."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from skin.inference.batch import Row, is_refused, told_fields
from skin.ui.components.tables import plain_table


def batch_table(rows: Sequence[Row]) -> Markup:
    """The predictions of a batch, a row each; an error or a refusal stands where the diagnosis would."""
    fields = told_fields(rows)
    labels = [field.replace("_", " ").capitalize() for field in fields]
    head = ["Image", "Diagnosis", "Malignant", "Risk", "Not ruled out", *labels, "Model"]
    return plain_table(head, [_cells(row, fields) for row in rows])


def _cells(row: Row, fields: Iterable[str]) -> list[object]:
    if is_refused(row):
        told = [_told(row.get(field)) for field in fields]
        return [row["image"], f"Refused. {row['reason']}", "", "", "", *told, row["run"]]
    return [
        row["image"],
        row.get("name") or row["error"],
        _share(row.get("malignant_probability")),
        row.get("risk") or "",
        " ".join(row.get("prediction_set", ())),
        *(_told(row.get(field)) for field in fields),
        row.get("run", ""),
    ]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _told(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float) else value or ""
