"""Group-relative advantages by hand, and the bias of a baseline by turn index, by exact enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.advantages import leave_one_out, returns_to_go
from memrl.algos.group_advantages import RoleBaseline, centred, leave_one_out_by_key, relative, standardised

RULES = [centred, standardised, leave_one_out_by_key]
ROWS = st.lists(st.tuples(st.integers(-8, 8), st.sampled_from("ab")), min_size=1, max_size=10)


def test_dr_grpo_centres_each_group_by_its_own_mean():
    values = np.array([1.0, 0.0, 5.0, 0.0, 3.0])  # group a: 1, 0, 0 (mean 1/3); group b: 5, 3 (mean 4)
    np.testing.assert_allclose(centred(values, ["a", "a", "b", "a", "b"]), [2 / 3, -1 / 3, 1.0, -1 / 3, -1.0])


def test_grpo_divides_by_the_sample_deviation():
    values = np.array([1.0, 2.0, 3.0, 4.0])  # mean 2.5, deviation sqrt((2.25 + 0.25) * 2 / 3) = sqrt(5 / 3)
    expected = np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(5 / 3)
    np.testing.assert_allclose(standardised(values, ["q"] * 4, eps=0.0), expected)


def test_the_eps_is_added_to_the_deviation():
    values = np.array([0.0, 2.0])  # deviation sqrt(2)
    np.testing.assert_allclose(standardised(values, ["q", "q"], eps=0.5), np.array([-1.0, 1.0]) / (np.sqrt(2) + 0.5))


def test_rloo_by_key_judges_one_winner_of_three_against_the_other_two():
    values = np.array([1.0, 0.0, 0.0, 9.0])
    np.testing.assert_allclose(leave_one_out_by_key(values, ["a", "a", "a", "b"]), [1.0, -0.5, -0.5, 0.0])


def test_who_stands_alone_gets_nothing_unless_asked_for():
    values, keys = np.array([3.0, 1.0, 0.0]), ["alone", "pair", "pair"]
    np.testing.assert_allclose(relative(values, keys, with_std=False), [0.0, 0.5, -0.5])
    np.testing.assert_allclose(relative(values, keys, with_std=False, lone_keeps_value=True), [3.0, 0.5, -0.5])
    np.testing.assert_allclose(relative(values, keys, with_std=True, eps=0.5, lone_keeps_value=True)[0], 2.0)


@pytest.mark.parametrize("rule", RULES)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_the_order_of_siblings_does_not_matter(rule, rows, seed):
    values, keys = np.array([float(v) for v, _ in rows]), [key for _, key in rows]
    order = np.random.default_rng(seed).permutation(len(rows))
    np.testing.assert_allclose(rule(values[order], [keys[i] for i in order]), rule(values, keys)[order], atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@given(rows=ROWS, shift=st.integers(-50, 50))
def test_a_constant_added_to_all_changes_nothing(rule, rows, shift):
    values, keys = np.array([float(v) for v, _ in rows]), [key for _, key in rows]
    np.testing.assert_allclose(rule(values + shift, keys), rule(values, keys), atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_equal_returns_give_zeros(rule):
    assert not rule(np.full(4, 0.5), ["q"] * 4).any()


def test_equal_returns_give_zeros_also_without_an_eps():
    assert standardised(np.ones(3), ["q"] * 3, eps=0.0).tolist() == [0.0, 0.0, 0.0]


@given(rows=ROWS)
def test_rloo_is_dr_grpo_times_n_over_n_minus_one(rows):
    values, keys = np.array([float(v) for v, _ in rows]), [key for _, key in rows]
    n = np.array([keys.count(key) for key in keys])
    scale = n / np.maximum(n - 1, 1)
    np.testing.assert_allclose(leave_one_out_by_key(values, keys), centred(values, keys) * scale, atol=1e-9)


def test_a_key_too_few_is_refused():
    with pytest.raises(ValueError, match="one key a value, got 1 keys"):
        centred(np.zeros(2), ["a"])


# The baseline per role


def test_a_roles_first_return_is_judged_by_zero_and_the_next_by_the_average():
    baseline = RoleBaseline(decay=0.5)
    # white: 1 - 0, then b = 0.5: 1 - 0.5, then b = 0.75.  black: -1 - 0, then b = -0.5.
    got = baseline.advantages(np.array([1.0, -1.0, 1.0]), ["white", "black", "white"])
    np.testing.assert_allclose(got, [1.0, -1.0, 0.5])
    assert baseline.mean("white") == 0.75 and baseline.mean("black") == -0.5 and baseline.mean("nobody") == 0.0


def test_a_seat_that_wins_by_its_advantage_alone_ends_with_no_advantage():
    baseline = RoleBaseline(decay=0.95)
    first = baseline.advantages(np.ones(400), ["first mover"] * 400)
    assert first[0] == 1.0 and abs(first[-1]) < 1e-8


def test_a_restored_baseline_goes_on_as_the_first_would_have():
    returns, roles = np.array([0.3, -0.2, 0.7, 1.0]), ["a", "b", "a", "b"]
    whole, before, after = RoleBaseline(), RoleBaseline(), RoleBaseline()
    expected = whole.advantages(returns, roles)
    first = before.advantages(returns[:2], roles[:2])
    after.load_state_dict(before.state_dict())
    assert np.concatenate([first, after.advantages(returns[2:], roles[2:])]).tolist() == expected.tolist()


def test_a_decay_of_one_and_a_missing_role_are_refused():
    with pytest.raises(ValueError, match="decay in"):
        RoleBaseline(decay=1.0)
    with pytest.raises(ValueError, match="one role a return"):
        RoleBaseline().advantages(np.zeros(2), ["a"])


# Why there is no baseline by turn index: a chain on which the policy may stop early. First decision: go on with
# probability P, or stop and earn SAFE. Second, only for who went on: good with probability Q and earn 1, or earn 0.

P, Q, SAFE, SIBLINGS = 0.6, 0.7, 0.5, 3
PATHS = {  # rewards [2], present [2], score d log pi / d logit of both decisions [2], probability
    "stop": ((SAFE, 0.0), (True, False), (-P, 0.0), 1 - P),
    "good": ((0.0, 1.0), (True, True), (1 - P, 1 - Q), P * Q),
    "bad": ((0.0, 0.0), (True, True), (1 - P, -Q), P * (1 - Q)),
}
TRUE_GRADIENT = np.array([P * (1 - P) * (Q - SAFE), P * Q * (1 - Q)])  # of J = (1 - P) SAFE + P Q


def expected_gradient(advantages_of) -> np.ndarray:
    """Mean over all groups of siblings, each weighted by its probability, of the summed gradient per sibling."""
    total = np.zeros(2)
    for group in product(PATHS.values(), repeat=SIBLINGS):
        rewards, present = np.array([p[0] for p in group]), np.array([p[1] for p in group])
        scores = np.array([p[2] for p in group])
        total += np.prod([p[3] for p in group]) * (advantages_of(rewards, present) * scores).mean(axis=0)
    return total


def by_turn_index(rewards_GT, present_GT):
    """Rewards judged against the mean reward at the same turn index, then summed over the turns still to come."""
    judged = np.zeros_like(rewards_GT)
    for t in range(rewards_GT.shape[1]):
        there = present_GT[:, t]
        judged[there, t] = leave_one_out_by_key(rewards_GT[there, t], [t] * int(there.sum()))
    return returns_to_go(judged)


def by_observation(rewards_GT, present_GT):
    return leave_one_out(returns_to_go(rewards_GT), present_GT)


def test_a_baseline_by_turn_index_teaches_to_stop_where_going_on_is_better():
    assert TRUE_GRADIENT[0] > 0  # going on is worth 0.7, stopping 0.5
    biased = expected_gradient(by_turn_index)
    # Whoever went on has the second turn's mean taken off again, so going on seems to be worth its first reward: 0.
    np.testing.assert_allclose(biased[0], P * (1 - P) * (0.0 - SAFE))
    assert biased[0] < 0


def test_leave_one_out_at_the_same_observation_has_no_bias_at_the_decision_to_stop():
    np.testing.assert_allclose(expected_gradient(by_observation)[0], TRUE_GRADIENT[0])


def test_later_decisions_keep_their_direction_and_lose_only_the_tries_that_nobody_stood_beside():
    met_somebody = 1 - (1 - P) ** (SIBLINGS - 1)
    np.testing.assert_allclose(expected_gradient(by_observation)[1], TRUE_GRADIENT[1] * met_somebody)


def test_a_mean_that_contains_its_own_sample_shrinks_late_turns_more():
    def centred_by_place(rewards_GT, present_GT):
        to_go, out = returns_to_go(rewards_GT), np.zeros_like(rewards_GT)
        for t in range(2):
            there = present_GT[:, t]
            out[there, t] = centred(to_go[there, t], [t] * int(there.sum()))
        return out

    shrink = expected_gradient(centred_by_place) / TRUE_GRADIENT
    # First turn: always three, (3 - 1) / 3. Second: 2/3 with two others there, 1/2 with one, 0 alone.
    np.testing.assert_allclose(shrink, [2 / 3, P**2 * 2 / 3 + 2 * P * (1 - P) / 2])
