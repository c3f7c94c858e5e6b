"""One damaged run harms no other: each file of a run, damaged in each way, against every command and every tab."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_audit
import tiny_network
from bare import Bare
from ham import CODES, someone
from PIL import Image
from typer.testing import CliRunner

from skin import jobs
from skin.cli.main import app
from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.data.datasheet import Datasheet
from skin.data.splits import SPLITTERS
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.predictions import Predictions, save_predictions
from skin.evaluation.report import evaluate_parts, save_report
from skin.run import Epoch, Run, State
from skin.task import HAM10000
from skin.training import checkpoint
from skin.training.checkpoint import Checkpoint
from skin.ui import shell
from skin.ui.comparison import handlers as comparison_handlers
from skin.ui.comparison.compared_runs import load_compared_runs
from skin.ui.components.loaded_report import ReportKey, load_by_key
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.components.predictors import AUTOMATIC, Predictors
from skin.ui.endpoints import Endpoints
from skin.ui.performance import handlers as performance_handlers
from skin.ui.performance.export import DOWNLOADS
from skin.ui.predict import handlers as predict_handlers
from skin.ui.predict.examples import Examples, load_examples
from skin.ui.training import handlers as training_handlers
from skin.ui.training import run_actions, run_files, run_snapshot, start_form
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

VICTIM, OTHER = "victim", "other"


def predictions(dataset: Dataset, ids: tuple[str, ...]) -> Predictions:
    images = {image.image_id: image for image in dataset.images}
    truth = np.array([CODES.index(images[image_id].diagnosis) for image_id in ids])
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), len(ids)) + rng.random((len(ids), 1)) * np.eye(7)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    lesion_ids = tuple(images[image_id].lesion_id for image_id in ids)
    return Predictions(ids, lesion_ids, truth, probabilities.astype(np.float32))


def finished(workspace: Workspace, name: str, dataset: Dataset) -> Run:
    """A finished run with every file that one may have, made without training."""
    run = Run.create(workspace, name, TrainConfig.from_preset("demo", image_size=32))
    split = SPLITTERS["by-lesion"](dataset.images, run.config.seed)
    split.save(run.split_path)
    parts = {part: predictions(dataset, split.parts[part]) for part in ("validation", "test")}
    Datasheet.of(dataset, split).save(run.datasheet_path)
    save_predictions(run.predictions_path, parts)
    save_report(run.report_path, evaluate_parts(parts))
    run.keep_task(HAM10000)
    run.append_history(Epoch(1, 1, 1.0, 0.5, 0.9, 0.6, 0.5, 1e-3, 2.0, 100.0))
    run.append_history(Epoch(2, 1, 0.8, 0.5, 0.7, 0.6, 0.5, 1e-3, 2.0, 100.0))
    run.log_path.write_text("12:00:00 Finished.\n")
    run.calibration_path.write_text('{"temperature": 1.5}')
    tiny_network.write(run.onnx_path, takes_patient=False)
    tiny_audit.write(run)
    run.notes_path.write_text('{"note": "the first", "tags": ["kept"]}')
    run.weights_path.write_bytes(b"not read here" * 100)
    run.update_status(state=State.FINISHED)
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, demo: Dataset) -> Workspace:
    """Two finished runs that nobody has touched."""
    workspace = Bare(tmp_path_factory.mktemp("damaged"))
    for name in (OTHER, VICTIM):
        finished(workspace, name, demo)
    return workspace


def photograph() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (80, 60), "red").save(buffer, "PNG")
    return buffer.getvalue()


# Eight ways in which a file is damaged


def with_other_numbers(content: bytes, number: bytes) -> bytes:
    """The text with every number replaced, or bytes with their end set to what reads as NaN."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content[: len(content) // 2] + b"\xff" * (len(content) - len(content) // 2)
    return re.sub(rb"(?<=[:\[ ])-?\d+(\.\d+)?(e-?\d+)?", number, content)


Damage = Callable[[bytes], bytes | None]
DAMAGES: dict[str, Damage] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "truncated": lambda content: content[: 2 * len(content) // 3],
    "random": lambda content: np.random.default_rng(0).bytes(len(content)),
    "no-text": lambda content: content[:20] + b"\xff\xfe\x80" + content[20:],
    "another-shape": lambda _: b'{"test": {"victim": [null]}}\n',
    "not-a-number": lambda content: with_other_numbers(content, b"NaN"),
    "huge": lambda content: with_other_numbers(content, b"1" + b"0" * 400),
    "folder": lambda _: None,
}
FILES = (
    "config.json",
    "task.json",
    "status.json",
    "history.jsonl",
    "train.log",
    "split.csv",
    "datasheet.json",
    "calibration.json",
    "model.onnx",
    "network.weights.h5",
    "predictions.npz",
    "report.json",
    "notes.json",
    "audit/scope.npz",
    "audit/cases.npz",
)


def damage(path: Path, kind: str) -> None:
    content = DAMAGES[kind](path.read_bytes())
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)


# Every command and every handler that a run can reach


def commands(image: Path) -> Iterator[list[str]]:
    yield ["runs"]
    yield ["runs", "--json"]
    yield ["evaluate", VICTIM, "--groups"]
    yield ["evaluate", VICTIM, "--part", "validation", "--json"]
    yield ["compare", OTHER, VICTIM]
    yield ["compare", VICTIM, OTHER, "--json"]
    yield ["predict", str(image), "--run", VICTIM]
    yield ["predict", str(image), "--json"]
    yield ["predict", str(image.parent), "--run", VICTIM]
    yield ["card", VICTIM]
    yield ["publish", VICTIM, str(image.with_name("published"))]
    yield ["stop", VICTIM]


def check_command(words: list[str], workspace: Workspace) -> str:
    """What the command says; it ends well, or in one sentence."""
    result = CliRunner().invoke(app, [*words, "--home", str(workspace.home)])
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exc_info)
    if result.exit_code:
        assert result.stderr.startswith("Error: "), (words, result.stderr)
        assert "Traceback" not in result.stderr
    return result.stdout


@lru_cache
def drawn() -> Examples:
    return load_examples(OpenDatasets(Workspace(Path("nowhere"))), None, 0)


def predict_tab_doors(workspace: Workspace, send: Any) -> Iterator[Callable[[], object]]:
    predictors, upload = Predictors(workspace), send(photograph())
    yield predictors.choices
    yield lambda: predict_handlers.offer_models(predictors, VICTIM)
    yield lambda: predict_handlers.open_model(predictors, VICTIM)
    yield lambda: predict_handlers.show_examples(predictors, lambda *_: drawn(), VICTIM, 0)
    for choice in (VICTIM, AUTOMATIC, OTHER):
        yield lambda choice=choice: predict_handlers.predict_one(
            predictors,
            OpenDatasets(workspace),
            "",
            upload,
            *("50", "male", "back", choice, "grad-cam", DecisionChoice("balanced")),
        )
        yield lambda choice=choice: predict_handlers.predict_many(predictors, [upload], None, choice)
        yield lambda choice=choice: Endpoints(predictors).predict(upload, model=choice)
        yield lambda choice=choice: Endpoints(predictors).predict_batch([upload], model=choice)


def training_tab_doors(workspace: Workspace) -> Iterator[Callable[[], object]]:
    for read_only, chosen in ((True, VICTIM), (False, VICTIM), (False, "")):
        yield lambda chosen=chosen, read_only=read_only: training_handlers.refresh(workspace, read_only, chosen, None)
    snapshot = run_snapshot.take_snapshot(workspace, VICTIM)
    settings = vars(TrainConfig.from_preset("demo")).values()
    of_experiments = ["", 0, 1, "", 10, "local", *vars(Resources()).values()]
    yield lambda: start_form.check(workspace, (), "demo", "", *settings, *of_experiments)
    yield lambda: run_actions.load_settings(workspace, snapshot)
    yield lambda: run_actions.edit_notes(workspace, snapshot)
    for kind in run_files.RUN_FILES:
        yield lambda kind=kind: run_files.make_file(workspace, False, kind, snapshot)
    yield lambda: training_handlers.stop(workspace, VICTIM)
    yield lambda: training_handlers.watch_opened_run(workspace, VICTIM)
    yield lambda: shell.follow_link(workspace, {"tab": "training", "run": VICTIM})
    if snapshot.status and snapshot.status.state is State.FINISHED:
        yield lambda: training_handlers.resume(workspace, snapshot)


def performance_tab_doors(workspace: Workspace) -> Iterator[Callable[[], object]]:
    tab = performance_handlers
    for part in ("test", "validation"):
        yield lambda part=part: tab.choose_report(workspace, VICTIM, part, None, "")
    yield lambda: tab.choose_report(workspace, None, "test", None, "")
    yield lambda: tab.choose_report(workspace, OTHER, "test", None, VICTIM)
    shown = tab.choose_report(workspace, VICTIM, "test", None, "")[2]
    if shown is not None:
        subject = load_by_key(workspace, shown)
        for show in (
            tab.show_headline,
            tab.show_classes,
            tab.show_groups,
            tab.show_curves,
            tab.show_decisions,
            tab.show_targets,
            tab.show_decision_curve,
            tab.show_calibration,
            tab.show_training,
            tab.show_origin,
        ):
            yield lambda show=show: show(subject)
        yield lambda: tab.show_matrix(subject, tab.SHARES)
        yield lambda: tab.show_pictures(OpenDatasets(workspace), subject, None)
        for kind in DOWNLOADS:
            yield lambda kind=kind: tab.make_file(kind, subject)


def comparison_tab_doors(workspace: Workspace) -> Iterator[Callable[[], object]]:
    tab = comparison_handlers
    yield lambda: tab.choose_runs(workspace, [], "")
    yield lambda: tab.choose_runs(workspace, [], VICTIM)
    yield lambda: tab.show_opened_run(workspace, VICTIM)
    keys = tab.choose_runs(workspace, [OTHER, VICTIM], "")[1]
    if keys is not None:
        compared = load_compared_runs(workspace, keys)
        for show in (tab.show_verdict, tab.show_settings, tab.show_classes, tab.disagreement_choices):
            yield lambda show=show: show(compared)
        yield lambda: tab.show_disagreements(OpenDatasets(workspace), compared, VICTIM)


def check_doors(doors: Iterator[Callable[[], object]]) -> None:
    """Each answers, or says a sentence."""
    for door in doors:
        with suppress(UserError):
            door()


def digest(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def cases(names: tuple[str, ...], every: int) -> list[Any]:
    """Each file in each way; of them every so many-th in the gate, which meets each file and each way, the rest slow."""
    crossed = [(name, kind) for name in names for kind in DAMAGES]
    is_covering = [(index + index // len(DAMAGES)) % every == 0 for index in range(len(crossed))]
    return [
        pytest.param(*case, marks=[] if covers else pytest.mark.exhaustive)
        for case, covers in zip(crossed, is_covering, strict=True)
    ]


def is_nonsense(name: str, kind: str) -> bool:
    """Whether the history holds what is none; one that is gone or cut short is only a shorter one."""
    return name == "history.jsonl" and kind not in ("missing", "empty", "truncated")


@contextmanager
def damaged(run: Path, name: str, kind: str, kept: Path) -> Iterator[None]:
    """The run with one file damaged; afterwards it is as it was."""
    shutil.copytree(run, kept)
    damage(run / name, kind)
    try:
        yield
    finally:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(kept, run)


@pytest.mark.parametrize(("name", "kind"), cases(FILES, every=4))
def test_a_damaged_file_is_a_sentence_everywhere_and_no_other_run_is_touched(
    home: Workspace, send: Any, tmp_path: Path, name: str, kind: str
) -> None:
    other = home.runs / OTHER
    before = digest(other)
    image = tmp_path / "lesion.png"
    image.write_bytes(photograph())
    with damaged(home.runs / VICTIM, name, kind, tmp_path / "kept"):
        for words in commands(image):
            check_command(words, home)
        check_doors(predict_tab_doors(home, send))
        check_doors(training_tab_doors(home))
        check_doors(performance_tab_doors(home))
        check_doors(comparison_tab_doors(home))
        listed = {row["name"]: row["state"] for row in json.loads(check_command(["runs", "--json"], home))}
        assert listed[OTHER] == "finished"
        assert listed[VICTIM] in ("damaged", "finished")
        is_needed = name in ("config.json", "report.json") or (name, kind != "missing") == ("task.json", True)
        assert (listed[VICTIM] == "damaged") == (is_needed or is_nonsense(name, kind))
        assert Predictors(home).choose(OTHER, someone())[0].run.name == OTHER
        assert load_by_key(home, ReportKey.of_run(home, OTHER, "test")).title == "other, test part"
        check_command(["rename", VICTIM, "renamed"], home)
        check_command(["rename", "renamed", VICTIM], home)
        check_command(["delete", VICTIM, "--yes"], home)
        assert not (home.runs / VICTIM).exists()
        assert digest(other) == before


@pytest.mark.parametrize(
    ("name", "kind"), cases(("config.json", "calibration.json", "model.onnx", "network.weights.h5"), every=5)
)
def test_export_of_a_damaged_run_is_a_sentence_and_replaces_nothing(
    home: Workspace, tmp_path: Path, name: str, kind: str
) -> None:
    victim = home.runs / VICTIM
    with damaged(victim, name, kind, tmp_path / "kept"):
        before = {path.name: path.is_file() and path.read_bytes() for path in victim.iterdir()}
        check_command(["export", VICTIM], home)
        assert {path.name: path.is_file() and path.read_bytes() for path in victim.iterdir()} == before
        if name == "model.onnx":
            (victim / "network.weights.h5").unlink()
            check_command(["export", VICTIM, "--half"], home)


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that was interrupted after two epochs, and another one."""
    workspace = Bare(tmp_path_factory.mktemp("unfinished"))
    Run.create(workspace, OTHER, TrainConfig())
    run = Run.create(workspace, VICTIM, TrainConfig())
    run.split_path.write_text("image_id,part\na,train\n")
    run.log_path.write_text("12:00:00 Loading\n")
    epochs = tuple(Epoch(1, number, 1.0, 0.5, 0.9, 0.6, 0.5, 1e-3, 2.0, 100.0) for number in (1, 2))
    arrays = [np.arange(100.0)]
    for n_epochs in (1, 2):
        checkpoint.save(run, Checkpoint(epochs[:n_epochs], arrays, arrays, arrays))
    run.write_history(epochs)
    run.update_status(state=State.TRAINING, job=Job(LOCAL, local.handle_of(1, 1.0)))
    return workspace


UNFINISHED_FILES = (
    "config.json",
    "status.json",
    "history.jsonl",
    "train.log",
    "split.csv",
    "state-0.npz",
    "state-1.npz",
)


@pytest.mark.parametrize(("name", "kind"), cases(UNFINISHED_FILES, every=3))
def test_an_unfinished_run_goes_on_from_what_is_whole_or_says_why_not(
    unfinished: Workspace, tmp_path: Path, name: str, kind: str
) -> None:
    run, other = Run(unfinished.runs / VICTIM), unfinished.runs / OTHER
    before = digest(other)
    with damaged(run.folder, name, kind, tmp_path / "kept"):
        check_command(["runs", "--json"], unfinished)
        check_command(["stop", VICTIM], unfinished)
        check_doors(training_tab_doors(unfinished))
        if name in ("config.json", "split.csv") or (kind == "folder" and not name.startswith("state")):
            with suppress(UserError):  # what the run needs, or must write, is not to be had
                jobs.claim(run)
                checkpoint.resume(run)
        else:
            jobs.claim(run)
            found = checkpoint.resume(run)
            assert found is not None
            assert len(found.history) == (1 if name == "state-0.npz" else 2)
            assert tuple(run.history()) == found.history
        assert digest(other) == before
