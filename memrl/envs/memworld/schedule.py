"""Which step does what: opening facts first, changes and questions spread evenly, the rest filled."""

from __future__ import annotations

from enum import Enum
from random import Random

from memrl.envs.memworld.theta import Theta


class Role(Enum):
    """What the author has to write at a step."""

    OPENING = "opening"
    UPDATE = "update"
    RETRACT = "retract"
    CONTRADICT = "contradict"
    FILLER = "filler"
    QUESTION = "question"


def schedule(theta: Theta, rng: Random) -> list[Role]:
    """One role a step, ``theta.horizon`` in all. The opening ends before the first question."""
    lead = min(2 * theta.opening, theta.horizon - theta.questions)
    roles = [Role.FILLER] * theta.horizon
    for step in _spread(0, lead, theta.opening, rng):
        roles[step] = Role.OPENING
    for step in _spread(lead, theta.horizon, theta.questions, rng):
        roles[step] = Role.QUESTION
    told = [step for step in range(lead, theta.horizon) if roles[step] is Role.FILLER]
    for i in _spread(0, len(told), round(theta.update_rate * len(told)), rng):
        roles[told[i]] = Role.UPDATE
    _scatter(theta, told, roles, rng)
    return roles


def _spread(low: int, high: int, count: int, rng: Random) -> list[int]:
    """``count`` different numbers of [low, high), one drawn from each of ``count`` equal stretches."""
    width = high - low
    return [rng.randrange(low + i * width // count, low + (i + 1) * width // count) for i in range(count)]


def _scatter(theta: Theta, told: list[int], roles: list[Role], rng: Random) -> None:
    """Put retractions and contradictions on steps that are still free."""
    free = [step for step in told if roles[step] is Role.FILLER]
    rng.shuffle(free)
    for role, rate in ((Role.RETRACT, theta.retract_rate), (Role.CONTRADICT, theta.contradict_rate)):
        count = min(round(rate * len(told)), len(free))
        for step in free[:count]:
            roles[step] = role
        free = free[count:]
