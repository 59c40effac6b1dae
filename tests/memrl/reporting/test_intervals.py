import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.reporting.intervals import bounded_interval

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=60)


def test_zeros_and_ones_have_wilsons_interval():
    # 8 of 10: middle (0.8 + 0.19207) / 1.38415 = 0.71674, half 1.41601 * sqrt(0.016 + 0.0096036) = 0.22658
    assert bounded_interval([1.0] * 8 + [0.0] * 2) == pytest.approx((0.49016, 0.94332), abs=2e-5)


def test_all_right_is_not_certain():
    low, high = bounded_interval([1.0] * 64)
    # 1 / (1 + z² / n) with z² = 3.84146
    assert (low, high) == (pytest.approx(1 / (1 + 3.84146 / 64), abs=1e-6), 1.0)


def test_graded_scores_have_about_the_normal_interval_where_many_are_in_the_middle():
    scores = np.random.default_rng(0).uniform(0.3, 0.7, size=400)
    half = 1.96 * scores.std(ddof=1) / 20
    assert bounded_interval(scores.tolist()) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=5e-4)


def test_a_few_equal_scores_are_not_certain():
    low, high = bounded_interval([0.5, 0.5])
    assert low < 0.2 and high > 0.8


def test_covers_the_true_mean_as_often_as_it_says():
    draw = np.random.default_rng(1)
    for right in (0.5, 0.9, 0.98):
        hits = 0
        for _ in range(2000):
            low, high = bounded_interval(draw.binomial(4, right, size=32) / 4)
            hits += low <= right <= high
        assert 0.93 < hits / 2000 < 0.99


@given(SCORES)
def test_holds_the_mean_and_stays_in_its_bounds(scores):
    low, high = bounded_interval(scores)
    mean = float(np.mean(scores))
    assert 0.0 <= low <= mean <= high <= 1.0


@given(SCORES)
def test_is_the_same_seen_from_the_other_side(scores):
    low, high = bounded_interval(scores)
    other = bounded_interval([1.0 - score for score in scores])
    assert (1.0 - high, 1.0 - low) == pytest.approx(other, abs=1e-7)


def test_one_score_has_none_and_a_score_of_another_kind_is_refused():
    assert all(map(math.isnan, bounded_interval([0.5])))
    with pytest.raises(ValueError, match=r"scores 0.5 to 1.5: they must be in \[0, 1\]"):
        bounded_interval([0.5, 1.5])
