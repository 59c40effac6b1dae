"""Give credit: one number per decision, by the estimator that the config names.

A new estimator is a file in ``memrl/advantages/`` and one line in ``ESTIMATORS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from memrl.advantages.answer_likelihood_gain import answer_likelihood_gain
from memrl.advantages.blended import blended
from memrl.advantages.broadcast import broadcast
from memrl.advantages.clock import by_step
from memrl.advantages.contract import Advantages, Estimator, Scene, served_by
from memrl.advantages.critic import has_critic, value_at_cut
from memrl.advantages.dr_grpo import dr_grpo
from memrl.advantages.fresh_futures import fresh_futures
from memrl.advantages.gae import gae
from memrl.advantages.gigpo import gigpo_memory, gigpo_state
from memrl.advantages.grpo import grpo
from memrl.advantages.leave_one_out import leave_one_out
from memrl.advantages.multi_conversation import multi_conversation
from memrl.advantages.question_step import question_step
from memrl.advantages.retrieval_tracing import retrieval_tracing
from memrl.advantages.return_to_go import return_to_go
from memrl.advantages.rows import to_go_of
from memrl.advantages.same_state import same_state
from memrl.advantages.stratified import stratified
from memrl.contracts.capabilities import is_passive
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import End, Episode, Group, TokenDecision, is_policy

ESTIMATORS: Mapping[str, Estimator] = {
    "return_to_go": return_to_go,
    "broadcast": broadcast,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "multi_conversation": multi_conversation,
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
    to_go: Advantages
    """[D] what each decision had still to earn, its own step's reward included, discounted by ``credit.discount`` a
    step: what a critic learns to expect. Where a limit cut the episode off it goes on with what the critic expects."""


def give_credit(groups: Sequence[Group], config: CreditConfig, agent: Agent) -> list[Credit]:
    """Credit for every decision of every usable episode, in order of groups and siblings.

    Args:
        agent: who played these groups. Only estimators that replay ask it anything.

    Raises:
        ConfigError: the estimator does not serve this source, or a controller that decides in tokens.
    """
    written = any(
        isinstance(d, TokenDecision) and not is_policy(d.actor) for g in groups for e in g.usable for d in e.decisions
    )
    check_estimator_fits(config, agent.task_source, written)
    scene = Scene(agent, config)
    credits: list[Credit] = []
    for group in groups:
        if len(group.usable) >= 2:
            found = ESTIMATORS[config.name](group.usable, scene)
            credits += map(Credit, group.usable, found, [_to_go(episode, scene) for episode in group.usable])
    return credits


def check_estimator_fits(config: CreditConfig, source: object, written: bool = False) -> None:
    """Whether an estimator is right for a source, before anything is played.

    Args:
        written: whether the controller decides in tokens.

    Raises:
        ConfigError: it is not; the message names one that is.
    """
    serves, name = served_by(ESTIMATORS[config.name]), getattr(source, "name", type(source).__name__)
    if not serves.acting and not is_passive(source):
        others = ", ".join(other for other, estimator in ESTIMATORS.items() if served_by(estimator).acting)
        raise ConfigError(
            "credit.name", config.name,
            f"{serves.because}, and in env {name!r} actions may change what follows (it does not say passive = True); "
            f"use one of {others}",
        )  # fmt: skip
    if written and not serves.written:
        others = ", ".join(
            other
            for other, estimator in ESTIMATORS.items()
            if served_by(estimator).written and (served_by(estimator).acting or is_passive(source))
        )
        raise ConfigError(
            "credit.name", config.name,
            f"{serves.because}, and this controller decides in tokens; use one of {others}",
        )  # fmt: skip


def _to_go(episode: Episode, scene: Scene) -> Advantages:
    discount = scene.config.discount
    own = to_go_of(episode, discount)
    if episode.end is not End.DONE and has_critic(scene.agent):
        own = own + value_at_cut(episode, scene.agent) * discount ** np.arange(len(own), 0, -1)
    return by_step([episode], [own])[0]
