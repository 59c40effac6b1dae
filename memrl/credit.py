"""Give credit: one number per decision, by the estimator that the config names.

A new estimator is a file in ``memrl/credits/`` and one line in ``ESTIMATORS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memrl.config import CreditConfig
from memrl.credits.broadcast import broadcast
from memrl.credits.contract import Advantages, Estimator, Scene
from memrl.credits.return_to_go import return_to_go
from memrl.protocols import Agent
from memrl.types import Episode, Group

ESTIMATORS: Mapping[str, Estimator] = {"return_to_go": return_to_go, "broadcast": broadcast}


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
