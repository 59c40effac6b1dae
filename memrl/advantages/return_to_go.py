"""An op earns the rewards from its step on, an answer its own: what is asked later does not depend on it."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.advantages.answers import answer_advantages
from memrl.advantages.clock import align, by_place
from memrl.advantages.contract import Advantages, Scene
from memrl.advantages.rows import on_clock
from memrl.algos.advantages import leave_one_out
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


def return_to_go(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Both are judged against the mean of the other siblings at the same observation (RLOO per decision), an answer
    only against those that could read the same."""
    clock = align(episodes)
    ops_GT = leave_one_out(on_clock(episodes, clock, scene.config.discount), clock.present_GT)
    return by_place(episodes, clock, ops_GT, answer_advantages(episodes, clock, scene))


register("estimator", "return_to_go", return_to_go)
