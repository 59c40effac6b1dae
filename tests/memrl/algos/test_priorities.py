"""Weights of replay and rewards of tasks, worked by hand."""

import numpy as np
import pytest

from memrl.algos.priorities import rank_weights, replay_weights, staleness_weights
from memrl.algos.task_reward import INVALID, learnability, normalised, task_reward


def test_rank_weights_fall_with_the_rank_and_not_with_the_score():
    assert np.allclose(rank_weights(np.array([0.1, 0.3]), 0.5), [0.2, 0.8])
    assert np.allclose(rank_weights(np.array([0.0, 99.0]), 0.5), [0.2, 0.8])
    assert np.allclose(rank_weights(np.array([1.0, 1.0, 1.0]), 1.0), np.array([6, 3, 2]) / 11), "the earlier first"
    with pytest.raises(ValueError, match="above 0"):
        rank_weights(np.array([1.0]), 0.0)


def test_staleness_goes_by_age():
    assert np.allclose(staleness_weights(np.array([1.0, 4.0]), 5.0), [0.8, 0.2])
    assert np.allclose(staleness_weights(np.array([5.0, 5.0]), 5.0), [0.5, 0.5])


def test_replay_mixes_the_two():
    mixed = replay_weights(np.array([0.1, 0.3]), np.array([1.0, 4.0]), 5.0, 0.5, 0.2)
    assert np.allclose(mixed, [0.8 * 0.2 + 0.2 * 0.8, 0.8 * 0.8 + 0.2 * 0.2])


def test_success_is_read_between_the_guesser_and_the_best_keeper():
    assert normalised(0.5, 0.1, 0.9) == pytest.approx(0.5)
    assert normalised(0.05, 0.1, 0.9) == 0.0 and normalised(0.95, 0.1, 0.9) == 1.0
    assert normalised(0.5, 0.5, 0.5) == 0.0, "a coin flip is worth nothing"


def test_learnability_is_unbiased_for_its_tries():
    assert learnability(0.5, 8) == pytest.approx(8 / 7 * 0.25)
    assert learnability(0.5, 1) == 0.0


@pytest.mark.parametrize(
    ("q", "tries", "penalty", "reward"),
    [
        (0.25, 4, 0.2, 4 * 4 / 3 * 0.1875 - 0.2),
        (0.5, 8, 0.0, 8 / 7),
        (0.0, 8, 0.7, 0.0),
        (1.0, 8, 0.7, 0.0),
    ],
)
def test_a_valid_task_earns_its_learnability_and_nothing_if_always_or_never_solved(q, tries, penalty, reward):
    assert task_reward(q, tries, penalty) == pytest.approx(reward)


def test_an_invalid_task_costs_half():
    assert INVALID == -0.5
