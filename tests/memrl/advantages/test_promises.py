"""The kit for estimators: all of ours keep its promises, and each kind of breach is told as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from memrl.advantages.contract import Scene, serves
from memrl.contracts.registry import names
from memrl.contracts.types import Episode
from memrl.testing import check_estimator


@pytest.mark.parametrize("name", names("estimator"))
def test_ours_keep_their_promises(name: str):
    check_estimator(name)


def total(episode: Episode) -> float:
    return sum(step.reward for step in episode.steps)


def stamped(episodes: Sequence[Episode], values: Sequence[float]) -> list[np.ndarray]:
    return [np.full(sum(1 for _ in e.decisions), value) for e, value in zip(episodes, values, strict=True)]


def centred(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    mean = np.mean([total(e) for e in episodes])
    return stamped(episodes, [total(e) - mean for e in episodes])


def test_one_of_your_own_may_keep_them_too():
    check_estimator(centred)


def raw(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    return stamped(episodes, [total(e) for e in episodes])


def first_is_best(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    return stamped(episodes, [float(-g) for g in range(len(episodes))])


def own_step(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    """What a policy earned at its own step, against the siblings': nothing for what pays later."""
    rewards = [np.array([step.reward for step in e.steps]) for e in episodes]
    mean = np.mean(rewards, axis=0)
    repeats = [[len(step.decisions) for step in e.steps] for e in episodes]
    return [np.repeat(own - mean, n) for own, n in zip(rewards, repeats, strict=True)]


def no_number(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    return [one * np.nan for one in centred(episodes, scene)]


def one_a_step(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    return [np.zeros(len(e.steps) + 1) for e in episodes]


def upside_down(episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
    return [-one for one in centred(episodes, scene)]


class Moody:
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, episodes: Sequence[Episode], scene: Scene) -> list[np.ndarray]:
        return [one + self.rng.random() for one in centred(episodes, scene)]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (serves(acting=False)(raw), "a reward that all siblings get"),
        (first_is_best, "the order of siblings must not matter"),
        (own_step, "an action must earn what comes after it"),
        (no_number, "finite number"),
        (one_a_step, "one number a decision"),
        (upside_down, "a right answer must earn more"),
        (Moody(), "the same when asked twice"),
    ],
)
def test_a_broken_promise_is_told_as_a_sentence(broken, sentence: str):
    with pytest.raises(AssertionError, match=sentence):
        check_estimator(broken)
