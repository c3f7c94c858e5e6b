"""Means and shares with intervals by lesion."""

import numpy as np
import pytest

from skin.evaluation.shares import mean, means


def test_a_share_is_that_of_the_images_that_count() -> None:
    flags = np.array([[True, True], [False, True], [False, False], [True, False]])
    among = np.array([[True, False], [True, False], [True, False], [False, False]])
    some, none = means(flags, among, list("abcd"))
    assert some.value == pytest.approx(1 / 3)
    assert some.low < some.value < some.high
    assert np.isnan(none.value)


def test_images_of_one_lesion_are_no_independent_evidence() -> None:
    flags = np.arange(100) % 2 < 1
    alone, pairs = (
        mean(np.repeat(flags, 2), lesions)
        for lesions in (
            [str(i) for i in range(200)],
            [str(i // 2) for i in range(200)],
        )
    )
    assert alone.value == pairs.value == 0.5
    assert pairs.high - pairs.low > 1.2 * (alone.high - alone.low)
