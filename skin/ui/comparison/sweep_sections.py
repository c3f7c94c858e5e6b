"""The sections of a sweep's results, as HTML and figures."""

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from skin.config import field_infos
from skin.experiments.sweep_results import MIN_TRIALS, SweepResults, Trial
from skin.plots import sweep as plots
from skin.ui.components.notices import paragraph
from skin.ui.components.tables import rows_table, sentence_list

SCORE = "Balanced accuracy"


def verdict(results: SweepResults) -> Markup:
    """The question, the best settings, and what can be said of their influence."""
    return paragraph(results.question) + sentence_list([_best(results), _influence(results)])


def _best(results: SweepResults) -> str:
    finished = sum(trial.is_finished for trial in results.trials)
    count = f"{finished} of {len(results.trials)} trials have finished"
    if results.best is None:
        return f"{count}: there is no best one yet."
    labels = _labels()
    settings = ", ".join(f"{labels[name]} {value}" for name, value in results.best.settings.items())
    return (
        f"{count}. Best is {results.best.run}, {settings}: a balanced accuracy of {results.best.value:.1%} on the validation "
        "part, which is flattered by the choice among so many; what it is worth, the test part tells."
    )


def _influence(results: SweepResults) -> str:
    found = results.influence
    if found is None:
        return f"Which setting matters is not known from fewer than {MIN_TRIALS} trials."
    if found.explained <= 0:
        return "Which setting matters is not known: from its settings a trial's value cannot be foretold."
    name, share = max(found.shares.items(), key=lambda pair: pair[1])
    return (
        f"{_labels()[name]} matters most, with {share:.0%} of what a random forest explains; that is {found.explained:.0%} of "
        "the differences between trials that it was not grown from."
    )


def trials_table(results: SweepResults) -> Markup:
    """The trials, the best first."""
    labels = _labels()
    names = list(results.plan.members[0].settings)
    rows = [
        [trial.run, *(trial.settings[name] for name in names), trial.state, trial.epochs, _value(trial)]
        for trial in results.trials
    ]
    caption = "Balanced accuracy is that of the validation part; of a trial that has not finished, as far as it came."
    return rows_table(["Trial", *(labels[name] for name in names), "State", "Epochs", SCORE], rows, caption)


def _value(trial: Trial) -> str:
    return f"{trial.value:.3f}" if np.isfinite(trial.value) else "–"


def figures(results: SweepResults) -> list[go.Figure]:
    """The trials as lines through their settings, and the influence of each setting where it is known."""
    labels = _labels()
    known = [trial for trial in results.trials if np.isfinite(trial.value)]
    if not known:
        return []
    axes = [plots.Axis(labels[name], [trial.settings[name] for trial in known]) for name in known[0].settings]
    drawn = [plots.parallel_coordinates(axes, [trial.value for trial in known], SCORE)]
    found = results.influence
    if found and found.explained > 0:
        drawn.append(plots.influences({labels[name]: share for name, share in found.shares.items()}))
    return drawn


def _labels() -> dict[str, str]:
    return {info.name: info.label for info in field_infos()}
