"""A figure over the seeds of an experiment: its mean, and what the lesions and what the seeds leave open about it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from skin.evaluation.compare import chance
from skin.evaluation.metrics import Estimate, Floats


@dataclass(frozen=True)
class Pooled:
    """The mean of a figure over `seeds` seeds, NaN where it is undefined.

    `sample_low` to `sample_high` is its 95% interval over other lesions, these networks being given, and `sample_sd` the
    standard deviation behind that. `seed_sd` is the standard deviation between seeds, these lesions being given, and `low`
    to `high` the 95% interval over other lesions and other seeds; of one seed the three are not known, and NaN. `p` is the
    two-sided p-value of 0, by whichever interval there is.
    """

    value: float
    seeds: int
    sample_low: float
    sample_high: float
    sample_sd: float
    seed_sd: float
    low: float
    high: float
    p: float

    @property
    def knows_seeds(self) -> bool:
        """True where there are seeds enough to tell how much another one would change."""
        return self.seeds > 1

    @property
    def interval(self) -> Estimate:
        """The value with the widest interval that is known: over lesions and seeds, else over lesions alone."""
        low, high = (self.low, self.high) if self.knows_seeds else (self.sample_low, self.sample_high)
        return Estimate(self.value, low, high)

    @property
    def is_clear(self) -> bool:
        """True where that interval leaves out 0."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True)
class _Spread:
    """The variance of a mean over `seeds` seeds: what each of lesions and seeds adds to it."""

    lesions: float
    seeds: float
    n_seeds: int

    def reach(self, alpha: float) -> float:
        """Half the width of the interval that leaves out a share `alpha`."""
        of_seeds, of_lesions = stdtrit(self.n_seeds - 1, 1 - alpha / 2), ndtri(1 - alpha / 2)
        return float(np.sqrt(of_seeds**2 * self.seeds + of_lesions**2 * self.lesions))

    def chance(self, value: float) -> float:
        """The two-sided p-value of a mean that far from 0: the `alpha` whose interval just reaches it."""
        if self.reach(_LEAST) <= abs(value):
            return _LEAST
        return float(brentq(lambda alpha: self.reach(alpha) - abs(value), _LEAST, 1))


_LEAST = 1e-6
"""No p-value is told to be smaller."""


def pooled(values: Floats, least: float = -1.0, largest: float = 1.0) -> Pooled:
    """From one figure, or one paired difference, of each seed on the lesions and on their resamples.

    `values` has shape (n_seeds, 1 + N_RESAMPLES), a row as `bootstrap` returns it, from the same resamples for all. No
    figure is above `largest` or below `least`, 0 for one that is no difference; intervals end there.

    The seeds are to the lesions as the readers of a study are to its cases, each seed judging each lesion: the variance of
    the mean is s² / n + c, with s² the variance between the n seeds on the lesions themselves, c the mean covariance of
    two seeds over the resamples of lesions (Obuchowski & Rockette 1995, Communications in Statistics 24, 285–308). The
    interval over both reaches to t² s² / n + z² c, squared, with Student's t of n - 1 degrees of freedom for the few
    seeds and the normal z for the many lesions, by which it holds the truth at least 19 times in 20 (Banerjee 1961,
    Sankhyā 23, 359–378); it always contains the one over lesions alone. The lesions to train on are given: what others
    would have changed is in no interval (from folds it cannot be estimated without bias, Bengio & Grandvalet 2004).
    """
    n = len(values)
    mean = values.mean(axis=0)
    of_lesions = Estimate.of(mean)
    resamples = values[:, 1:][:, np.isfinite(values[:, 1:]).all(axis=0)]
    if np.isnan(of_lesions.low) or resamples.shape[1] < 2:
        return Pooled(of_lesions.value, n, *[np.nan] * 7)
    by_lesions: dict[str, Any] = {
        "value": of_lesions.value,
        "seeds": n,
        "sample_low": of_lesions.low,
        "sample_high": of_lesions.high,
        "sample_sd": float(resamples.mean(axis=0).std(ddof=1)),
    }
    if n == 1:
        return Pooled(**by_lesions, seed_sd=np.nan, low=np.nan, high=np.nan, p=chance(mean))
    spread = _spread(values[:, 0], resamples)
    reach = spread.reach(0.05)
    return Pooled(
        **by_lesions,
        seed_sd=float(values[:, 0].std(ddof=1)),
        low=max(min(of_lesions.value - reach, of_lesions.low), least),
        high=min(max(of_lesions.value + reach, of_lesions.high), largest),
        p=max(spread.chance(of_lesions.value), chance(mean)),
    )


def _spread(observed: Floats, resamples: Floats) -> _Spread:
    n, together = len(observed), np.cov(resamples)
    shared = (together.sum() - np.trace(together)) / (n * (n - 1))
    return _Spread(max(float(shared), 0.0), float(observed.var(ddof=1)) / n, n)
