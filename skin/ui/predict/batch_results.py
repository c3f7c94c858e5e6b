"""The predictions of a batch as an HTML table."""

from collections.abc import Sequence

import pandas as pd

from skin.inference.batch import Row, told_fields


def batch_table(rows: Sequence[Row]) -> str:
    """The answers of a batch, a row each; an error stands where the diagnosis would."""
    fields = told_fields(rows)
    answers = pd.DataFrame(
        {
            "Image": row["image"],
            "Diagnosis": row.get("name") or row["error"],
            "Malignant": _share(row.get("malignant_probability")),
            "Risk": row.get("risk") or "",
            "Not ruled out": " ".join(row.get("prediction_set", ())),
            **{field.replace("_", " ").capitalize(): _told(row.get(field)) for field in fields},
            "Model": row.get("run", ""),
        }
        for row in rows
    )
    return f'<div class="wide" tabindex="0">{answers.to_html(index=False, border=0, classes="plain")}</div>'


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _told(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float) else value or ""
