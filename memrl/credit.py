"""Give credit: one number per decision, not per episode.

An op earns the rewards that come from its step on (``return_to_go``), an answer earns its own: what is asked
later does not depend on it. Both are judged against the siblings at the same observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.algos.advantages import broadcast, leave_one_out, returns_to_go
from memrl.config import CreditConfig
from memrl.types import Episode, Group, TokenDecision

# Shapes: G siblings, T places of their common clock, D decisions of one episode.


class Credit(NamedTuple):
    """The advantages of one episode's decisions."""

    episode: Episode
    advantages: NDArray[np.float64]
    """[D] in the order in which the decisions were taken."""


class Clock(NamedTuple):
    """Siblings on one time axis: an observation that several of them saw stands in one column."""

    rewards_GT: NDArray[np.float64]
    present_GT: NDArray[np.bool_]
    column_of: dict[str, int]


def give_credit(groups: Sequence[Group], config: CreditConfig) -> list[Credit]:
    """Credit for every decision of every usable episode, in order of groups and siblings."""
    credits: list[Credit] = []
    for group in groups:
        if len(group.usable) >= 2:
            credits += _credit_group(group.usable, config)
    return credits


def align(episodes: Sequence[Episode]) -> Clock:
    """Columns by observation id, in the order of first sight.

    Siblings that an environment led elsewhere share no column there, and so are not compared.
    """
    column_of: dict[str, int] = {}
    for episode in episodes:
        for step in episode.steps:
            column_of.setdefault(step.observation.id, len(column_of))
    rewards = np.zeros((len(episodes), len(column_of)))
    present = np.zeros_like(rewards, dtype=bool)
    for g, episode in enumerate(episodes):
        for step in episode.steps:
            rewards[g, column_of[step.observation.id]] = step.reward
            present[g, column_of[step.observation.id]] = True
    return Clock(rewards, present, column_of)


def _credit_group(episodes: Sequence[Episode], config: CreditConfig) -> list[Credit]:
    clock = align(episodes)
    own_GT = leave_one_out(clock.rewards_GT, clock.present_GT)
    if config.name == "broadcast":
        ops_GT = own_GT = broadcast(clock.rewards_GT, clock.present_GT)
    else:
        ops_GT = leave_one_out(returns_to_go(clock.rewards_GT, config.discount), clock.present_GT)
    credits = []
    for g, episode in enumerate(episodes):
        advantages = [
            (own_GT if isinstance(decision, TokenDecision) else ops_GT)[g, clock.column_of[step.observation.id]]
            for step in episode.steps
            for decision in step.decisions
        ]
        credits.append(Credit(episode, np.array(advantages, dtype=np.float64)))
    return credits
