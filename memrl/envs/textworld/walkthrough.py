"""A way that wins, in commands that are admissible when they are given.

The generator's own walkthroughs hold commands that change nothing (``inventory``, opening what is open): where a policy
chooses, these are no choices, so a walkthrough is played once and they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from memrl.contracts.errors import DataError
from memrl.contracts.types import Observation, Say
from memrl.envs.textworld.episode import TextWorldEnv


def admissible_way(env: TextWorldEnv, commands: Sequence[str]) -> tuple[str, ...]:
    """The commands that are choices when their turn comes.

    Args:
        env: a fresh one.
        commands: of all rounds, in order.

    Raises:
        DataError: they do not win every round.
    """
    way: list[str] = []
    left = list(commands)
    observation: Observation | None = env.start()
    success: float | None = None
    while observation is not None:
        said = None
        if observation.wants_action:
            while left and left[0] not in observation.choices:
                del left[0]
            if not left:
                break
            said = Say(left.pop(0))
            way.append(said.text)
        outcome = env.step(said)
        observation, success = outcome.next, outcome.success
    if success != 1.0:
        raise DataError(f"the walkthrough of this game does not win it, with the choices that there are: {way[-3:]}")
    return tuple(way)
