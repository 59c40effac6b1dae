"""Replay and outcome together: the one is quick and blind to what comes of a whole way of acting, the other sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gae import gae
from memrl.advantages.leave_one_out import leave_one_out
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import Episode, is_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendedOptions:
    """Of the estimator "blended"."""

    replay_share: float = 0.15
    """Weight of what replay says of an op against what was earned after it. More of it is as quick at first and ends
    lower."""
    gae_lambda: float = 0.95
    """As of ``gae``."""
    sibling_baseline: float = 0.0
    """As of ``leave_one_out``."""
    reach: int = 0
    """As of ``leave_one_out``."""

    def __post_init__(self) -> None:
        unit = "[0, 1]"
        check(self, "credit.options.", replay_share=unit, gae_lambda=unit, sibling_baseline=unit, reach="[0, inf)")


@serves(acting=False, baseline="keep", because="it replays recorded actions")
def blended(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """``replay_share`` of ``leave_one_out``, the rest of ``gae``, for ops; answers as in both.

    Taking back a single op shows at once which write won an answer, but finds no fault in filling a memory with chatter
    that some later op can replace: that shows only in what whole episodes earn. Each is first scaled to unit root mean
    square over the group's ops, since a gain and a return are of different sizes.
    """
    share = scene.options.replay_share
    of_op = [np.array([not is_policy(d.actor) for d in episode.decisions], dtype=bool) for episode in episodes]
    replayed = _scaled(leave_one_out(episodes, scene), of_op)
    earned = _scaled(gae(episodes, scene), of_op)
    return [
        np.where(ops, share * one + (1 - share) * other, other)
        for ops, one, other in zip(of_op, replayed, earned, strict=True)
    ]


def _scaled(advantages: Sequence[Advantages], of_op: Sequence[np.ndarray]) -> list[Advantages]:
    """Ops at unit root mean square over all episodes, or as they are where all are 0; answers as they are."""
    together = np.concatenate([one[ops] for one, ops in zip(advantages, of_op, strict=True)])
    rms = float(np.sqrt(np.mean(together**2))) if len(together) else 0.0
    return [np.where(ops, one / rms if rms else one, one) for one, ops in zip(advantages, of_op, strict=True)]


register("estimator", "blended", blended, BlendedOptions)
