"""Replay and outcome together: the one is quick and blind to what comes of a whole way of acting, the other sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gae import gae
from memrl.advantages.leave_one_out import leave_one_out
from memrl.contracts.types import Episode, is_policy


@serves(acting=False, baseline="keep", because="it replays recorded actions")
def blended(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """``credit.replay_share`` of ``leave_one_out``, the rest of ``gae``, for ops; answers as in both.

    Taking back a single op shows at once which write won an answer, but finds no fault in filling a memory with chatter
    that some later op can replace: that shows only in what whole episodes earn. Each is first scaled to unit root mean
    square over the group's ops, since a gain and a return are of different sizes.
    """
    share = scene.config.replay_share
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
