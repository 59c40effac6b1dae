"""The published advantages of MemAgent, Mem-alpha, UMA and ReMemR1 on numbers done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.group_advantages import EPS
from memrl.algos.stratified import mem_alpha, mem_alpha_rewards, memagent, question_step, uma

ROLLOUT = np.array([0, 0, 0, 1, 2, 2])
"""Three rollouts of three, one and two rows."""


def test_memagent_copies_the_last_answers_advantage_to_every_conversation():
    # Final rewards 1, 0, 0: mean 1/3 over rollouts, though half of the rows are the winner's.
    got = memagent(np.array([1.0, 0.0, 0.0]), ROLLOUT)
    np.testing.assert_allclose(got, [2 / 3, 2 / 3, 2 / 3, -1 / 3, -1 / 3, -1 / 3])


def test_memagent_with_deviation_is_grpo_over_rollouts():
    # Deviation of 1, 0, 0: sqrt((4/9 + 1/9 + 1/9) / 2) = sqrt(1/3).
    got = memagent(np.array([1.0, 0.0, 0.0]), ROLLOUT, with_std=True)
    np.testing.assert_allclose(got[[0, 3]], np.array([2 / 3, -1 / 3]) / (np.sqrt(1 / 3) + EPS))


def test_a_mem_alpha_chunk_earns_two_terms_of_its_rollout_and_two_of_its_own():
    got = mem_alpha_rewards(
        accuracy_G=np.array([0.5, 1.0]),
        memory_tokens_G=np.array([200.0, 500.0]),
        read_tokens_G=np.array([1000.0, 1000.0]),
        rollout_N=np.array([0, 0, 1]),
        tool_success_N=np.array([1.0, 0.5, 0.0]),
        content_N=np.array([1.0, 0.0, 1.0]),
    )
    # 0.5 + 0.05 * 0.8 = 0.54 and 1 + 0.05 * 0.5 = 1.025, then the chunk's own.
    np.testing.assert_allclose(got, [0.54 + 1.0 + 0.1, 0.54 + 0.5, 1.025 + 0.0 + 0.1])


def test_mem_alpha_puts_all_chunks_into_one_group_so_a_longer_rollout_weighs_more():
    # Rows 2, 2, 2, 0: mean 1.5 (over rollouts it would be 1), deviation sqrt((3 * 0.25 + 2.25) / 3) = 1.
    got = mem_alpha(np.array([2.0, 2.0, 2.0, 0.0]))
    np.testing.assert_allclose(got, np.array([0.5, 0.5, 0.5, -1.5]) / (1.0 + EPS))


def test_uma_judges_memory_by_the_mean_of_its_questions_and_answers_one_by_one():
    scores = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])  # an easy question, and a hard one
    strata = uma(scores, with_std=False)
    np.testing.assert_allclose(strata.memory_G, [1 / 3, -1 / 6, -1 / 6])  # means 1, 1/2, 1/2 around 2/3
    np.testing.assert_allclose(strata.answers_GM, [[0.0, 2 / 3], [0.0, -1 / 3], [0.0, -1 / 3]])


def test_uma_standardises_each_stratum_by_its_own_deviation():
    scores = np.array([[1.0, 1.0], [1.0, 0.0]])
    strata = uma(scores)
    # Means 1 and 1/2: deviation sqrt(1/8). The hard question: 1 and 0, deviation sqrt(1/2).
    np.testing.assert_allclose(strata.memory_G, np.array([0.25, -0.25]) / (np.sqrt(1 / 8) + EPS))
    np.testing.assert_allclose(strata.answers_GM[:, 1], np.array([0.5, -0.5]) / (np.sqrt(1 / 2) + EPS))
    assert not strata.answers_GM[:, 0].any()


def test_a_question_that_was_not_asked_counts_for_nothing():
    scores = np.array([[1.0, 9.0], [0.0, 1.0], [0.0, 0.0], [7.0, 7.0]])
    asked = np.array([[True, False], [True, True], [True, True], [False, False]])
    strata = uma(scores, asked, with_std=False)
    np.testing.assert_allclose(strata.memory_G, [0.5, 0.0, -0.5, 0.0])  # means 1, 1/2, 0; the last was asked nothing
    np.testing.assert_allclose(strata.answers_GM[:, 1], [0.0, 0.5, -0.5, 0.0])


@given(st.permutations(range(3)))
def test_the_order_of_rollouts_does_not_matter_to_uma(order):
    scores, order = np.array([[1.0, 0.5], [0.0, 0.25], [0.5, 1.0]]), list(order)
    shuffled, plain = uma(scores[order]), uma(scores)
    np.testing.assert_allclose(shuffled.memory_G, plain.memory_G[order], atol=1e-9)
    np.testing.assert_allclose(shuffled.answers_GM, plain.answers_GM[order], atol=1e-9)


def test_rememr1_mixes_outcome_by_question_with_state_by_question_and_step():
    # Two rollouts of two chunks, outcomes 1 and 0. State rewards at chunk 0: 1, 2; at chunk 1: 3, 0.
    got = question_step(
        np.array([1.0, 0.0]), np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 0.0]), ["c0", "c1", "c0", "c1"]
    )
    np.testing.assert_allclose(got, [0.8 * 0.5 - 0.2 * 0.5, 0.8 * 0.5 + 0.2 * 1.5, -0.4 + 0.1, -0.4 - 0.3])


def test_rememr1_with_deviation_and_a_step_that_only_one_reached():
    got = question_step(
        np.array([1.0, 0.0]), np.array([0, 0, 1]), np.array([1.0, 3.0, 2.0]), ["c0", "c1", "c0"],
        outcome_weight=0.5, with_std=True, lone_keeps_value=True, eps=0.0,
    )  # fmt: skip
    half = np.sqrt(0.5)  # 0.5 / deviation sqrt(0.5)
    np.testing.assert_allclose(got, [0.5 * half - 0.5 * half, 0.5 * half + 0.5 * 3.0, -0.5 * half + 0.5 * half])


def test_an_outcome_weight_above_one_is_refused():
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 1.5"):
        question_step(np.zeros(2), np.array([0, 1]), np.zeros(2), ["a", "a"], outcome_weight=1.5)


@given(st.integers(-20, 20))
def test_a_constant_added_to_all_rewards_changes_nothing(shift):
    finals, state = np.array([1.0, 0.0, 0.5]), np.array([1.0, 0.0, 2.0, 1.0, 0.0, 3.0])
    places = ["a", "b", "c", "a", "a", "b"]
    np.testing.assert_allclose(memagent(finals + shift, ROLLOUT), memagent(finals, ROLLOUT), atol=1e-9)
    np.testing.assert_allclose(mem_alpha(state + shift), mem_alpha(state), atol=1e-9)
    moved = question_step(finals + shift, ROLLOUT, state + shift, places)
    np.testing.assert_allclose(moved, question_step(finals, ROLLOUT, state, places), atol=1e-9)


def test_equal_rewards_give_zeros():
    assert not memagent(np.ones(3), ROLLOUT, with_std=True).any() and not mem_alpha(np.ones(4)).any()
    strata = uma(np.ones((3, 2)))
    assert not strata.memory_G.any() and not strata.answers_GM.any()
