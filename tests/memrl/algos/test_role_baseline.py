"""A role is judged by the mean of its own past rewards."""

from __future__ import annotations

import pytest

from memrl.algos.role_baseline import role_advantages


def test_advantages_use_the_baseline_from_before():
    advantages, after = role_advantages([1.0, 0.0], 0.5)
    assert advantages == [0.5, -0.5]
    assert after == pytest.approx(0.95 * (0.95 * 0.5 + 0.05))


def test_a_first_set_of_rewards_is_judged_by_its_own_mean():
    advantages, after = role_advantages([1.0, 0.0], None)
    assert advantages == [0.5, -0.5]
    assert after == pytest.approx(0.49875)


def test_no_reward_changes_nothing():
    assert role_advantages([], 0.3) == ([], 0.3)
