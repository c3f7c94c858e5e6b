"""The table of the runs: those of one's own and the experiments, or the runs of one experiment."""

import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation.metrics import METRICS
from skin.evaluation.report import load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.experiments.experiment import Experiment, MemberStatus, is_shipped, list_experiments
from skin.experiments.kinds import is_search
from skin.experiments.plan import Plan
from skin.experiments.sweep import SCORE, score
from skin.notes import Notes
from skin.run import Run, list_runs
from skin.run import is_shipped as is_shipped_run
from skin.ui.training import experiment_snapshot
from skin.ui.training.experiment_snapshot import ExperimentSnapshot
from skin.ui.training.run_card import HEADLINE, headline_estimates
from skin.ui.training.run_snapshot import readable_notes, state_of
from skin.workspace import Workspace

NOTE_IN_TABLE = 60
"""Characters of a note that the table shows."""

_OPENS = "▸ "
"""The mark of a row that opens into the runs of an experiment."""

_METRICS = tuple(METRICS[name].label for name in HEADLINE)
_SETTINGS = ("Run", "State", "Model", "Backbone", "Data set", "Split", "Pixels", "Epochs")
_COLUMNS = [*_SETTINGS, *_METRICS, "Created", "Tags", "Note"]
_MEMBER_COLUMNS = ["Run", "State", "Where", "Variant", "Fold", "Seed", *_METRICS]
_SWEEP_COLUMNS = ["Run", "State", "Where", "Settings", f"Validation {METRICS[SCORE].label.lower()}"]


def run_table(workspace: Workspace, experiment: ExperimentSnapshot | None = None) -> pd.DataFrame:
    """A row for each run of one's own and each experiment, the newest first; or a row for each run of the experiment.

    A run's row has its main figures on the test part.
    """
    if experiment is not None:
        return _members(experiment)
    runs = [run for run in list_runs(workspace) if run.experiment is None]
    rows = [(is_shipped_run(run), _created(run), _row(run)) for run in runs]
    rows += [(is_shipped(known), known.created, _experiment_row(known)) for known in list_experiments(workspace)]
    rows.sort(key=lambda row: (row[0], -row[1]))
    return pd.DataFrame([row for _, _, row in rows], columns=_COLUMNS)


def key_in(cell: str) -> str:
    """The choice that a cell of the first column stands for: a run's name, or the key of an experiment."""
    return experiment_snapshot.key_of(cell.removeprefix(_OPENS)) if cell.startswith(_OPENS) else cell


def _created(run: Run) -> float:
    with suppress(UserError):
        return run.status().created
    return 0.0


def _row(run: Run) -> dict[str, object]:
    row: dict[str, object] = {"Run": run.name, "State": "shipped" if is_shipped_run(run) else state_of(run)}
    with suppress(UserError):
        row |= {"Model": run.config.model, **_settings(run.config)}
        row["Created"] = _moment(run.status().created)
    written = readable_notes(run) or Notes()
    row |= {"Tags": ", ".join(written.tags), "Note": textwrap.shorten(written.note, NOTE_IN_TABLE, placeholder=" …")}
    return row | _figures(run)


def _settings(config: TrainConfig) -> dict[str, object]:
    return {
        "Backbone": config.backbone,
        "Data set": Path(config.dataset).name,
        "Split": config.split,
        "Pixels": config.image_size,
        "Epochs": f"{config.stage1_epochs} + {config.stage2_epochs}",
    }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _figures(run: Run) -> dict[str, object]:
    """The main figures on the test part by their labels, none without a report."""
    with suppress(UserError):
        estimates = headline_estimates(load_report(run.report_path)["test"])
        return {
            METRICS[name].label: NOT_COMPUTED if known is None else round(known.value, 3)
            for name, known in estimates.items()
        }
    return {}


def _experiment_row(experiment: Experiment) -> dict[str, object]:
    row: dict[str, object] = {"Run": f"{_OPENS}{experiment.name}", "State": experiment_snapshot.take(experiment).state}
    with suppress(UserError):
        plan = experiment.plan
        row |= {"Model": _models(plan), **_settings(plan.recipe), "Tags": "experiment", "Note": runs_in_words(plan)}
        row["Created"] = _moment(experiment.created)
    return row


def _models(plan: Plan) -> str:
    return ", ".join(dict.fromkeys(config.model for config in plan.configs.values()))


def runs_in_words(plan: Plan) -> str:
    """The variants of an experiment, and on how many folds and with how many seeds each is trained; a sweep's settings."""
    if is_search(plan):
        return f"{len(plan.members)} settings"
    folds, seeds = len(plan.folds), len(plan.seeds)
    parts = [" against ".join(plan.variants)]
    parts += [f"{folds} folds"] * (folds > 1) + [f"{seeds} seeds"] * (seeds > 1)
    return ", ".join(parts)


def _members(experiment: ExperimentSnapshot) -> pd.DataFrame:
    """A row a run, in the order of the plan; of a sweep with what is judged, and nothing of the test part."""
    if experiment.summary is None:
        return pd.DataFrame(columns=_MEMBER_COLUMNS)
    competes = is_search(experiment.experiment.plan)
    row = _sweep_row if competes else _member_row
    columns = _SWEEP_COLUMNS if competes else _MEMBER_COLUMNS
    return pd.DataFrame([row(experiment.experiment, known) for known in experiment.summary.members], columns=columns)


def _member_row(experiment: Experiment, row: MemberStatus) -> dict[str, object]:
    member = row.member
    which = {"Variant": member.variant, "Fold": member.fold, "Seed": member.seed}
    return {**_what_it_does(row), **which, **_figures(experiment.run(member))}


def _sweep_row(experiment: Experiment, row: MemberStatus) -> dict[str, object]:
    settings = ", ".join(f"{name} {value}" for name, value in row.member.settings.items())
    value = score(experiment.run(row.member))
    return {**_what_it_does(row), "Settings": settings, _SWEEP_COLUMNS[-1]: None if value is None else round(value, 3)}


def _what_it_does(row: MemberStatus) -> dict[str, object]:
    return {"Run": row.member.name, "State": row.state, "Where": row.where}
