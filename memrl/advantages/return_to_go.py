"""A decision earns the rewards from its step on; an answer in a passive source its own."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.advantages.answers import passive, with_answers
from memrl.advantages.clock import expected
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import to_go_of
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@serves()
def return_to_go(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Return from the decision's step on, less the mean of the other siblings' at the same place (RLOO per decision).

    In a passive source what is asked later does not depend on an answer: it is judged by its own reward, and only
    against those that could read the same. Anywhere else whoever decides earns what comes after; where several policies
    act in one episode the reward belongs to all of them, and each is compared with itself in the siblings.
    """
    to_go = [to_go_of(episode, scene.config.discount) for episode in episodes]
    others = expected(episodes, to_go, passive(scene))
    return with_answers(episodes, [own - mean for own, mean in zip(to_go, others, strict=True)], scene)


register("estimator", "return_to_go", return_to_go)
