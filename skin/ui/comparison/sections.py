"""The sections of a comparison, as HTML."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from skin.config import TrainConfig, differences, field_infos
from skin.evaluation.compare import CLASS_MEASURES, ClassDifference, Comparison
from skin.evaluation.metrics import Estimate, metrics_of
from skin.evaluation.origin import FACTS
from skin.evaluation.subgroups import MIN_LESIONS
from skin.evaluation.summary import NOT_COMPUTED
from skin.run import Epoch, best_epoch
from skin.task import Task
from skin.ui.comparison.compared_runs import LoadedReports
from skin.ui.components.confusion_matrix import confusion_table
from skin.ui.components.loaded_report import LoadedReport
from skin.ui.components.notices import gap_note, paragraph
from skin.ui.components.tables import rows_table, sentence_list, side_by_side


def verdict(comparisons: Sequence[Comparison]) -> Markup:
    """The sentences on each run beside the baseline."""
    sentences = []
    for comparison in comparisons:
        sentences.append(comparison.verdict)
        if not comparison.identical:
            sentences += [comparison.class_verdict, _mcnemar(comparison)]
    return sentence_list(sentences)


def _mcnemar(comparison: Comparison) -> str:
    p = "p < 0.001" if comparison.mcnemar_p < 0.001 else f"p = {comparison.mcnemar_p:.3f}"
    return (
        f"{comparison.a} alone is right on {len(comparison.only_a):,} images, {comparison.b} alone on "
        f"{len(comparison.only_b):,} (McNemar's exact test, which takes images as independent: {p})."
    )


def difference_table(loaded_reports: LoadedReports, comparisons: Sequence[Comparison]) -> Markup:
    """Each headline metric of each run, and the differences."""
    head = [
        "Metric",
        *loaded_reports,
        *(f"{c.b} − {c.a}" if len(comparisons) > 1 else "Difference" for c in comparisons),
    ]
    rows = [
        [
            metric.directed_label,
            *(_value(loaded, name) for loaded in loaded_reports.values()),
            *(signed(comparison.difference[name]) for comparison in comparisons),
        ]
        for name, metric in metrics_of(comparisons[0].task).items()
    ]
    table = rows_table(head, rows, "Differences with 95% intervals, from drawing the same lesions for both.")
    return table + Markup().join(gap_note(gap) for gap in _gaps(loaded_reports))


def _value(loaded: LoadedReport, name: str) -> str:
    known = loaded.report.headline.get(name)
    return f"{known.value:.3f}" if known else NOT_COMPUTED


def _gaps(loaded_reports: LoadedReports) -> Iterator[str]:
    """A sentence for each run whose report lacks a metric."""
    for name, loaded in loaded_reports.items():
        if gap := loaded.origin.gap(loaded.report):
            yield f"{name}: {gap}"


def signed(estimate: Estimate) -> str:
    """A difference with its interval."""
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})" if np.isfinite(estimate.low) else "–"


def class_difference_tables(comparisons: Iterable[Comparison]) -> Markup:
    """The differences of each comparison on each diagnosis, a table each."""
    return Markup().join(class_difference_table((own.a, own.b), own.per_class, own.task) for own in comparisons)


def class_difference_table(names: tuple[str, str], per_class: Mapping[str, ClassDifference], task: Task) -> Markup:
    """The differences of the two of these names on each diagnosis, and which are more than chance gives."""
    a, b = names
    labels = [label for label, _ in CLASS_MEASURES.values()]
    by_name = {known.name: per_class[known.code] for known in task.diagnoses}
    rows = [
        [name, *(signed(row.difference[measure]) for measure in CLASS_MEASURES), _beyond_chance(row)]
        for name, row in by_name.items()
    ]
    caption = (
        f"{b} minus {a} on each diagnosis, with 95% intervals. Beyond chance: p < 0.05 after Holm's correction for all "
        f"that are tested; a diagnosis of fewer than {MIN_LESIONS} lesions (in brackets) is not."
    )
    return rows_table(["Diagnosis", *labels, "Beyond chance"], rows, caption)


def _beyond_chance(row: ClassDifference) -> str:
    if not row.is_tested:
        return f"too few ({row.n_lesions})"
    return ", ".join(label for name, (label, _) in CLASS_MEASURES.items() if row.beyond_chance(name)) or "no"


def f1_table(loaded_reports: LoadedReports) -> Markup:
    """F1 of each diagnosis with its interval, a column a run."""
    task = next(iter(loaded_reports.values())).report.task
    rows = [[known.name, *(_f1(loaded, known.code) for loaded in loaded_reports.values())] for known in task.diagnoses]
    return rows_table(["Diagnosis", *loaded_reports], rows, "F1 with its 95% interval.")


def _f1(loaded: LoadedReport, code: str) -> str:
    row = loaded.report.per_class[code]
    return f"{row.f1:.2f} ({row.f1_low:.2f} to {row.f1_high:.2f})" if np.isfinite(row.f1_low) else "–"


def history_table(histories: Mapping[str, Sequence[Epoch]]) -> Markup:
    """The epochs of each run, and its figures on the validation part at the epoch that it keeps."""
    rows = [[name, f"{len(history):,}", *_best(history)] for name, history in histories.items()]
    head = ["Run", "Epochs", "Best epoch", "Validation loss", "Validation accuracy"]
    return rows_table(
        head,
        rows,
        "The best epoch is that of the lowest validation loss, after temperature scaling where a run goes by that.",
    )


def _best(history: Sequence[Epoch]) -> tuple[str, str, str]:
    best = best_epoch(list(history))
    if best is None:
        return "–", "–", "–"
    return f"{best.epoch} of stage {best.stage}", f"{best.val_loss:.3f}", f"{best.val_accuracy:.1%}"


def origin_table(loaded_reports: LoadedReports) -> Markup:
    """The origin of the figures of each run, a row each of FACTS."""
    facts = [loaded.origin.facts(loaded.report) for loaded in loaded_reports.values()]
    rows = [
        [label, *("unknown" if known[name] is None else known[name] for known in facts)]
        for name, label in FACTS.items()
        if name != "run"
    ]
    return rows_table(["What", *loaded_reports], rows)


def settings_table(configs: Mapping[str, TrainConfig]) -> Markup:
    """The settings in which the runs differ, and no others."""
    labels = {info.name: info.label for info in field_infos()}
    different = differences(list(configs.values()))
    if not different:
        return paragraph("All settings are the same.")
    rows = [[labels[field], *(_shortened(field, value) for value in values)] for field, values in different.items()]
    words = (
        "Nothing but the model differs: the comparison is fair."
        if set(different) == {"model"}
        else "A difference may come from any of these settings; all others are the same."
    )
    return rows_table(["Setting", *configs], rows, words)


def _shortened(field: str, value: object) -> str:
    """A setting as anyone may read it: where a data set lies on this machine is nobody's business."""
    return Path(str(value)).name if field in ("dataset", "weights") else str(value)


def matrices(loaded_reports: LoadedReports) -> Markup:
    """The confusion matrix of each run."""
    return side_by_side([confusion_table(loaded.report, caption=name) for name, loaded in loaded_reports.items()])
