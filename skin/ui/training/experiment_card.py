"""The card of the watched experiment: its question, how far it is, and what went wrong."""

from markupsafe import Markup

from skin.errors import UserError
from skin.experiments import kinds, sweep
from skin.experiments.plan import Plan
from skin.run import State
from skin.ui.components.templates import render
from skin.ui.training.experiment_snapshot import ExperimentSnapshot
from skin.ui.training.run_table import runs_in_words

TRAIN_BEST = "Its best settings: watch the best run, load its settings into the form, and give it another name."

MAX_PROBLEMS = 5
"""Sentences on members that the card shows; the table has the others' states."""


def experiment_card(snapshot: ExperimentSnapshot, show_details: bool) -> Markup:
    """The experiment's state and progress; the details may hold paths of the server."""
    name = snapshot.experiment.name
    if snapshot.summary is None:
        sentence = snapshot.problem if show_details else f"The experiment {name} is damaged."
        return render("training/run_card_notice.html", sentence=sentence)
    problems = snapshot.summary.problems if show_details else []
    more = len(problems) - MAX_PROBLEMS
    return render(
        "training/experiment_card.html",
        name=name,
        state=snapshot.summary.state,
        share=snapshot.share,
        counts=snapshot.summary.counts,
        sentences=_sentences(snapshot),
        problems=[*problems[:MAX_PROBLEMS], *([f"{more} more: see the table."] if more > 0 else [])],
    )


def _sentences(snapshot: ExperimentSnapshot) -> list[str]:
    try:
        plan = snapshot.experiment.plan
    except UserError:  # the plan was damaged since the snapshot
        return []
    question = kinds.question(plan)
    return [
        *([question] if question else []),
        f"Its runs: {runs_in_words(plan)}. {_place(plan)}",
        *_best(snapshot, plan),
        *_next_step(snapshot),
    ]


def _best(snapshot: ExperimentSnapshot, plan: Plan) -> list[str]:
    """The best settings of a sweep so far."""
    found = sweep.best(snapshot.experiment) if kinds.is_search(plan) else None
    if found is None:
        return []
    settings = ", ".join(f"{name} {value}" for name, value in found[0].settings.items())
    return [f"Best so far: {found[0].name} with {settings}, validation balanced accuracy {found[1]:.3f}."]


def _place(plan: Plan) -> str:
    at_once = f", {plan.resources.parallel} at once" if plan.resources.parallel > 1 else ""
    return f"Engine: {plan.engine}{at_once}."


def _next_step(snapshot: ExperimentSnapshot) -> list[str]:
    if snapshot.summary and snapshot.summary.state is State.FINISHED:
        is_search = kinds.is_search(snapshot.experiment.plan)
        return [TRAIN_BEST if is_search else "The Comparison tab tells what its runs say together."]
    if snapshot.can_resume:
        return ["Resume trains the runs that are not finished; those that had begun go on from their last epoch."]
    return []
