"""The watched run's state, progress, figures and log, as HTML."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from skin.errors import UserError
from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.origin import Origin
from skin.evaluation.report import Report, load_report
from skin.evaluation.summary import NOT_COMPUTED
from skin.run import Run, State, Status, best_epoch
from skin.ui.components.templates import render
from skin.ui.training.run_snapshot import RunsSnapshot, ended_early, readable_notes

LOG_LINES = 300
CRASH_LINES = 6
HEADLINE = ("accuracy", "balanced_accuracy", "macro_auc", "melanoma_sensitivity")


def run_card(snapshot: RunsSnapshot, show_details: bool) -> Markup:
    """The run's state, progress and figures; the details may hold paths of the server."""
    run, status = snapshot.run, snapshot.status
    if run is None:
        return _notice(snapshot.problem or "No run yet: the form starts one. The demo preset takes a few minutes.")
    if status is None:
        return _notice(snapshot.problem if show_details else f"The run {run.name} is damaged.")
    try:
        tiles, remarks = _figures(run, status, show_details)
        remarks = [*_part_of(snapshot, run), *remarks]
        advice = _advice(snapshot, run, status) if show_details and ended_early(status) else Advice()
    except UserError as error:
        return _notice(str(error) if show_details else f"The run {run.name} is damaged.")
    return render(
        "training/run_card.html",
        run=run,
        status=status,
        place=_place(status, show_details) if status.state.is_active else "",
        time_left=_time_left(status),
        tiles=tiles,
        remarks=remarks,
        advice=advice,
        notes=readable_notes(run),
        queue=snapshot.queue,
    )


def _part_of(snapshot: RunsSnapshot, run: Run) -> list[str]:
    """The place of a run in its experiment, where it has one."""
    if run.experiment is None:
        return []
    member = snapshot.experiment.member(run) if snapshot.experiment else None
    which = f": {member.variant}, fold {member.fold}, seed {member.seed}" if member else ""
    return [f"Part of the experiment {run.experiment.name}{which}."]


def _notice(sentence: str) -> Markup:
    return render("training/run_card_notice.html", sentence=sentence)


def _place(status: Status, show_details: bool) -> str:
    """The stage, epoch and step, or the current work where no step is taken; and where the job runs."""
    places = []
    if status.state is State.TRAINING and status.stage:
        places = [f"stage {status.stage} of 2", f"epoch {status.epoch} of {status.epochs}"]
    if status.message:
        places.append(status.message)
    elif status.steps:
        places.append(f"step {status.step} of {status.steps}")
    if show_details and status.job and status.is_running:
        places.append(f"in {status.job.where}")
    return " · ".join(places)


def _time_left(status: Status) -> list[str]:
    """The time left in the stage and in all, as far as it is known."""
    spans = ((status.eta_seconds, "in this stage"), (status.run_eta_seconds, "in all"))
    return [f"about {duration(seconds)} left {where}" for seconds, where in spans if seconds]


@dataclass(frozen=True)
class Tile:
    """A figure with its label and, in small letters, its unit or interval."""

    label: str
    value: str
    small: str = ""


def _figures(run: Run, status: Status, show_details: bool) -> tuple[list[Tile], list[str]]:
    """The main figures, and remarks on those of a finished run that are missing."""
    if status.state is not State.FINISHED:
        return list(_running_figures(run, status)), []
    try:
        report = load_report(run.report_path)["test"]
    except UserError as error:
        return [], [str(error) if show_details else "Its report cannot be read."]
    gap = Origin.of_run(run, "test").gap(report)
    tiles = [_metric_tile(METRICS[name].label, estimate) for name, estimate in headline_estimates(report).items()]
    return tiles, [gap] if gap else []


def _metric_tile(label: str, estimate: Estimate | None) -> Tile:
    if estimate is None:
        return Tile(label, "–", NOT_COMPUTED)
    return Tile(label, f"{estimate.value:.3f}", f"{estimate.low:.3f} – {estimate.high:.3f}")


def headline_estimates(report: Report) -> dict[str, Estimate | None]:
    """The main figures that there are for its task, None for one that the report lacks."""
    return {name: report.headline.get(name) for name in HEADLINE if METRICS[name].applies(report.task)}


def _running_figures(run: Run, status: Status) -> Iterator[Tile]:
    if best := best_epoch(run.history()):
        yield Tile("Best validation loss", f"{best.deciding_loss:.3f}", f"stage {best.stage}, epoch {best.epoch}")
        yield Tile("Its accuracy", f"{best.val_accuracy:.1%}")
    if status.state.is_active and status.images_per_second:
        yield Tile("Speed", f"{status.images_per_second:.0f}", "images/s")
    if status.state.is_active and status.memory_mb:
        yield Tile("Memory", f"{status.memory_mb / 1000:.1f}", "GB")


@dataclass(frozen=True)
class Advice:
    """Why a run ended early, the last lines of one that crashed, and the way on."""

    causes: tuple[str, ...] = ()
    crash: str = ""
    next_step: str = ""


def _advice(snapshot: RunsSnapshot, run: Run, status: Status) -> Advice:
    has_failed = status.state in (State.FAILED, State.INTERRUPTED)
    sentences = [status.message] if has_failed else []
    lines = [line for line in run.log_tail(CRASH_LINES) if status.message not in line] if has_failed else []
    causes = dict.fromkeys([*sentences, *([snapshot.obstacle] if snapshot.obstacle else [])])
    return Advice(tuple(causes), "\n".join(lines), _next_step(snapshot, run, status))


def _next_step(snapshot: RunsSnapshot, run: Run, status: Status) -> str:
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


def log_tail(snapshot: RunsSnapshot) -> Markup:
    """The end of the log of the run or of the experiment, in a box that stays scrolled to its end; "" without a log."""
    experiment = snapshot.watched_experiment
    lines = experiment.log_lines[-LOG_LINES:] if experiment else []
    lines = snapshot.run.log_tail(LOG_LINES) if snapshot.run else lines
    return render("training/log.html", lines=lines) if lines else Markup()


def duration(seconds: float) -> str:
    """A time span in the two units that matter."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 1.5 else f"{hours:.1f} h"
