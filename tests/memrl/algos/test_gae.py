"""Generalised advantages against sums by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.advantages import returns_to_go
from memrl.algos.gae import gae

REWARDS, VALUES = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.5])
NUMBERS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=8)


def test_three_places_by_hand():
    # deltas at discount 0.5: 0 + 1 - 1 = 0;  1 + 0.75 - 2 = -0.25;  2 + 0 - 1.5 = 0.5;  carried on by 0.5 * 0.8 = 0.4
    expected = [0.0 + 0.4 * -0.05, -0.25 + 0.4 * 0.5, 0.5]
    np.testing.assert_allclose(gae(REWARDS, VALUES, bootstrap=0.0, discount=0.5, lam=0.8), expected)


def test_lambda_zero_is_the_one_step_error():
    np.testing.assert_allclose(gae(REWARDS, VALUES, bootstrap=0.0, lam=0.0), [1.0, 0.5, 0.5])


def test_an_episode_that_was_cut_off_goes_on_at_the_value_of_what_came_next():
    # The last delta grows by 0.5 * 4 = 2; one place earlier by 0.4 * 2, two places by 0.16 * 2.
    ended = gae(REWARDS, VALUES, bootstrap=0.0, discount=0.5, lam=0.8)
    cut = gae(REWARDS, VALUES, bootstrap=4.0, discount=0.5, lam=0.8)
    np.testing.assert_allclose(cut - ended, [0.32, 0.8, 2.0])


@given(NUMBERS, st.sampled_from([0.5, 0.9, 1.0]))
def test_lambda_one_is_the_return_to_go_minus_the_value(pairs, discount):
    rewards, values = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    got = gae(rewards, values, bootstrap=0.0, discount=discount, lam=1.0)
    np.testing.assert_allclose(got, returns_to_go(rewards, discount) - values, atol=1e-9)


@given(NUMBERS, st.sampled_from([0.0, 0.5, 1.0]))
def test_a_critic_that_is_right_leaves_no_advantage(pairs, lam):
    rewards = np.array([float(r) for r, _ in pairs])
    np.testing.assert_allclose(gae(rewards, returns_to_go(rewards), bootstrap=0.0, lam=lam), 0.0, atol=1e-9)


def test_no_places_give_no_advantages():
    assert gae(np.zeros(0), np.zeros(0), bootstrap=0.0).shape == (0,)


def test_the_inputs_are_left_as_they_were():
    rewards, values = REWARDS.copy(), VALUES.copy()
    gae(rewards, values, bootstrap=1.0)
    assert rewards.tolist() == REWARDS.tolist() and values.tolist() == VALUES.tolist()


@pytest.mark.parametrize(("discount", "lam"), [(0.0, 0.5), (1.1, 0.5), (1.0, -0.1), (1.0, 1.1)])
def test_numbers_out_of_range_are_refused(discount, lam):
    with pytest.raises(ValueError, match="discount in"):
        gae(REWARDS, VALUES, 0.0, discount, lam)


def test_a_missing_value_is_refused():
    with pytest.raises(ValueError, match=r"one shape \[T\]"):
        gae(REWARDS, VALUES[:2], 0.0)


def test_places_several_steps_apart_are_discounted_by_all_of_them():
    # Two steps to the next place, three to the end: 1 + 1/4 * 2 - 0 = 1.5; 0 + 1/8 * 8 - 2 = -1, carried by 1/4 * 1/2.
    got = gae(np.array([1.0, 0.0]), np.array([0.0, 2.0]), 8.0, 0.5, 0.5, np.array([2, 3]))
    assert got.tolist() == [1.5 - 1 / 8, -1.0]


@pytest.mark.parametrize("steps", [[1], [1, -1]])
def test_steps_that_no_episode_has_are_refused(steps):
    with pytest.raises(ValueError, match="none negative"):
        gae(np.zeros(2), np.zeros(2), 0.0, steps_T=np.array(steps))
