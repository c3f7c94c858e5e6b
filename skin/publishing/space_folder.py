"""A folder ready to be a Hugging Face Space: the app with chosen runs, which shows them and changes nothing."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import SpaceCardData

from skin import DISCLAIMER
from skin.errors import UsageError
from skin.evaluation.report import load_report
from skin.files import write_folder
from skin.publishing import card_tables
from skin.publishing.markdown import render, table
from skin.publishing.model_card import TAGS, model_card
from skin.publishing.model_folder import IN_LARGE_FILE_STORAGE, check_can_predict, licence_text, public_config
from skin.publishing.provenance import provenance_of
from skin.publishing.requirements import APP, pinned
from skin.run import Run
from skin.workspace import PROJECT, assets, legal_texts

COPIED = (
    *("task.json", "history.jsonl", "calibration.json", "model.onnx"),
    *("predictions.npz", "report.json", "datasheet.json", "split.csv"),
)
"""The files of a run that the app shows it from, beside its audit; logs, notes, weights and checkpoints stay here."""

APP_FILE = '''\
"""The app with the runs in `checkpoints/`: it shows them, and changes nothing."""

from pathlib import Path

from skin.ui.launch import launch

if __name__ == "__main__":
    launch(host=None, port=None, share=False, read_only=True, home=Path(__file__).parent)
'''

_NOT_SHOWN = shutil.ignore_patterns("__pycache__", "_shipped", "*.h5", "*.png")
_NOT_ASSETS = shutil.ignore_patterns("*.h5", "*.png", "*.py", "__pycache__")


def write_space(runs: Sequence[Run], folder: Path) -> None:
    """Write the folder of an app that shows these runs and needs nothing but its `requirements.txt`.

    Raises UserError when a run cannot predict or lacks a report, or a file that it needs is damaged; UsageError where the
    folder is there and not empty, or no run or one name twice is asked for.
    """
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise UsageError("A Space shows runs of different names: name each one once.")
    for run in runs:
        check_can_predict(run)
    texts = {
        "README.md": _readme(runs),
        "app.py": APP_FILE,
        "requirements.txt": pinned(APP),
        ".gitattributes": IN_LARGE_FILE_STORAGE,
        **legal_texts(),
        **{name: text for run in runs for name, text in _texts_of_run(run).items()},
    }

    def write(partial: Path) -> None:
        shutil.copytree(PROJECT / "skin", partial / "skin", ignore=_NOT_SHOWN)
        shutil.copytree(assets(), partial / "assets", ignore=_NOT_ASSETS)
        for name, text in texts.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for run in runs:
            _copy_files(run, partial / "checkpoints" / run.name)

    write_folder(folder, write)


def _copy_files(run: Run, folder: Path) -> None:
    """Copy those of COPIED that the run has, and its audit."""
    for name in COPIED:
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, folder / name)
    if run.audit_folder.is_dir():
        shutil.copytree(run.audit_folder, folder / run.audit_folder.name, ignore=shutil.ignore_patterns(".*"))


def _texts_of_run(run: Run) -> dict[str, str]:
    """The files of a run that are written anew, by their places in the folder: without a word on this machine."""
    status = dataclasses.replace(run.status(), job=None, message="", memory_mb=None)
    texts = {
        "README.md": str(model_card(run)),
        "config.json": public_config(run),
        "status.json": json.dumps(dataclasses.asdict(status), indent=1),
        "LICENSE": licence_text(run),
    }
    return {f"checkpoints/{run.name}/{name}": text for name, text in texts.items() if text}


def _readme(runs: Sequence[Run]) -> str:
    """The page of the Space, with the metadata that the Hub starts it by."""
    reports = {run.name: load_report(run.report_path)["test"] for run in runs}
    found = [provenance_of(report.evaluation.dataset_fingerprint) for report in reports.values()]
    licences = {provenance.licence if provenance else None for provenance in found}
    metadata = SpaceCardData(
        title="Skin Lesion Lab",
        emoji="🔬",
        colorFrom="blue",
        colorTo="green",
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        app_file="app.py",
        short_description="Skin-lesion classifiers, looked at and not used",
        license=licences.pop() if len(licences) == 1 else None,
        tags=TAGS,
    )
    shown = table(
        ["Run", "Data set", "Accuracy (95% interval)", "Balanced accuracy (95% interval)"],
        [
            [
                name,
                report.evaluation.dataset or report.task.title,
                *(card_tables.interval(report.headline.get(metric)) for metric in ("accuracy", "balanced_accuracy")),
            ]
            for name, report in reports.items()
        ],
    )
    body = render("space.md.jinja", disclaimer=DISCLAIMER, runs=list(reports), table=shown)
    return f"---\n{metadata.to_yaml()}\n---\n\n{body}"
