"""Pooled figures, against simulated experiments whose truth is known."""

import numpy as np
import pytest
from scipy.stats import norm, t

from skin.evaluation.compare import holm
from skin.evaluation.metrics import Floats, bootstrap
from skin.experiments.pooled import Pooled, pooled

N_EXPERIMENTS = 400
N_LESIONS = 150
IMAGES = 2
LESIONS = [str(lesion) for lesion in range(N_LESIONS) for _ in range(IMAGES)]


def right(n_seeds: int, sd_of_seeds: float, effect: float = 0.0, seed: int = 0) -> Floats:
    """Whether images are recognised, of shape (N_EXPERIMENTS, n_seeds, n_images), by a probit model.

    Lesions, the same in every call, differ in how hard they are, seeds in how good they are, and each seed errs on lesions
    of its own; `probability` is what they are recognised with in the long run.
    """
    hardness = np.random.default_rng(99).normal(size=(N_EXPERIMENTS, 1, N_LESIONS))
    rng = np.random.default_rng([seed, n_seeds])
    shape = N_EXPERIMENTS, n_seeds, N_LESIONS
    ability = rng.normal(scale=sd_of_seeds, size=(N_EXPERIMENTS, n_seeds, 1)) if sd_of_seeds else 0.0
    of_lesions = np.repeat(1 + effect + hardness + ability + rng.normal(scale=0.5, size=shape), IMAGES, axis=2)
    return (of_lesions + rng.normal(scale=0.5, size=of_lesions.shape) > 0).astype(np.float64)


def probability(sd_of_seeds: float, effect: float = 0.0) -> float:
    return float(norm.cdf((1 + effect) / np.sqrt(1 + sd_of_seeds**2 + 0.5**2 + 0.5**2)))


def accuracies(images: Floats) -> Floats:
    """Of shape (N_EXPERIMENTS, n_seeds, 1 + N_RESAMPLES)."""
    flat = images.reshape(-1, images.shape[-1])
    values = bootstrap(lambda weights: weights @ flat.T / weights.sum(axis=1, keepdims=True), LESIONS)
    return values.T.reshape(*images.shape[:2], -1)


def all_pooled(images: Floats) -> list[Pooled]:
    return [pooled(values) for values in accuracies(images)]


def coverage(intervals: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


@pytest.mark.parametrize(("n_seeds", "at_most"), [(2, 1), (3, 0.99), (5, 0.985)])
@pytest.mark.parametrize("sd_of_seeds", [0.0, 0.1, 0.3])
def test_the_interval_holds_the_truth_19_times_in_20(n_seeds: int, at_most: float, sd_of_seeds: float) -> None:
    """Of two seeds it holds it more often: from so few their spread is hardly known, and the interval is wide."""
    found = all_pooled(right(n_seeds, sd_of_seeds))
    assert 0.93 <= coverage([(row.low, row.high) for row in found], probability(sd_of_seeds)) <= at_most


def test_lesions_alone_do_not_tell_what_another_seed_would_say() -> None:
    found = all_pooled(right(3, sd_of_seeds=0.5))
    assert coverage([(row.sample_low, row.sample_high) for row in found], probability(0.5)) < 0.8


def test_where_seeds_are_alike_the_interval_is_hardly_wider_than_that_of_lesions() -> None:
    found = all_pooled(right(5, sd_of_seeds=0.0))
    widths = np.array([[row.high - row.low, row.sample_high - row.sample_low] for row in found])
    assert 1 < np.mean(widths[:, 0] / widths[:, 1]) < 1.15
    assert all(row.low <= row.sample_low and row.high >= row.sample_high for row in found)


def test_the_spread_between_seeds_is_the_one_that_they_have() -> None:
    """On given lesions seeds differ by their ability and by the lesions on which each errs by itself."""
    rng = np.random.default_rng(5)
    values = rng.normal(0.8, 0.02, (N_EXPERIMENTS, 5, 1)) + rng.normal(0, 0.01, (N_EXPERIMENTS, 1, 1001))
    found = [pooled(row) for row in values]
    assert np.sqrt(np.mean([row.seed_sd**2 for row in found])) == pytest.approx(0.02, rel=0.05)
    assert np.mean([row.sample_sd for row in found]) == pytest.approx(0.01, rel=0.05)


def test_the_interval_is_the_published_one() -> None:
    """Obuchowski & Rockette's variance with Banerjee's quantiles, by hand, for three seeds."""
    rng = np.random.default_rng(1)
    values = np.array([[0.01], [0.05], [0.06]]) + rng.normal(0, 0.02, 1001) + rng.normal(0, 0.005, (3, 1001))
    values[:, 0] = 0.01, 0.05, 0.06
    a, b, c = values[:, 1:]
    covariance = np.mean([np.cov(a, b)[0, 1], np.cov(a, c)[0, 1], np.cov(b, c)[0, 1]])
    of_seeds = np.var([0.01, 0.05, 0.06], ddof=1) / 3
    found = pooled(values)
    assert found.value == pytest.approx(0.04)
    assert found.high - found.value == pytest.approx(np.sqrt(4.30265**2 * of_seeds + 1.95996**2 * covariance), rel=1e-4)
    reached = np.sqrt(t.ppf(1 - found.p / 2, 2) ** 2 * of_seeds + norm.ppf(1 - found.p / 2) ** 2 * covariance)
    assert reached == pytest.approx(found.value)


@pytest.mark.parametrize("n_seeds", [1, 2, 5])
def test_arms_that_do_not_differ_are_rarely_said_to(n_seeds: int) -> None:
    """Of two arms alike in the long run, each with seeds of its own, 1 pair in 20 at most is told apart."""
    spread = 0.3 if n_seeds > 1 else 0.0
    differences = accuracies(right(n_seeds, spread, seed=1)) - accuracies(right(n_seeds, spread, seed=2))
    found = [pooled(row) for row in differences]
    assert np.mean([row.is_clear for row in found]) <= 0.075
    assert np.mean([row.p < 0.05 for row in found]) <= 0.075
    assert abs(np.mean([row.value for row in found])) < 0.01


def test_with_seeds_that_differ_one_seed_tells_a_difference_too_often_and_five_do_not() -> None:
    wrong = {
        n: np.mean(
            [pooled(row).is_clear for row in accuracies(right(n, 0.5, seed=3)) - accuracies(right(n, 0.5, seed=4))]
        )
        for n in (1, 5)
    }
    assert wrong[1] > 0.3
    assert wrong[5] <= 0.075


def test_a_difference_that_is_there_is_found_and_measured() -> None:
    differences = accuracies(right(5, 0.1, effect=0.6, seed=6)) - accuracies(right(5, 0.1, seed=7))
    found = [pooled(row) for row in differences]
    truth = probability(0.1, 0.6) - probability(0.1)
    assert np.mean([row.value for row in found]) == pytest.approx(truth, abs=0.005)
    assert np.mean([row.is_clear and row.value > 0 for row in found]) > 0.9
    assert 0.94 <= coverage([(row.low, row.high) for row in found], truth) <= 0.985


def test_holms_correction_keeps_families_of_zero_differences_quiet() -> None:
    differences = accuracies(right(3, 0.3, seed=8)) - accuracies(right(3, 0.3, seed=9))
    p = [pooled(row).p for row in differences]
    families = [min(holm(p[first : first + 10])) < 0.05 for first in range(0, N_EXPERIMENTS, 10)]
    assert np.mean(families) <= 0.1


def test_of_one_seed_nothing_is_known_of_seeds() -> None:
    found = pooled(accuracies(right(1, 0.0))[0])
    assert not found.knows_seeds
    assert np.isnan([found.seed_sd, found.low, found.high]).all()
    assert (found.interval.low, found.interval.high) == (found.sample_low, found.sample_high)
    assert found.sample_low < found.value < found.sample_high


def test_what_is_undefined_stays_so() -> None:
    values = np.full((3, 1001), np.nan)
    assert np.isnan(pooled(values).value)
    assert not pooled(values).is_clear
    values[:, 0] = 0.5
    assert pooled(values).value == 0.5
    assert np.isnan(pooled(values).interval.low)


def test_resamples_without_a_diagnosis_are_left_out() -> None:
    values = accuracies(right(3, 0.3))[0].copy()
    fewer = np.delete(values, range(500, 700), axis=1)
    values[:, 500:700] = np.nan
    assert pooled(values) == pooled(fewer)


def test_a_difference_of_nothing_is_none() -> None:
    nothing = pooled(np.zeros((3, 1001)))
    assert (nothing.value, nothing.low, nothing.high, nothing.p) == (0, 0, 0, 1)
    assert not nothing.is_clear


def test_an_interval_ends_where_no_figure_can_be() -> None:
    far = np.array([[0.2], [0.99]]) + np.random.default_rng(0).normal(0, 0.01, (2, 1001))
    assert (pooled(far, least=0.0).low, pooled(far, least=0.0).high) == (0, 1)
    assert pooled(far).low == -1
    assert pooled(1 + far, least=0.0, largest=np.inf).high > 1
