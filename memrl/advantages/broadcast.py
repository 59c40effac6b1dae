"""One number an episode, stamped on all its decisions: what the field does; the others are measured by it."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.advantages.clock import align, by_place
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.algos import advantages
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves()
def broadcast(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """The episode's return minus the mean of the other siblings' returns (RLOO per episode)."""
    clock = align(episodes)
    all_GT = advantages.broadcast(clock.rewards_GT, clock.present_GT)
    return by_place(episodes, clock, all_GT, all_GT)


register("estimator", "broadcast", broadcast)
