"""The confusion matrix as an HTML table, its cells buttons where they can be clicked."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from skin.evaluation.report import Report
from skin.task import Task
from skin.ui.components.templates import render


def confusion_table(report: Report, shares: bool = False, caption: str = "", clickable: bool = False) -> Markup:
    """The confusion matrix as a table, shaded by the share of the row; clickable cells are buttons."""
    cells = [list(_row(report, truth, shares)) for truth in range(len(report.task))]
    return render(
        "components/confusion_matrix.html",
        diagnoses=report.task.diagnoses,
        cells=cells,
        caption=caption,
        clickable=clickable,
    )


def _row(report: Report, truth: int, shares: bool) -> Iterator[dict[str, object]]:
    counts = np.array(report.confusion[truth])
    for predicted, (count, share) in enumerate(zip(counts, counts / max(1, counts.sum()), strict=True)):
        yield {
            "truth": truth,
            "predicted": predicted,
            "share": share,
            "text": f"{share:.0%}" if shares else f"{count:,}",
            "name": cell_name(report.task, truth, predicted),
        }


def cell_name(task: Task, truth: int, predicted: int) -> str:
    """The images of a cell of the confusion matrix, in words."""
    verdict = "recognised" if truth == predicted else f"taken for {task.diagnoses[predicted].name}"
    return f"{task.diagnoses[truth].name} {verdict}"
