"""Batches are random only through their seed."""

import dataclasses

import numpy as np
import pytest
from ham import someone

from skin.config import TrainConfig
from skin.task import HAM10000
from skin.training.batches import Batches, Examples

pytestmark = pytest.mark.slow

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
STILL = {"flips": False, "zoom": 0, "brightness": 0, "colour": 0}


def config(**fields: object) -> TrainConfig:
    return TrainConfig.parse({"image_size": 32, "stage2_batch_size": 4, "model": "multimodal", **fields})


def examples(n: int = 10) -> Examples:
    images = np.stack([np.roll(IMAGE, shift, axis=0) for shift in range(n)])
    patients = HAM10000.encode([someone(50, "male", "back")] * n)
    return Examples(
        images, np.arange(n), patients, np.eye(7, dtype=np.float32)[np.arange(n) % 7], np.ones(n, np.float32), HAM10000
    )


def test_same_seed_stage_epoch_and_number_give_the_same_batch() -> None:
    first, second = (Batches(examples(), config(), 2, 3)[1] for _ in range(2))
    for one, other in zip(first[0], second[0], strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize("other", [{"seed": 43}, {"stage": 1}, {"epoch": 4}, {"index": 0}])
def test_anything_else_gives_another(other: dict[str, int]) -> None:
    def drawn(seed: int = 42, stage: int = 2, epoch: int = 3, index: int = 1) -> np.ndarray:
        return Batches(examples(), config(seed=seed, stage1_batch_size=4), stage, epoch)[index][0][0]

    assert not np.array_equal(drawn(), drawn(**other))


def test_an_epoch_draws_every_image_at_most_once_and_leaves_the_smaller_batch_out() -> None:
    batches = Batches(examples(10), config(**STILL), 2, 1)
    drawn = np.concatenate([batches[index][0][0] for index in range(len(batches))])
    assert len(batches) == 2
    assert len(np.unique(drawn.reshape(8, -1), axis=0)) == 8


def test_fewer_images_than_a_batch_still_make_one() -> None:
    batches = Batches(examples(3), config(), 2, 1)
    assert len(batches) == 1
    assert batches[0][1].shape == (3, 7)


def test_a_batch_is_shared_evenly_by_the_devices() -> None:
    batches = Batches(examples(10), config(devices=4, stage1_batch_size=4), 1, 1)
    assert (len(batches), batches.batch_size) == (2, 4)
    assert Batches(examples(7), config(devices=2, stage2_batch_size=20), 2, 1).batch_size == 6


def test_patient_fields_drop_to_unknown_at_the_configured_rate() -> None:
    batches = Batches(examples(400), config(field_dropout=0.5, stage2_batch_size=400, **STILL), 2, 1)
    fields = batches[0][0][1]
    for columns in HAM10000.columns.values():
        share = (fields[:, columns] == HAM10000.unknown[columns]).all(axis=1).mean()
        assert 0.4 < share < 0.6


def test_the_image_only_model_gets_no_patient() -> None:
    assert len(Batches(examples(), config(model="image"), 2, 1)[0][0]) == 1


@pytest.mark.parametrize("stage", [1, 2])
def test_mixup_puts_a_share_of_another_example_in_each(stage: int) -> None:
    examples_of = examples()
    if stage == 1:
        examples_of = dataclasses.replace(examples_of, inputs=examples_of.inputs.reshape(10, -1).astype(np.float32))
    settings = {"stage1_batch_size": 10, "stage2_batch_size": 10, "mixup": 1.0, "field_dropout": 0, **STILL}
    (pixels, patients), targets, weights = Batches(examples_of, config(**settings), stage, 1)[0]
    (originals, *_), unmixed, _ = Batches(examples_of, config(**{**settings, "mixup": 0}), stage, 1)[0]
    share = targets.max(axis=1).min()
    assert 0.5 < share < 1
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    (own,) = {round(float(value), 5) for value in (targets * unmixed).sum(axis=1)} - {1.0}
    assert pixels.dtype == examples_of.inputs.dtype
    row = int((targets * unmixed).sum(axis=1).argmin())
    other = int(((unmixed[row] == 0) & (targets[row] > 0)).argmax())
    candidates = [i for i in range(10) if unmixed[i, other]]
    mixes = [own * originals[row].astype(float) + (1 - own) * originals[i] for i in candidates]
    assert any(np.abs(pixels[row] - mix).max() <= 0.51 for mix in mixes)
    assert patients.shape == (10, HAM10000.width)
    np.testing.assert_allclose(weights, 1, rtol=1e-6)
