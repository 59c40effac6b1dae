"""MemAgent's credit for several conversations of one sample (Yu et al. 2025, arXiv:2507.02259)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import totals
from memrl.algos.stratified import memagent
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves()
def multi_conversation(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """The outcome less the siblings' mean, itself included and no deviation, the same on every decision of an episode.

    A sample becomes many conversations: one a chunk that rewrites memory, one that answers from it. The outcome is
    what the episode earned, in the paper at its end alone. The mean runs over samples, so one of many conversations
    counts once. The published loss then averages over all tokens of all conversations; here a decision's tokens add up
    and the batch weighs an episode's decisions alike, which is the same up to one factor where siblings have equally
    many conversations, as they have when the text is cut into chunks beforehand.
    """
    counts = [sum(1 for _ in episode.decisions) for episode in episodes]
    values_N = memagent(totals(episodes), np.repeat(np.arange(len(episodes)), counts))
    return np.split(values_N, np.cumsum(counts)[:-1])


register("estimator", "multi_conversation", multi_conversation)
