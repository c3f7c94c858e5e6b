"""The loss of a training, its optimizer and the rate at which it learns."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from skin.config import TrainConfig
from skin.optimization import IMBALANCES, Crossentropy
from skin.training.loop import build_optimizer

pytestmark = pytest.mark.slow

LOGITS = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
TARGETS = np.eye(7, dtype=np.float32)[[0, 3, 5, 5]]


def test_offsets_are_added_before_the_softmax() -> None:
    offsets = np.log(np.array([1, 2, 3, 4, 5, 6, 7]) / 28).astype(np.float32)
    losses = Crossentropy(offsets, 0.0)(TARGETS, LOGITS)
    assert np.asarray(losses) == pytest.approx(-log_softmax(LOGITS + offsets, axis=1)[TARGETS == 1], rel=1e-5)


def test_label_smoothing_spreads_the_target() -> None:
    losses = Crossentropy(np.zeros(7, np.float32), 0.1)(TARGETS, LOGITS)
    smoothed = TARGETS * 0.9 + 0.1 / 7
    assert np.asarray(losses) == pytest.approx(-(smoothed * log_softmax(LOGITS, axis=1)).sum(axis=1), rel=1e-5)


def test_a_smoothed_label_asks_for_the_same_margin_over_a_rare_class_as_over_a_frequent_one() -> None:
    shares = np.array([0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02])
    loss = Crossentropy(np.log(shares).astype(np.float32), 0.1)
    target = np.eye(7, dtype=np.float32)[[5]]
    margin = np.log((0.9 + 0.1 * shares[5]) / (0.1 * shares[5]))
    best = np.where(target == 1, margin, 0).astype(np.float32)
    for shift in (-0.1, 0.1):
        for code in range(7):
            assert loss(target, best) < loss(target, best + shift * np.eye(7, dtype=np.float32)[[code]])


@pytest.mark.parametrize("name", IMBALANCES)
def test_every_loss_compiles_and_has_its_least_at_the_truth(name: str) -> None:
    loss = IMBALANCES[name].loss(np.log(np.full(7, 1 / 7, np.float32)), 0.0)
    model = keras.Sequential([keras.Input((7,)), keras.layers.Rescaling(1.0)])
    model.compile(loss=loss)
    good, bad = (model.evaluate(factor * TARGETS, TARGETS, verbose=0) for factor in (20.0, -20.0))
    assert good == pytest.approx(0, abs=1e-3)
    assert bad > 10


def rates(config: TrainConfig, steps: int) -> list[float]:
    stage = config.stages[1]
    schedule = build_optimizer(config, stage, steps)._learning_rate
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in range(steps * stage.epochs + 1)]


def test_cosine_warms_up_and_ends_at_zero() -> None:
    curve = rates(TrainConfig.parse({"stage2_epochs": 4, "stage2_learning_rate": 1e-3, "warmup_epochs": 1}), 10)
    assert curve[0] == 0
    assert max(curve) == pytest.approx(curve[10]) == pytest.approx(1e-3)
    assert curve[-1] == pytest.approx(0, abs=1e-9)


def test_a_warm_up_longer_than_the_stage_leaves_a_step_to_train() -> None:
    curve = rates(TrainConfig.parse({"stage2_epochs": 1, "warmup_epochs": 5}), 4)
    assert max(curve) > 0


def test_constant_schedule_is_constant() -> None:
    optimizer = build_optimizer(
        TrainConfig.from_preset("reference"), TrainConfig.from_preset("reference").stages[1], 10
    )
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(1e-5)
    assert optimizer.weight_decay is None
