"""An op earns the rewards from its step on, an answer its own: what is asked later does not depend on it."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.algos.advantages import leave_one_out, returns_to_go
from memrl.credits.clock import align, by_place
from memrl.credits.contract import Advantages, Scene
from memrl.types import Episode


def return_to_go(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Both are judged against the mean of the other siblings at the same observation (RLOO per decision)."""
    clock = align(episodes)
    to_go_GT = returns_to_go(clock.rewards_GT, scene.config.discount)
    ops_GT = leave_one_out(to_go_GT, clock.present_GT)
    return by_place(episodes, clock, ops_GT, leave_one_out(clock.rewards_GT, clock.present_GT))
