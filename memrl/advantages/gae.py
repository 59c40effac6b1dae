"""Generalised advantage estimation, with the siblings as the critic (Schulman et al. 2016, arXiv:1506.02438)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.answers import passive, with_answers
from memrl.advantages.clock import PerStep, expected, places
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.critic import has_critic, value_at_cut, values_of
from memrl.advantages.gains import OpAt, ops, with_ops
from memrl.advantages.rows import to_go_of
from memrl.algos.gae import gae as along_episode
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import End, Episode, OpDecision, TokenDecision

# Shapes: D op decisions of one episode.


@dataclass(frozen=True, slots=True, kw_only=True)
class GaeOptions:
    """Of the estimator "gae"."""

    gae_lambda: float = 0.95
    """1 trusts the episode's own return, 0 the siblings' at the next step."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", gae_lambda="[0, 1]")


@serves()
def gae(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Decisions by GAE over the steps of their episode; an answer in a passive source by its own reward.

    With the scorer's ``critic`` the value head says what to expect at each op decision, and the rewards up to the next
    decision, discounted step by step, are one reward; an episode that a limit cut off goes on with what it expects
    there. Without it, and for whoever decides in tokens, the value of a step is the mean return-to-go of the *other*
    siblings at its place, so no sample stands in its own baseline; who was alone there has his own return for a value,
    and passes it on. Then ``gae_lambda = 1`` is ``return_to_go`` exactly; lower values trust the siblings sooner, and
    so the memory that *they* had.
    """
    by_siblings = with_answers(episodes, _by_siblings(episodes, scene), scene)
    if not has_critic(scene.agent):
        return by_siblings
    found = with_ops(episodes, _by_critic(episodes, scene), by_siblings)
    in_tokens = [np.array([isinstance(d, TokenDecision) for d in one.decisions], dtype=bool) for one in episodes]
    return [np.where(*one) for one in zip(in_tokens, by_siblings, found, strict=True)]


def _by_siblings(episodes: Sequence[Episode], scene: Scene) -> list[PerStep]:
    config = scene.config
    to_go = [to_go_of(episode, config.discount) for episode in episodes]
    values = expected(episodes, to_go, passive(scene))
    beyond = _values_beyond(episodes, to_go, passive(scene))
    return [
        along_episode(_rewards(episode), own, after, config.discount, scene.options.gae_lambda)
        for episode, own, after in zip(episodes, values, beyond, strict=True)
    ]


def _values_beyond(episodes: Sequence[Episode], to_go: Sequence[PerStep], passive: bool) -> list[float]:
    """What the siblings earned after the place at which a limit cut each episode off.

    0 at the task's own ending, and where no sibling got further: then nobody knows.
    """
    where = places(episodes, passive)
    found = []
    for g, episode in enumerate(episodes):
        beyond = [
            to_go[h][t + 1]
            for h, other in enumerate(where)
            for t, place in enumerate(other[:-1])
            if episode.end is not End.DONE and episode.steps and place == where[g][-1]
        ]
        found.append(float(np.mean(beyond)) if beyond else 0.0)
    return found


def _by_critic(episodes: Sequence[Episode], scene: Scene) -> dict[OpAt, float]:
    config, advantages = scene.config, {}
    for g, episode in enumerate(episodes):
        own = [(at, decision) for at, decision in ops([episode], kept=True) if isinstance(decision, OpDecision)]
        if own:
            starts = [at.site.step for at, _ in own]
            found_D = along_episode(
                _between(episode, starts, config.discount),
                values_of([decision.offers for _, decision in own], scene.agent),
                value_at_cut(episode, scene.agent),
                config.discount,
                scene.options.gae_lambda,
                np.diff([*starts, len(episode.steps)]),
            )
            advantages.update((OpAt(g, at.site), float(a)) for (at, _), a in zip(own, found_D, strict=True))
    return advantages


def _between(episode: Episode, starts: Sequence[int], discount: float) -> NDArray[np.float64]:
    """[D] rewards from each decision's step up to the next decision's, each discounted by the steps until it came.

    All of a step's go to its last decision.
    """
    rewards = _rewards(episode)
    ends = [*starts[1:], len(rewards)]
    return np.array(
        [rewards[start:end] @ discount ** np.arange(end - start) for start, end in zip(starts, ends, strict=True)]
    )


def _rewards(episode: Episode) -> PerStep:
    return np.array([step.reward for step in episode.steps], dtype=np.float64)


register("estimator", "gae", gae, GaeOptions)
