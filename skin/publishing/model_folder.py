"""A folder ready for the Hugging Face Hub: a run's network, its card, and what it takes to ask it."""

import json
from pathlib import Path

from skin.audit.audit import AUDITS
from skin.errors import UserError
from skin.evaluation.chosen import Chosen, choose
from skin.evaluation.origin import Origin
from skin.evaluation.predictions import load_predictions
from skin.evaluation.report import load_report
from skin.files import write_folder
from skin.inference.predictor import Predictor
from skin.models.export import described
from skin.publishing.model_card import audited, example, model_card, own_sheet
from skin.publishing.provenance import provenance_of
from skin.publishing.requirements import EXAMPLE, pinned
from skin.records import to_plain
from skin.run import Run

IN_LARGE_FILE_STORAGE = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in ("h5", "npz", "onnx", "png")
)
"""The `.gitattributes` of a folder that is pushed with Git: the Hub takes no binary file otherwise."""


def write_model_folder(run: Run, folder: Path) -> None:
    """Write the folder of a run that can predict; everything is made before anything is written.

    Raises UserError when the run cannot predict or lacks a report, or a file that it needs is damaged; UsageError where
    the folder is there and not empty.
    """
    check_can_predict(run)
    contents = _contents(run)

    def write(partial: Path) -> None:
        for name, content in contents.items():
            path = partial / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    write_folder(folder, write)


def check_can_predict(run: Run) -> None:
    """Raise UserError where the run has not ended, its network is missing, or a file that it predicts with is damaged."""
    state = run.sound_status().state
    if not run.is_finished:
        raise UserError(f"{run.name} is {state} and cannot predict yet: wait until it is finished, or resume it.")
    Predictor(run)  # opens the network and tries it out


def _contents(run: Run) -> dict[str, bytes]:
    """Every file of the folder by its name."""
    chosen = choose(load_predictions(run.predictions_path)["validation"])
    texts = {
        "README.md": str(model_card(run)),
        "config.json": public_config(run),
        "task.json": run.task.to_json(),
        "thresholds.json": _thresholds(run, chosen),
        "example.py": f"{example(run)}\n",
        "requirements.txt": pinned(EXAMPLE),
        ".gitattributes": IN_LARGE_FILE_STORAGE,
    }
    if licence := licence_text(run):
        texts["LICENSE"] = licence
    files = {name: text.encode() for name, text in texts.items()}
    for step in [f"{step}.json" for step in AUDITS if audited(run, step)]:
        files[f"audit/{step}"] = (run.audit_folder / step).read_bytes()
    files |= {"report.json": run.report_path.read_bytes(), "model.onnx": described(run.onnx_path, run.task)}
    if sheet := own_sheet(run):
        files["datasheet.json"] = sheet.to_json().encode()
    return files


def _thresholds(run: Run, chosen: Chosen) -> str:
    """All that was chosen on the validation part, as JSON; null for malignant where the task does not tell what is."""
    known = {**to_plain(chosen.thresholds), "decisions": to_plain(dict(chosen.decisions))}
    return json.dumps(known if run.task.tells_malignant else {**known, "malignant": None}, indent=1)


def public_config(run: Run) -> str:
    """The settings as JSON; of paths only the name, for where a file lies on this machine is nobody's business."""
    return json.dumps(Origin.of_run(run, "test").settings, indent=1)


def licence_text(run: Run) -> str:
    """The licence that the run came with, else that of its data; "" where nobody knows it."""
    path = run.folder / "LICENSE"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    provenance = provenance_of(load_report(run.report_path)["test"].evaluation.dataset_fingerprint)
    return provenance.licence_text if provenance else ""
