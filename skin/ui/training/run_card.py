"""The watched run's state, progress, figures and log, as HTML."""

import html
from collections.abc import Iterator, Mapping

from skin.errors import UserError
from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.origin import Origin
from skin.evaluation.report import Report, load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.run import Run, State, Status, best_epoch
from skin.ui.training.run_snapshot import RunsSnapshot, ended_early, readable_notes

LOG_LINES = 300
CRASH_LINES = 6
HEADLINE = ("accuracy", "balanced_accuracy", "macro_auc", "melanoma_sensitivity")


def run_card(snapshot: RunsSnapshot, show_details: bool) -> str:
    """The run's state, progress and figures, as HTML; the details may hold paths of the server."""
    run, status = snapshot.run, snapshot.status
    if run is None:
        return _notice(snapshot.problem or "No run yet: the form starts one. The demo preset takes a few minutes.")
    if status is None:
        return _notice(snapshot.problem if show_details else f"The run {run.name} is damaged.")
    try:
        parts = [
            _heading(run, status),
            _progress(status),
            *_facts(run, status, show_details),
            *_advice(snapshot, run, status, show_details),
            _notes(run),
        ]
    except UserError as error:
        return _notice(str(error) if show_details else f"The run {run.name} is damaged.")
    return f'<section class="run-card {status.state}">{"".join(parts)}{_queue(snapshot)}</section>'


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
    yield _tiles({METRICS[name].label: _measured(estimate) for name, estimate in headline_estimates(report).items()})
    if gap := Origin.of_run(run, "test").gap(report):
        yield _note(gap)


def _tiles(facts: Mapping[str, str]) -> str:
    tiles = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in facts.items())
    return f'<dl class="facts">{tiles}</dl>' if facts else ""


def _measured(estimate: Estimate | None) -> str:
    if estimate is None:
        return f"– <small>{NOT_COMPUTED}</small>"
    return f"{estimate.value:.3f} <small>{estimate.low:.3f} – {estimate.high:.3f}</small>"


def headline_estimates(report: Report) -> dict[str, Estimate | None]:
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


def _advice(snapshot: RunsSnapshot, run: Run, status: Status, show_details: bool) -> Iterator[str]:
    """What went wrong, the last lines of a run that crashed, and what can be done; a sentence once."""
    if not ended_early(status):
        return
    has_failed = status.state in (State.FAILED, State.INTERRUPTED)
    if show_details:
        sentences = [status.message] if has_failed else []
        yield from map(_note, dict.fromkeys([*sentences, *([snapshot.obstacle] if snapshot.obstacle else [])]))
    if show_details and has_failed:
        lines = [line for line in run.log_tail(CRASH_LINES) if status.message not in line]
        yield f"<pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""
    yield _note(_way_on(snapshot, run, status)) if show_details else ""


def _way_on(snapshot: RunsSnapshot, run: Run, status: Status) -> str:
    if not snapshot.can_resume:
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


def _notes(run: Run) -> str:
    written = readable_notes(run)
    if written is None:
        return _note(f"The notes on {run.name} are damaged: write them anew.")
    tags = "".join(f"<li>{html.escape(tag)}</li>" for tag in written.tags)
    listed = f'<ul class="tags" aria-label="Tags">{tags}</ul>' if tags else ""
    text = f'<p class="note written">{html.escape(written.note)}</p>' if written.note else ""
    return text + listed


def _queue(snapshot: RunsSnapshot) -> str:
    waiting = [html.escape(name) for name in snapshot.queue]
    return f'<p class="note">Waiting in the queue: {", ".join(waiting)}.</p>' if waiting else ""


def log_tail(snapshot: RunsSnapshot) -> str:
    """The end of the run's log, as HTML that stays scrolled to its end."""
    lines = snapshot.run.log_tail(LOG_LINES) if snapshot.run else []
    text = html.escape("\n".join(lines))
    return f'<div class="log" role="region" aria-label="Log" tabindex="0"><pre>{text}</pre></div>' if lines else ""


def duration(seconds: float) -> str:
    """A time span in the two units that matter."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 1.5 else f"{hours:.1f} h"
