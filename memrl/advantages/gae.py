"""Generalised advantage estimation, with the siblings as the critic (Schulman et al. 2016, arXiv:1506.02438)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.answers import answer_advantages
from memrl.advantages.clock import Clock, align, by_place
from memrl.advantages.contract import Advantages, Scene
from memrl.advantages.gains import OpAt, ops, with_ops
from memrl.advantages.rows import columns, on_clock
from memrl.algos.advantages import leave_one_out
from memrl.algos.gae import gae as along_episode
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import End, Episode

# Shapes: G siblings, T places of their common clock.


@dataclass(frozen=True, slots=True, kw_only=True)
class GaeOptions:
    """Of the estimator "gae"."""

    gae_lambda: float = 0.95
    """1 trusts the episode's own return, 0 the siblings' at the next step."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", gae_lambda="[0, 1]")


def gae(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Ops by GAE over the observations of their episode, answers by their own reward against the siblings'.

    With the scorer's ``critic`` the value head says what to expect at each op decision, and the rewards up to the next
    decision are one reward. Without it, the value of an observation is the mean return-to-go of the *other* siblings
    there, so no sample stands in its own baseline; who was alone there has his own return for a value, and passes it
    on. Then ``gae_lambda = 1`` is ``return_to_go`` exactly; lower values trust the siblings sooner, and so the
    memory that *they* had.
    """
    if getattr(scene.agent.controller, "has_critic", False):
        return _by_critic(episodes, scene)
    config = scene.config
    clock = align(episodes)
    to_go_GT = on_clock(episodes, clock, config.discount)
    values_GT = to_go_GT - leave_one_out(to_go_GT, clock.present_GT)
    ops_GT = np.zeros_like(to_go_GT)
    for g, episode in enumerate(episodes):
        at = columns(episode, clock)
        bootstrap = _value_after(g, episodes, clock, to_go_GT)
        ops_GT[g, at] = along_episode(
            clock.rewards_GT[g, at], values_GT[g, at], bootstrap, config.discount, scene.options.gae_lambda
        )
    return by_place(episodes, clock, ops_GT, answer_advantages(episodes, clock, scene))


def _value_after(g: int, episodes: Sequence[Episode], clock: Clock, to_go_GT: NDArray[np.float64]) -> float:
    """What the siblings earned after the observation at which a limit cut this episode off.

    0 at the task's own ending, and where no sibling got further: then nobody knows.
    """
    episode = episodes[g]
    if episode.end is End.DONE or not episode.steps:
        return 0.0
    last = episode.steps[-1].observation.id
    beyond = [
        to_go_GT[h, clock.column_of[after.observation.id]]
        for h, other in enumerate(episodes)
        for before, after in zip(other.steps, other.steps[1:], strict=False)
        if before.observation.id == last
    ]
    return float(np.mean(beyond)) if beyond else 0.0


def _by_critic(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    advantages: dict[OpAt, float] = {}
    for g, episode in enumerate(episodes):
        own = [(at, decision) for at, decision in ops([episode], kept=True)]
        if own:
            values_D = scene.agent.controller.values([decision.offers for _, decision in own])  # pyright: ignore[reportAttributeAccessIssue]
            starts = [at.site.step for at, _ in own]
            bootstrap = 0.0 if episode.end is End.DONE else float(values_D[-1])
            discount, lam = scene.config.discount, scene.options.gae_lambda
            found_D = along_episode(_between(episode, starts), values_D, bootstrap, discount, lam)
            advantages.update((OpAt(g, at.site), float(a)) for (at, _), a in zip(own, found_D, strict=True))
    return with_ops(episodes, advantages, scene)


def _between(episode: Episode, starts: Sequence[int]) -> NDArray[np.float64]:
    """[D] rewards from each decision's step up to the next decision's; all of a step's go to its last decision."""
    paid = np.concatenate([[0.0], np.cumsum([step.reward for step in episode.steps])])
    ends = [*starts[1:], len(episode.steps)]
    return np.array([paid[end] - paid[start] for start, end in zip(starts, ends, strict=True)])


register("estimator", "gae", gae, GaeOptions)
