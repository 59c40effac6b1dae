"""Same-state re-rollout (Memory-R2, arXiv:2605.21768): the rest of the episode played afresh, with the op and without.

The dearest estimator and the only one that lets the controller decide anew. With many continuations it becomes the
ground truth of ``benchmarks/credit_truth.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gains import GainOptions, OpAt, from_gains, ops
from memrl.contracts.checks import check
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import register
from memrl.contracts.types import Decision, End, Episode, OpDecision
from memrl.rollouts.continuation import continue_episode, total
from memrl.rollouts.play import Play
from memrl.rollouts.replay import tape
from memrl.rollouts.scheduler import play_all

KEEP = 0
"""Its index among any offers."""
CONCURRENCY = 1024
"""Continuations that play at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions(GainOptions):
    """Of an estimator that plays on from a decision."""

    rollouts: int = 4
    """Continuations with an op, and as many without it."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", rollouts="[1, inf)", sibling_baseline="[0, 1]")


@serves(baseline="keep")
def same_state(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Mean return of ``rollouts`` continuations with an op minus as many with Keep in its place.

    The two sides share their random numbers, continuation by continuation. Policies act anew in them as well, so it
    serves sources in which actions change what follows; what policies themselves earn is their return-to-go.
    """
    taken = list(ops(episodes))
    branches = [Branch(at, index) for at, decision in taken for index in (taken_index(decision), KEEP)]
    rollouts, discount = scene.options.rollouts, scene.config.discount
    means = mean_returns(episodes, branches, scene.agent, rollouts, discount).reshape(-1, 2)
    gains = (means[:, 0] - means[:, 1]).tolist()
    return from_gains(episodes, dict(zip((at for at, _ in taken), gains, strict=True)), scene)


def taken_index(decision: Decision) -> int:
    """The branch that was taken."""
    return decision.choice if isinstance(decision, OpDecision) else 1


class Branch(NamedTuple):
    """A decision to play on from, and which of its offers to take; None leaves that to the controller.

    Of a decision in tokens, ``KEEP`` takes back all its ops and any other number carries them out.
    """

    at: OpAt
    index: int | None


def mean_returns(
    episodes: Sequence[Episode],
    branches: Sequence[Branch],
    agent: Agent,
    rollouts: int,
    discount: float = 1.0,
    *,
    stream: int = 0,
) -> NDArray[np.float64]:
    """Mean discounted return, [B], of ``rollouts`` continuations of each branch, all played side by side.

    Branches of one decision draw the same random numbers; another ``stream`` draws others. Continuations in which the
    environment failed are left out; a branch without any other is worth 0.
    """
    played = play_on(episodes, branches, agent, rollouts, stream)
    whole = np.array([e.end is not End.ENV_ERROR for e in played], dtype=np.float64).reshape(-1, rollouts)
    returns = np.array([total(e, discount) for e in played], dtype=np.float64).reshape(-1, rollouts)
    return (returns * whole).sum(axis=1) / np.maximum(whole.sum(axis=1), 1.0)


def play_on(
    episodes: Sequence[Episode], branches: Sequence[Branch], agent: Agent, rollouts: int, stream: int = 0
) -> list[Episode]:
    """The continuations themselves, ``rollouts`` of each branch in a row."""
    tapes = {g: tape(episodes[g], agent) for g in sorted({branch.at.sibling for branch in branches})}

    def plays() -> Iterator[Play]:
        for at, index in branches:
            episode = episodes[at.sibling]
            for seed in seeds(episode, at, rollouts, stream):
                yield continue_episode(agent, episode, at.site, index, tapes[at.sibling], seed)

    return play_all(plays(), agent, CONCURRENCY)


def seeds(episode: Episode, at: OpAt, rollouts: int, stream: int = 0) -> list[list[int]]:
    """One a continuation; the same for every op that might be taken there."""
    return [[stream, abs(episode.task.seed), at.sibling, *at.site, k] for k in range(rollouts)]


register("estimator", "same_state", same_state, RolloutOptions)
