"""Made-up runs of an experiment, whose truth is known."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from skin.evaluation.predictions import Predictions, save_predictions
from skin.experiments.experiment import Experiment
from skin.experiments.outcome import Cell
from skin.run import Epoch, State
from skin.task import HAM10000

FOLDS, SEEDS = (0, 1, 2), (42, 43, 44)
N_CLASSES = len(HAM10000)


def made_up_run(skill: float, rng: np.random.Generator, fold: int = 0, n_lesions: int = 70) -> Predictions:
    """A run that is right on about a share `skill` of the images of a fold, two of each lesion."""
    truth = np.repeat(np.arange(n_lesions) % N_CLASSES, 2)
    predicted = np.where(rng.random(len(truth)) < skill, truth, (truth + 1) % N_CLASSES)
    probabilities = 0.4 * np.eye(N_CLASSES)[predicted] + 0.6 * rng.dirichlet(np.ones(N_CLASSES), len(truth))
    lesions = tuple(f"fold{fold}-lesion{i // 2}" for i in range(len(truth)))
    return Predictions(tuple(f"{lesion}-{i % 2}" for i, lesion in enumerate(lesions)), lesions, truth, probabilities)


def made_up_runs(
    skills: Mapping[str, float], folds: Sequence[int] = FOLDS, seeds: Sequence[int] = SEEDS, noise: int = 0
) -> dict[Cell, Predictions]:
    """A run for each variant, fold and seed, of the skill of its variant."""
    return {
        Cell(variant, fold, seed): made_up_run(skill, np.random.default_rng([noise, arm, fold, seed]), fold)
        for arm, (variant, skill) in enumerate(skills.items())
        for fold in folds
        for seed in seeds
    }


def finish(experiment: Experiment, skills: Mapping[str, float], unfinished: Sequence[str] = ()) -> None:
    """Have the runs of an experiment end with made-up predictions and histories, but for the unfinished ones."""
    plan = experiment.plan
    runs = made_up_runs(skills, plan.folds, plan.seeds)
    for member in plan.members:
        if member.name not in unfinished:
            run = experiment.run(member)
            predictions = runs[Cell(member.variant, member.fold, member.seed)]
            save_predictions(run.predictions_path, {"validation": predictions, "test": predictions})
            run.write_history(made_up_history(skills[member.variant], member.seed))
            run.update_status(state=State.FINISHED, created=time.time())


def made_up_history(skill: float, seed: int, n_epochs: int = 4) -> list[Epoch]:
    """Two stages of epochs that come nearer to the skill."""
    rng = np.random.default_rng(seed)
    values = [skill * (1 - 0.5**epoch) + 0.02 * float(rng.random()) for epoch in range(1, 2 * n_epochs + 1)]
    return [
        Epoch(1 + index // n_epochs, 1 + index % n_epochs, 1 - value, value, 1 - value, value, value, 1e-3, 2.0, 100.0)
        for index, value in enumerate(values)
    ]
