"""GRPO: the episode's return, standardised within its group, on every decision."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import stamp, totals
from memrl.algos.group_advantages import standardised
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves()
def grpo(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Return minus the siblings' mean, divided by their deviation (Shao et al. 2024, arXiv:2402.03300)."""
    return stamp(standardised(totals(episodes), ["task"] * len(episodes)), episodes)


register("estimator", "grpo", grpo)
