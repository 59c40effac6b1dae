"""GiGPO by hand: an episode's share and a state's share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.state_groups import state_groups

# Two episodes, returns 1 and 0. The first passes the hall twice; both start in the hall; the cellar is seen once.
TOTALS = np.array([1.0, 0.0])
EPISODE = np.array([0, 0, 0, 1])
TO_GO = np.array([0.81, 0.9, 1.0, 0.0])
STATES = ["hall", "cellar", "hall", "hall"]


def test_an_episodes_share_and_a_states_share_add_up():
    # Episodes: 1 - 0.5 and 0 - 0.5. Hall: 0.81, 1, 0 with mean 0.603333; the cellar has nobody to compare with.
    mean = 1.81 / 3
    expected = [0.5 + 2 * (0.81 - mean), 0.5, 0.5 + 2 * (1.0 - mean), -0.5 - 2 * mean]
    np.testing.assert_allclose(state_groups(TOTALS, EPISODE, TO_GO, STATES, weight=2.0), expected)


def test_with_the_deviation_both_shares_are_standardised():
    totals, to_go = np.array([3.0, 1.0]), np.array([4.0, 0.0])  # deviations sqrt(2) and sqrt(8)
    got = state_groups(totals, np.array([0, 1]), to_go, ["s", "s"], weight=1.0, with_std=True, eps=0.0)
    np.testing.assert_allclose(got, [np.sqrt(0.5) + np.sqrt(0.5), -2 * np.sqrt(0.5)])


def test_without_step_weight_it_is_dr_grpo():
    np.testing.assert_allclose(state_groups(TOTALS, EPISODE, TO_GO, STATES, weight=0.0), [0.5, 0.5, 0.5, -0.5])


def test_a_memory_in_the_key_parts_those_who_remember_different_things():
    keys = [("hall", "empty"), ("cellar", "empty"), ("hall", "key"), ("hall", "empty")]
    # Only the two with an empty memory are compared: 0.81 and 0, mean 0.405.
    np.testing.assert_allclose(state_groups(TOTALS, EPISODE, TO_GO, keys), [0.905, 0.5, 0.5, -0.905])


@given(st.permutations(range(4)))
def test_the_order_of_rows_does_not_matter(order):
    order = list(order)
    shuffled = state_groups(TOTALS, EPISODE[order], TO_GO[order], [STATES[n] for n in order])
    np.testing.assert_allclose(shuffled, state_groups(TOTALS, EPISODE, TO_GO, STATES)[order], atol=1e-12)


@given(st.integers(-9, 9))
def test_a_constant_added_to_all_returns_changes_nothing(shift):
    moved = state_groups(TOTALS + shift, EPISODE, TO_GO + shift, STATES)
    np.testing.assert_allclose(moved, state_groups(TOTALS, EPISODE, TO_GO, STATES), atol=1e-9)


def test_equal_returns_give_zeros():
    assert not state_groups(np.ones(2), EPISODE, np.ones(4), STATES, with_std=True).any()


def test_a_negative_weight_and_a_missing_state_are_refused():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        state_groups(TOTALS, EPISODE, TO_GO, STATES, weight=-1.0)
    with pytest.raises(ValueError, match="one episode a state"):
        state_groups(TOTALS, EPISODE, TO_GO, STATES[:3])
