"""Give credit: one number per decision, by the estimator that the config names.

A new estimator is a file in ``memrl/advantages/`` that registers itself in its last line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from memrl.advantages.clock import by_step
from memrl.advantages.contract import Advantages, Scene, Serves, served_by
from memrl.advantages.critic import has_critic, value_at_cut
from memrl.advantages.rows import to_go_of
from memrl.contracts.capabilities import is_passive
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.promised import advantages
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import find, make_options, names
from memrl.contracts.types import End, Episode, Group, TokenDecision, is_policy


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
        isinstance(d, TokenDecision) and d.action_ids and not is_policy(d.actor)
        for g in groups
        for e in g.usable
        for d in e.decisions
    )
    check_estimator_fits(config, agent.task_source, written)
    estimator = find("estimator", config.name, "credit.name")
    scene = Scene(agent, config, make_options(estimator, config.options, "credit.options"))
    credits: list[Credit] = []
    for group in groups:
        if len(group.usable) >= 2:
            counts = [sum(1 for _ in episode.decisions) for episode in group.usable]
            found = advantages(estimator.make, config.name, estimator.make(group.usable, scene), counts)
            credits += map(Credit, group.usable, found, [_to_go(episode, scene) for episode in group.usable])
    return credits


def check_estimator_fits(config: CreditConfig, source: object, written: bool = False) -> None:
    """Whether an estimator is right for a source, before anything is played.

    Args:
        written: whether the controller decides in tokens.

    Raises:
        ConfigError: it is not; the message names one that is.
    """
    serves = served_by(find("estimator", config.name, "credit.name").make)
    if not serves.acting and not is_passive(source):
        env = getattr(source, "name", type(source).__name__)
        way_out = f"{serves.because}, and env {env!r} does not say that actions change nothing shown later"
        raise ConfigError("credit.name", config.name, f"{way_out} (passive = True); use {_those(lambda s: s.acting)}")
    if written and not serves.written:
        others = _those(lambda s: s.written and (s.acting or is_passive(source)))
        raise ConfigError(
            "credit.name", config.name, f"{serves.because}, and this controller decides in tokens; use {others}"
        )


def _those(fit: Callable[[Serves], bool]) -> str:
    """Names of the estimators that serve, as a list to choose from."""
    fitting = [name for name in names("estimator") if fit(served_by(find("estimator", name, "credit.name").make))]
    return f"one of {', '.join(fitting)}"


def _to_go(episode: Episode, scene: Scene) -> Advantages:
    discount = scene.config.discount
    own = to_go_of(episode, discount)
    if episode.end is not End.DONE and has_critic(scene.agent):
        own = own + value_at_cut(episode, scene.agent) * discount ** np.arange(len(own), 0, -1)
    return by_step([episode], [own])[0]
