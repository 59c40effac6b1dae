"""ReMemR1: the outcome by question, and the step's own reward by (question, step) (arXiv:2509.23040)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memrl.advantages.answers import passive
from memrl.advantages.clock import by_step, places
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import totals
from memrl.algos.stratified import question_step as weigh
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionStepOptions:
    """Of the estimator "question_step"."""

    outcome_weight: float = 0.8
    """ReMemR1's alpha: share of the episode's outcome in the advantage."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", outcome_weight="[0, 1]")


@serves()
def question_step(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """``outcome_weight`` of the episode's centred return, the rest of the centred reward at the observation.

    The published state reward is how many words of the right answer the memory holds, which a policy can win by
    stuffing keywords. Here it is what the environment itself pays at that step; where it pays for answers alone,
    ops live on the outcome.
    """
    lengths = [len(episode.steps) for episode in episodes]
    at_N = [place for own in places(episodes, passive(scene)) for place in own]
    rewards_N = np.array([step.reward for episode in episodes for step in episode.steps], dtype=np.float64)
    g_N = np.repeat(np.arange(len(episodes)), lengths)
    values_N = weigh(totals(episodes), g_N, rewards_N, at_N, scene.options.outcome_weight)
    return by_step(episodes, np.split(values_N, np.cumsum(lengths)[:-1]))


register("estimator", "question_step", question_step, QuestionStepOptions)
