"""The table of all runs."""

import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd

from skin.errors import UserError
from skin.evaluation.metrics import METRICS
from skin.evaluation.report import load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.notes import Notes
from skin.run import Run, is_shipped, list_runs
from skin.ui.training.run_card import HEADLINE, headline_estimates
from skin.ui.training.run_snapshot import readable_notes, state_of
from skin.workspace import Workspace

NOTE_IN_TABLE = 60
"""Characters of a note that the table shows."""


def run_table(workspace: Workspace) -> pd.DataFrame:
    """A row per run: its settings and its main figures on the test part."""
    return pd.DataFrame([_row(run) for run in list_runs(workspace)], columns=_COLUMNS)


_SETTINGS = ("Run", "State", "Model", "Backbone", "Data set", "Split", "Pixels", "Epochs")
_COLUMNS = [*_SETTINGS, *(METRICS[name].label for name in HEADLINE), "Created", "Tags", "Note"]


def _row(run: Run) -> dict[str, object]:
    row: dict[str, object] = {"Run": run.name, "State": "shipped" if is_shipped(run) else state_of(run)}
    with suppress(UserError):
        config = run.config
        row |= {"Model": config.model, "Backbone": config.backbone, "Data set": Path(config.dataset).name}
        row |= {"Split": config.split, "Pixels": config.image_size}
        row["Epochs"] = f"{config.stage1_epochs} + {config.stage2_epochs}"
        row["Created"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.status().created))
    written = readable_notes(run) or Notes()
    row |= {"Tags": ", ".join(written.tags), "Note": textwrap.shorten(written.note, NOTE_IN_TABLE, placeholder=" …")}
    with suppress(UserError):
        for name, estimate in headline_estimates(load_report(run.report_path)["test"]).items():
            row[METRICS[name].label] = NOT_COMPUTED if estimate is None else round(estimate.value, 3)
    return row
