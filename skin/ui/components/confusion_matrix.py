"""The confusion matrix as an HTML table, its cells buttons where they can be clicked."""

from html import escape

import numpy as np

from skin.evaluation.report import Report
from skin.task import Task


def confusion_table(report: Report, shares: bool = False, caption: str = "", clickable: bool = False) -> str:
    """The confusion matrix as a table, shaded by the share of the row; clickable cells are buttons."""
    counts = np.array(report.confusion)
    by_row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = _button if clickable else _plain_cell
    head = "".join(
        f'<th scope="col" title="{escape(diagnosis.name)}">{diagnosis.code}</th>' for diagnosis in report.task.diagnoses
    )
    rows = ""
    for truth, known in enumerate(report.task.diagnoses):
        texts = [f"{share:.0%}" for share in by_row[truth]] if shares else [f"{count:,}" for count in counts[truth]]
        cells = "".join(
            f"<td>{cell(report.task, truth, predicted, texts[predicted], by_row[truth, predicted])}</td>"
            for predicted in range(len(report.task))
        )
        rows += f'<tr><th scope="row" title="{escape(known.name)}">{known.code}</th>{cells}</tr>'
    return (
        f'<div class="scroll matrix" tabindex="0"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _plain_cell(task: Task, truth: int, predicted: int, text: str, share: float) -> str:  # noqa: ARG001 (stands in for _button)
    return f'<span class="cell{_paled(share)}" style="--shade: {share:.2f}">{text}</span>'


def _button(task: Task, truth: int, predicted: int, text: str, share: float) -> str:
    label = escape(f"{cell_name(task, truth, predicted)}: {text}")
    return (
        f'<button type="button" class="cell{_paled(share)}" style="--shade: {share:.2f}" data-truth="{truth}" '
        f'data-predicted="{predicted}" aria-label="{label}" title="{label}" aria-pressed="false">{text}</button>'
    )


def cell_name(task: Task, truth: int, predicted: int) -> str:
    """What the images of a cell of the confusion matrix have in common."""
    verdict = "recognised" if truth == predicted else f"taken for {task.diagnoses[predicted].name}"
    return f"{task.diagnoses[truth].name} {verdict}"


def _paled(share: float) -> str:
    return "" if share else " none"
