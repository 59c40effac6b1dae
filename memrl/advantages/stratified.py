"""UMA: memory ops are judged by the mean over all questions, answers question by question (arXiv:2602.18493)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrl.advantages.clock import align, by_place
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.algos.stratified import uma
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves(acting=False, because="it judges an answer by its own reward alone")
def stratified(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Every op of an episode earns one number, every answer its own; both standardised within their stratum.

    A question is an observation of ``wants_action``. Rewards at other observations do not enter, as in the paper.
    """
    clock = align(episodes)
    asked_GT = np.zeros_like(clock.present_GT)
    for g, episode in enumerate(episodes):
        for step in episode.steps:
            asked_GT[g, clock.column_of[step.observation.id]] = step.observation.wants_action
    strata = uma(clock.rewards_GT, asked_GT)
    ops_GT = np.broadcast_to(strata.memory_G[:, None], clock.rewards_GT.shape)
    return by_place(episodes, clock, ops_GT, strata.answers_GM)


register("estimator", "stratified", stratified)
