"""A way that wins, in commands that are admissible when they are given; what must be remembered along it; and what a
player scores who chooses by chance.

The generator's own walkthroughs hold commands that change nothing (``inventory``, opening what is open): where a policy
chooses, these are no choices, so a walkthrough is played once and they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from memrl.contracts.errors import DataError
from memrl.contracts.types import Observation, Say
from memrl.envs.textworld.episode import START, TextWorldEnv

READ, INGREDIENTS = "examine cookbook", "Ingredients:"
"""The command that shows the recipe, and how what is needed of it begins."""
ALWAYS = 10**9
"""A step that no episode reaches."""


class Way(NamedTuple):
    """What was said and shown along a walkthrough."""

    commands: tuple[str, ...]
    shown: tuple[Observation, ...]


def followed(env: TextWorldEnv, commands: Sequence[str]) -> Way:
    """The commands that are understood when their turn comes: where there are choices, those that are among them.

    Args:
        env: a fresh one.
        commands: of all rounds, in order.

    Raises:
        DataError: they do not win every round.
    """
    said: list[str] = []
    shown: list[Observation] = []
    left = list(commands)
    observation: Observation | None = env.start()
    success: float | None = None
    while observation is not None:
        shown.append(observation)
        action = None
        if observation.wants_action:
            while left and observation.choices and left[0] not in observation.choices:
                del left[0]
            if not left:
                break
            action = Say(left.pop(0))
            said.append(action.text)
        outcome = env.step(action)
        observation, success = outcome.next, outcome.success
    if success != 1.0:
        raise DataError(f"the walkthrough of this game does not win it, with the choices that there are: {said[-3:]}")
    return Way(tuple(said), tuple(shown))


def needed(way: Way, kind: str) -> dict[str, int]:
    """Observation id -> last step at which it is needed, of what must be remembered: the last of its round on the way,
    and in the last round as long as that takes.

    A quest's first text. The cookbook's list and directions, and what was cooked already: that an ingredient was taken
    or cut is seen by the choices. Nothing of a coin game.
    """
    begins = [one.step for one in way.shown if one.id.endswith(f" {START}.1")]
    found: dict[str, int] = {}
    listed = False
    for one in way.shown:
        _, _, said = one.id.partition(" ")
        listed = said.startswith(READ) and (listed or INGREDIENTS in one.text)
        wanted = said.startswith(START) if kind == "quest" else listed or said.startswith("cook ")
        if wanted and kind != "coin":
            found[one.id] = min((step - 1 for step in begins if step > one.step), default=ALWAYS)
    return found


def by_chance(env: TextWorldEnv, seed: int) -> float:
    """Success of one play whose commands are drawn evenly from the choices."""
    rng = Random(seed)
    observation: Observation | None = env.start()
    while True:
        outcome = env.step(Say(rng.choice(observation.choices)) if observation.wants_action else None)
        if outcome.next is None:
            return outcome.success or 0.0
        observation = outcome.next
