"""Learnability by hand."""

import numpy as np
import pytest

from memrl.algos.learnability import softmax_with_floor, success_variance


def test_half_of_four_tries():
    assert success_variance(2, 4) == pytest.approx(4 / 3 * 0.25)


def test_always_and_never_teach_nothing():
    assert success_variance(4, 4) == success_variance(0, 4) == success_variance(1, 1) == 0.0


def test_the_floor_is_kept():
    p = softmax_with_floor(np.array([0.0, 10.0]), temperature=0.1, floor=0.2)
    assert p.sum() == pytest.approx(1.0) and p[0] == pytest.approx(0.1)
