"""What the training tab shows of the runs: one of them closely, all of them in a table."""

import html
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from skin import jobs, notes
from skin.errors import UserError
from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.origin import Origin
from skin.evaluation.report import Report, load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.notes import Notes
from skin.run import Run, State, Status, best_epoch, is_shipped, list_runs
from skin.ui import sources
from skin.workspace import Workspace

FOLLOW = ""
"""The choice that shows whichever run trains now, else the newest."""

LOG_LINES = 300
CRASH_LINES = 6
NOTE_IN_TABLE = 60
"""Characters of a note that the table shows."""

HEADLINE = ("accuracy", "balanced_accuracy", "macro_auc", "melanoma_sensitivity")


@dataclass(frozen=True)
class Sight:
    """All that decides what the monitor shows: where two are equal, there is nothing to send to the browser.

    `histories` holds every run with when its history changed, 0 where it has none; `log` changes with that file,
    `noted` with the notes on any run and `reported` with any report; `states` holds the name and state of every run;
    `obstacle` is why a run that ended early cannot be resumed as things are, "" where it can.
    """

    run: Run | None
    status: Status | None
    problem: str
    histories: tuple[tuple[Run, float], ...]
    log: tuple[str, float]
    queue: tuple[str, ...]
    states: tuple[tuple[str, str], ...]
    obstacle: str = ""
    noted: tuple[float, ...] = ()
    reported: tuple[float, ...] = ()

    @property
    def can_resume(self) -> bool:
        """Whether a training can go on from where the run ended."""
        return self.status is not None and _ended_early(self.status) and not self.obstacle


def _ended_early(status: Status) -> bool:
    return not status.is_running and status.state is not State.FINISHED


def look(workspace: Workspace, chosen: str) -> Sight:
    """The chosen run, or the one to follow, as it is now."""
    all_runs = list_runs(workspace)
    living = jobs.living_runs(workspace)
    run = _chosen(all_runs, chosen) if chosen else next(iter([*(run for run, _ in living), *all_runs]), None)
    status, problem = None, "" if run or not chosen else f"There is no run {chosen!r} any more: choose another one."
    if run is not None:
        try:
            status = run.sound_status()
        except UserError as error:
            problem = str(error)
    return Sight(
        run,
        status,
        problem,
        histories=tuple((run, _modified(run.history_path)) for run in all_runs),
        log=(run.name, _modified(run.log_path)) if run else ("", 0.0),
        queue=tuple(run.name for run, status in living[1:] if status.state is State.QUEUED),
        states=tuple((run.name, state_of(run)) for run in all_runs),
        obstacle=_obstacle(run) if run and status and _ended_early(status) else "",
        noted=tuple(_modified(run.notes_path) for run in all_runs),
        reported=tuple(_modified(run.report_path) for run in all_runs),
    )


def _obstacle(run: Run) -> str:
    try:
        return " ".join(sources.problems(run.config).values())
    except UserError as error:
        return str(error)


def _chosen(all_runs: Sequence[Run], name: str) -> Run | None:
    return next((run for run in all_runs if run.name == name), None)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def state_of(run: Run) -> str:
    """The run's state in a word."""
    try:
        return run.sound_status().state
    except UserError:
        return "damaged"


def card(sight: Sight, show_details: bool) -> str:
    """The run's state, progress and figures, as HTML; the details may hold paths of the server."""
    run, status = sight.run, sight.status
    if run is None:
        return _notice(sight.problem or "No run yet: the form starts one. The demo preset takes a few minutes.")
    if status is None:
        return _notice(sight.problem if show_details else f"The run {run.name} is damaged.")
    try:
        parts = [
            _heading(run, status),
            _progress(status),
            *_facts(run, status, show_details),
            *_advice(sight, run, status, show_details),
            _notes(run),
        ]
    except UserError as error:
        return _notice(str(error) if show_details else f"The run {run.name} is damaged.")
    return f'<section class="run-card {status.state}">{"".join(parts)}{_queue(sight)}</section>'


def _notice(sentence: str) -> str:
    return f'<section class="run-card"><p class="note">{html.escape(sentence)}</p></section>'


def _heading(run: Run, status: Status) -> str:
    where = _where(status) if status.state.is_active else ""
    return (
        f'<div class="run-head"><span class="state" role="status">{status.state}</span>'
        f"<strong>{html.escape(run.name)}</strong><span class='where'>{html.escape(where)}</span></div>"
    )


def _where(status: Status) -> str:
    """The stage, epoch and step, or what is done where no step is taken."""
    places = []
    if status.state is State.TRAINING and status.stage:
        places = [f"stage {status.stage} of 2", f"epoch {status.epoch} of {status.epochs}"]
    if status.message:
        places.append(status.message)
    elif status.steps:
        places.append(f"step {status.step} of {status.steps}")
    return " · ".join(places)


def _progress(status: Status) -> str:
    """The whole run's progress, and the time left in the stage and in all."""
    if not status.state.is_active or not status.share:
        return ""
    left = [
        f"about {duration(seconds)} left {where}"
        for seconds, where in ((status.eta_seconds, "in this stage"), (status.run_eta_seconds, "in all"))
        if seconds
    ]
    return (
        f'<div class="bar" role="progressbar" aria-label="Progress of the whole run" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{100 * status.share:.0f}"><i style="width:{status.share:.1%}"></i></div>'
        f'<div class="bar-text"><span>{status.share:.0%} of the run</span><span>{", ".join(left)}</span></div>'
    )


def _facts(run: Run, status: Status, show_details: bool) -> Iterator[str]:
    """The main figures as tiles and, of a finished run, what its report lacks."""
    if status.state is not State.FINISHED:
        yield _tiles(dict(_running(run, status)))
        return
    try:
        report = load_report(run.report_path)["test"]
    except UserError as error:
        yield _note(str(error) if show_details else "Its report cannot be read.")
        return
    yield _tiles({METRICS[name].label: _measured(estimate) for name, estimate in headline(report).items()})
    if gap := Origin.of_run(run, "test").gap(report):
        yield _note(gap)


def _tiles(facts: Mapping[str, str]) -> str:
    tiles = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in facts.items())
    return f'<dl class="facts">{tiles}</dl>' if facts else ""


def _measured(estimate: Estimate | None) -> str:
    if estimate is None:
        return f"– <small>{NOT_COMPUTED}</small>"
    return f"{estimate.value:.3f} <small>{estimate.low:.3f} – {estimate.high:.3f}</small>"


def headline(report: Report) -> dict[str, Estimate | None]:
    """The main figures that there are for its task, None for one that the report lacks."""
    return {name: report.headline.get(name) for name in HEADLINE if METRICS[name].applies(report.task)}


def _running(run: Run, status: Status) -> Iterator[tuple[str, str]]:
    if best := best_epoch(run.history()):
        yield "Best validation loss", f"{best.val_loss:.3f} <small>stage {best.stage}, epoch {best.epoch}</small>"
        yield "Its accuracy", f"{best.val_accuracy:.1%}"
    if status.state.is_active and status.images_per_second:
        yield "Speed", f"{status.images_per_second:.0f} <small>images/s</small>"
    if status.state.is_active and status.memory_mb:
        yield "Memory", f"{status.memory_mb / 1000:.1f} <small>GB</small>"


def _advice(sight: Sight, run: Run, status: Status, show_details: bool) -> Iterator[str]:
    """What went wrong, the last lines of a run that crashed, and what can be done; a sentence once."""
    if not _ended_early(status):
        return
    has_failed = status.state in (State.FAILED, State.INTERRUPTED)
    if show_details:
        sentences = [status.message] if has_failed else []
        yield from map(_note, dict.fromkeys([*sentences, *([sight.obstacle] if sight.obstacle else [])]))
    if show_details and has_failed:
        lines = [line for line in run.log_tail(CRASH_LINES) if status.message not in line]
        yield f"<pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""
    yield _note(_way_on(sight, run, status)) if show_details else ""


def _way_on(sight: Sight, run: Run, status: Status) -> str:
    if not sight.can_resume:
        return "When that is put right, it can be resumed; or load its settings below and start another run."
    if status.state.is_active:
        return "It was never started: press Resume."
    epochs = len(run.history())
    return (
        f"Resume goes on after the {epochs} finished epoch{'s' * (epochs != 1)}."
        if epochs
        else "Resume starts it again."
    )


def _note(sentence: str) -> str:
    return f'<p class="note">{html.escape(sentence)}</p>'


def choices(sight: Sight | None = None) -> list[tuple[str, str]]:
    """What can be watched, as labels and values."""
    names = [(f"{name} ({state})", name) for name, state in sight.states] if sight else []
    return [("The one that trains, or the newest", FOLLOW), *names]


def noted(run: Run) -> Notes | None:
    """What is noted about the run, None where that is damaged."""
    try:
        return notes.load(run)
    except UserError:
        return None


def _notes(run: Run) -> str:
    written = noted(run)
    if written is None:
        return _note(f"The notes on {run.name} are damaged: write them anew.")
    tags = "".join(f"<li>{html.escape(tag)}</li>" for tag in written.tags)
    listed = f'<ul class="tags" aria-label="Tags">{tags}</ul>' if tags else ""
    text = f'<p class="note written">{html.escape(written.note)}</p>' if written.note else ""
    return text + listed


def _queue(sight: Sight) -> str:
    waiting = [html.escape(name) for name in sight.queue]
    return f'<p class="note">Waiting in the queue: {", ".join(waiting)}.</p>' if waiting else ""


def log(sight: Sight) -> str:
    """The end of the run's log, as HTML that stays scrolled to its end."""
    lines = sight.run.log_tail(LOG_LINES) if sight.run else []
    text = html.escape("\n".join(lines))
    return f'<div class="log" role="region" aria-label="Log" tabindex="0"><pre>{text}</pre></div>' if lines else ""


def table(workspace: Workspace) -> pd.DataFrame:
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
    written = noted(run) or Notes()
    row |= {"Tags": ", ".join(written.tags), "Note": textwrap.shorten(written.note, NOTE_IN_TABLE, placeholder=" …")}
    with suppress(UserError):
        for name, estimate in headline(load_report(run.report_path)["test"]).items():
            row[METRICS[name].label] = NOT_COMPUTED if estimate is None else round(estimate.value, 3)
    return row


def duration(seconds: float) -> str:
    """A time span in the two units that matter."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 1.5 else f"{hours:.1f} h"
