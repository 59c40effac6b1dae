"""What a controller's value head expects, also where a limit cut an episode off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.protocols import Agent, OfferRequest
from memrl.contracts.types import End, Episode, OfferSet, OpDecision
from memrl.rollouts.replay import memory_after


class Critic(Protocol):
    """What an estimator needs of a controller with a value head."""

    def values(self, offers: Sequence[OfferSet]) -> NDArray[np.float64]:
        """What is to be earned from each moment on, [D], in units of reward."""
        ...


def has_critic(agent: Agent) -> bool:
    """Whether the agent's controller has a value head."""
    return bool(getattr(agent.controller, "has_critic", False))


def values_of(offers: Sequence[OfferSet], agent: Agent) -> NDArray[np.float64]:
    """[D] what the agent's critic expects from each moment on."""
    return cast(Critic, agent.controller).values(offers)


def value_at_cut(episode: Episode, agent: Agent) -> float:
    """What the critic expects from the moment at which a limit cut an episode off; 0 at the task's own ending.

    That moment is what was shown and never played, met with the memory as the episode left it. Where an episode does
    not say what was shown, the critic's value of its last op decision stands for it.

    Raises:
        ValueError: the episode began with another memory than ``agent.new_memory()``.
    """
    if episode.end is End.DONE:
        return 0.0
    if episode.cut is not None and agent.offers is not None:
        moment = OfferRequest(memory_after(episode, agent), episode.cut, reads=episode.cut.wants_action)
        return float(values_of(agent.offers.offers([moment]), agent)[0])
    known = [d.offers for d in episode.decisions if isinstance(d, OpDecision)]
    return float(values_of(known, agent)[-1]) if known else 0.0
