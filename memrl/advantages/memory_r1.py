"""Memory-R1: an op is one step, worth what a frozen answerer makes of the memory it leaves (arXiv:2508.19828)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from memrl.advantages.answers import passive
from memrl.advantages.clock import PerStep, places
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.algos.group_advantages import standardised
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import Episode, is_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryR1Options:
    """Of the estimator "memory_r1"."""

    questions: int = 1
    """Answers after an op that judge it. What is asked later than that does not count: the op is an episode of one
    step."""
    same_memory: bool = False
    """True compares ops on one and the same memory alone, as in the paper, where all tries at an op begin with it; who
    is alone with his memory then learns nothing. False compares at the same observation."""
    train_answers: bool = True
    """False leaves the answers as they are, which is the paper's first stage; the second trains them alone."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", questions="[1, inf)")


@serves(acting=False, because="it judges an op by the next answers and an answer by its own reward")
def memory_r1(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Mean reward of the next answers for an op, the own reward for an answer; each standardised in its group (GRPO).

    The published reward is whether the answer matches exactly; here it is what the environment pays for it. The
    answerer is the policy as it played: with another op between this one and the question, it read what both left.
    """
    keys: list[Hashable] = []
    values: list[float] = []
    silent: list[bool] = []
    for episode, where in zip(episodes, places(episodes, passive(scene)), strict=True):
        following = next_answers(episode, scene.options.questions)
        for t, step in enumerate(episode.steps):
            for decision in step.decisions:
                answers = is_policy(decision.actor)
                held = decision.memory_hash if scene.options.same_memory and not answers else ""
                keys.append((where[t], decision.actor, held))
                values.append(step.reward if answers else float(following[t]))
                silent.append(answers and not scene.options.train_answers)
    found_N = np.where(silent, 0.0, standardised(np.array(values, dtype=np.float64), keys))
    counts = [sum(1 for _ in episode.decisions) for episode in episodes]
    return np.split(found_N, np.cumsum(counts)[:-1])


def next_answers(episode: Episode, most: int) -> PerStep:
    """[S] mean reward of the first ``most`` questions from each step on; 0 where nothing is asked any more."""
    found = np.zeros(len(episode.steps))
    ahead: list[float] = []
    for t in range(len(episode.steps) - 1, -1, -1):
        step = episode.steps[t]
        if step.observation.wants_action:
            ahead = [step.reward, *ahead][:most]
        found[t] = np.mean(ahead) if ahead else 0.0
    return found


register("estimator", "memory_r1", memory_r1, MemoryR1Options)
