"""Give credit: one number per decision, by the estimator that the config names.

A new estimator is a file in ``memrl/advantages/`` and one line in ``ESTIMATORS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memrl.advantages.answer_likelihood_gain import answer_likelihood_gain
from memrl.advantages.blended import blended
from memrl.advantages.broadcast import broadcast
from memrl.advantages.contract import Advantages, Estimator, Scene
from memrl.advantages.dr_grpo import dr_grpo
from memrl.advantages.fresh_futures import fresh_futures
from memrl.advantages.gae import gae
from memrl.advantages.gigpo import gigpo_memory, gigpo_state
from memrl.advantages.grpo import grpo
from memrl.advantages.leave_one_out import leave_one_out
from memrl.advantages.question_step import question_step
from memrl.advantages.retrieval_tracing import retrieval_tracing
from memrl.advantages.return_to_go import return_to_go
from memrl.advantages.same_state import same_state
from memrl.advantages.stratified import stratified
from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, Group

ESTIMATORS: Mapping[str, Estimator] = {
    "return_to_go": return_to_go,
    "broadcast": broadcast,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "gigpo_state": gigpo_state,
    "gigpo_memory": gigpo_memory,
    "stratified": stratified,
    "question_step": question_step,
    "gae": gae,
    "retrieval_tracing": retrieval_tracing,
    "answer_likelihood_gain": answer_likelihood_gain,
    "same_state": same_state,
    "fresh_futures": fresh_futures,
    "leave_one_out": leave_one_out,
    "blended": blended,
}


class Credit(NamedTuple):
    """The advantages of one episode's decisions."""

    episode: Episode
    advantages: Advantages


def give_credit(groups: Sequence[Group], config: CreditConfig, agent: Agent) -> list[Credit]:
    """Credit for every decision of every usable episode, in order of groups and siblings.

    Args:
        agent: who played these groups. Only estimators that replay ask it anything.
    """
    scene = Scene(agent, config)
    credits: list[Credit] = []
    for group in groups:
        if len(group.usable) >= 2:
            credits += map(Credit, group.usable, ESTIMATORS[config.name](group.usable, scene))
    return credits
