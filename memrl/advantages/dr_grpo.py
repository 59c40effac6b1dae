"""Dr. GRPO: the episode's return, centred within its group, on every decision."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import stamp, totals
from memrl.algos.group_advantages import centred
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves()
def dr_grpo(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Return minus the siblings' mean, itself included (Liu et al. 2025, arXiv:2503.20783).

    ``broadcast`` is the same with itself left out of the mean (RLOO), and so G / (G - 1) times as large.
    MemAgent (arXiv:2507.02259) gives credit in this way; see ``multi_conversation``.
    """
    return stamp(centred(totals(episodes), ["task"] * len(episodes)), episodes)


register("estimator", "dr_grpo", dr_grpo)
