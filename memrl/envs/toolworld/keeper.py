"""The best keeper of a task: which results a memory of a given size must hold so that the most sub-goals can be right.

A result serves from the call that gave it to the last sub-goal that needs it; it is held for all of that time or not at
all. Sub-goals are gone through in order, and of all ways to hold the same results the one with the most right so far
goes on: exact, as whatever follows depends on the held results alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from memrl.contracts.protocols import Env
from memrl.contracts.types import Action
from memrl.envs.toolworld.episode import RIGHT
from memrl.envs.toolworld.world import Goal


class Walk(NamedTuple):
    """What a play of the right calls shows."""

    results: Mapping[int, tuple[str, str]]
    """Number of a sub-goal -> id and text of its right result."""
    asked: Mapping[int, int]
    """Number of a sub-goal -> step at which it was last shown."""


def walked(env: Env, way: Sequence[Action]) -> Walk:
    """Play of ``way``, one action for each time that one is wanted."""
    results: dict[int, tuple[str, str]] = {}
    asked: dict[int, int] = {}
    actions = iter(way)
    observation = env.start()
    while observation is not None:
        number = int(observation.id[1:].partition(".")[0])
        if observation.wants_action:
            asked[number] = observation.step
        elif observation.id.startswith(RIGHT):
            results[number] = observation.id, observation.text
        observation = env.step(next(actions) if observation.wants_action else None).next
    return Walk(results, asked)


class _Way(NamedTuple):
    right: int
    kept: tuple[int, ...]


def best(goals: Sequence[Goal], sizes: Mapping[int, int], budget: int) -> tuple[int, frozenset[int]]:
    """Most sub-goals that need memory and can be right, and the numbers of those whose results are held for that.

    Args:
        sizes: number of a sub-goal -> tokens of its result.
    """
    until = last_uses(goals)
    ways: dict[frozenset[int], _Way] = {frozenset(): _Way(0, ())}
    for goal in goals:
        found: dict[frozenset[int], _Way] = {}
        for held, way in ways.items():
            can = held.issuperset(goal.needs)
            left = frozenset(number for number in held if until[number] > goal.number)
            now = way._replace(right=way.right + (can and goal.counts))
            _take(found, left, now)
            longer = left | {goal.number}
            if can and goal.number in until and sum(sizes[number] for number in longer) <= budget:
                _take(found, longer, now._replace(kept=(*now.kept, goal.number)))
        ways = found
    chosen = max(ways.values(), key=lambda way: way.right)
    return chosen.right, frozenset(chosen.kept)


def _take(found: dict[frozenset[int], _Way], held: frozenset[int], way: _Way) -> None:
    if held not in found or found[held].right < way.right:
        found[held] = way


def last_uses(goals: Sequence[Goal]) -> Mapping[int, int]:
    """Number of a sub-goal whose result is needed -> number of the last one that needs it."""
    return {need: goal.number for goal in goals for need in goal.needs}


def plan(goals: Sequence[Goal], walk: Walk, budget: int, cost: Callable[[str], int]) -> dict[str, int]:
    """Id of each result that is held -> step of the last sub-goal that needs it."""
    until = last_uses(goals)
    _, kept = best(goals, _sizes(walk, cost), budget)
    return {walk.results[number][0]: walk.asked[until[number]] for number in sorted(kept)}


def share(goals: Sequence[Goal], walk: Walk, budget: int, cost: Callable[[str], int]) -> float:
    """Share of the sub-goals that need memory and can be right."""
    return best(goals, _sizes(walk, cost), budget)[0] / sum(goal.counts for goal in goals)


def _sizes(walk: Walk, cost: Callable[[str], int]) -> dict[int, int]:
    return {number: cost(text) for number, (_, text) in walk.results.items()}
