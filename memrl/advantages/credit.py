"""Give credit: one number per decision, by the estimator that the config names.

A new estimator is a file in ``memrl/advantages/`` that registers itself in its last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from memrl.advantages.contract import Advantages, Scene
from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import find, make_options
from memrl.contracts.types import Episode, Group


class Credit(NamedTuple):
    """The advantages of one episode's decisions."""

    episode: Episode
    advantages: Advantages


def give_credit(groups: Sequence[Group], config: CreditConfig, agent: Agent) -> list[Credit]:
    """Credit for every decision of every usable episode, in order of groups and siblings.

    Args:
        agent: who played these groups. Only estimators that replay ask it anything.
    """
    estimator = find("estimator", config.name, "credit.name")
    scene = Scene(agent, config, make_options(estimator, config.options, "credit.options"))
    credits: list[Credit] = []
    for group in groups:
        if len(group.usable) >= 2:
            credits += map(Credit, group.usable, estimator.make(group.usable, scene))
    return credits
