"""Advantages against sums that can be done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.advantages import broadcast, leave_one_out, returns_to_go


def test_a_return_to_go_sums_what_is_still_to_come():
    np.testing.assert_allclose(returns_to_go(np.array([1.0, 0.0, 2.0])), [3.0, 2.0, 2.0])


def test_discounting_halves_a_reward_for_each_step_that_it_lies_ahead():
    np.testing.assert_allclose(returns_to_go(np.array([0.0, 0.0, 4.0]), discount=0.5), [1.0, 2.0, 4.0])


def test_one_winner_of_four_is_judged_against_the_other_three():
    values = np.array([[1.0], [0.0], [0.0], [0.0]])
    third = 1.0 / 3.0  # a loser's others: one winner of three
    np.testing.assert_allclose(leave_one_out(values)[:, 0], [1.0, -third, -third, -third])


def test_who_was_not_there_neither_gets_credit_nor_counts_in_the_baseline():
    values = np.array([[1.0, 5.0], [0.0, 0.0], [0.5, 0.0]])
    present = np.array([[True, True], [True, False], [False, False]])
    np.testing.assert_allclose(leave_one_out(values, present), [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])


def test_broadcast_stamps_the_episode_on_every_step():
    rewards = np.array([[1.0, 1.0], [0.0, 1.0]])  # totals 2 and 1
    np.testing.assert_allclose(broadcast(rewards), [[1.0, 1.0], [-1.0, -1.0]])


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8))
def test_leave_one_out_is_the_centred_value_times_g_over_g_minus_one(values):
    column = np.array(values)[:, None]
    g = len(values)
    np.testing.assert_allclose(leave_one_out(column), (column - column.mean()) * g / (g - 1), atol=1e-9)


def test_a_group_of_one_is_refused():
    with pytest.raises(ValueError, match="G >= 2"):
        leave_one_out(np.zeros((1, 3)))


def test_a_discount_of_zero_is_refused():
    with pytest.raises(ValueError, match="discount"):
        returns_to_go(np.zeros(3), discount=0.0)


def test_a_per_turn_baseline_would_be_biased_where_the_policy_can_stop_early():
    """Two siblings go on, one stops. By turn index, the one that stopped would be compared with nobody's later turns;
    aligned by presence, the absent sibling leaves the others' baseline alone."""
    rewards = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    present = np.array([[True, True], [True, True], [True, False]])
    aligned = leave_one_out(returns_to_go(rewards), present)
    by_turn_index = leave_one_out(returns_to_go(rewards))
    assert aligned[0, 1] == 1.0
    assert aligned[2, 1] == 0.0
    assert by_turn_index[2, 1] == -0.5  # blamed for a turn that it never took
