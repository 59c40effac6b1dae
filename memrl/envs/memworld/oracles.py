"""Ends of the scale for one program: what unlimited memory, the best keeper, a window and a blind guess score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from memrl.envs.memworld import backward, forward
from memrl.envs.memworld.events import QUERIES, UNKNOWN, AskAct, AskCount, AskPath, Query, observation_id, step_of
from memrl.envs.memworld.names import NAMES
from memrl.envs.memworld.program import Program

Cost = Callable[[str], int]
_LOCAL_TRIES = 200
"""Schedules tried by the local improvement, so that a long episode stays cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Share of the questions answered right, each in [0, 1]."""

    unbounded: float
    """Everything ever said is kept."""
    keeper: float
    """p*: the plan of ``plan`` is played and read without error."""
    window: float
    """The newest observations that fit the budget are kept."""
    blind: float
    """g: expected, guessing with no memory."""


def scores(program: Program, budget: int, cost: Cost) -> Scores:
    """All four; ``cost`` is the tokens of a text and ``budget`` the tokens kept at any step."""
    return Scores(
        unbounded=_play(program, lambda query: range(query.step)),
        keeper=keeper_score(program, budget, cost),
        window=window_score(program, budget, cost),
        blind=blind_score(program),
    )


def keeper_score(program: Program, budget: int, cost: Cost) -> float:
    """p*: the share answered right by an exact reader of what ``plan`` holds."""
    ends = {step_of(name): end for name, end in plan(program, budget, cost).items()}
    return _play(program, lambda query: [step for step, end in ends.items() if end >= query.step])


def window_score(program: Program, budget: int, cost: Cost) -> float:
    """Share answered right from the newest told observations that fit. A cost of 1 each counts sentences."""

    def newest(query: Query) -> list[int]:
        left, steps = budget, []
        for step in range(query.step - 1, -1, -1):
            if isinstance(program.events[step], QUERIES):
                continue
            left -= cost(program.texts[step])
            if left < 0:
                break
            steps.append(step)
        return steps

    return _play(program, newest)


def blind_score(program: Program) -> float:
    """g: expected share right of a guesser who knows theta and the split's names, but saw nothing.

    For each kind of question it says the word that theta makes most probable: "unknown" where
    ``unanswerable_rate`` beats one name in the pool, the likeliest number for a count.
    """
    theta, names = program.theta, NAMES[program.split]
    total = 0.0
    for query in program.queries:
        answer = program.answers[query.step]
        if isinstance(query, AskCount):
            total += _likeliest_count(theta.objects, theta.places)
            continue
        who = isinstance(query, AskPath) and query.relations[-1] != "location"
        chance = 1 / len(names.people if who else names.places)
        if isinstance(query, AskAct):
            chance *= 1 / (len(names.places) - 1) / len(names.objects)
        says_unknown = theta.unanswerable_rate >= (1 - theta.unanswerable_rate) * chance
        total += float(answer == UNKNOWN) if says_unknown else chance * (answer != UNKNOWN)
    return total / max(1, len(program.queries))


def plan(program: Program, budget: int, cost: Cost) -> dict[str, int]:
    """Observation id -> last step at which it is needed, for a keeper who knows all questions beforehand.

    What is held never exceeds ``budget`` tokens at any step; an observation counts from its own step to
    the last question that needs it and should be forgotten after that. Greedy over the questions in two
    orders (by deadline, by tokens times steps held), then improved by moving refused questions to the front.
    """
    supports = backward.supports(program.events)
    costs = {step: cost(program.texts[step]) for steps in supports.values() for step in steps}

    def room(order: Iterable[int]) -> _Room:
        return _Room.filled(order, supports, costs, program.theta.horizon, budget)

    orders = (sorted(supports), sorted(supports, key=lambda query: _load(query, supports[query], costs)))
    best = max((room(order) for order in orders), key=lambda one: len(one.served))
    refusals = [query for query in supports if query not in best.served]
    for refused in refusals[:_LOCAL_TRIES]:
        if refused in best.served:
            continue
        rest = [query for query in supports if query not in best.served and query != refused]
        other = room([refused, *best.served, *rest])
        if len(other.served) > len(best.served):
            best = other
    return {observation_id(step): end for step, end in sorted(best.ends.items())}


def _load(query: int, steps: Iterable[int], costs: Mapping[int, int]) -> int:
    return sum(costs[step] * (query - step) for step in steps)


class _Room:
    """The tokens in use at every step while questions are taken on one by one."""

    def __init__(self, horizon: int, budget: int) -> None:
        self.used: NDArray[np.int64] = np.zeros(horizon, dtype=np.int64)
        self.budget = budget
        self.ends: dict[int, int] = {}
        self.served: dict[int, None] = {}

    @classmethod
    def filled(
        cls,
        order: Iterable[int],
        supports: Mapping[int, frozenset[int]],
        costs: Mapping[int, int],
        horizon: int,
        budget: int,
    ) -> _Room:
        """Take on the questions in this order, each where it still fits."""
        room = cls(horizon, budget)
        for query in order:
            room._take(query, supports[query], costs)
        return room

    def _take(self, query: int, steps: frozenset[int], costs: Mapping[int, int]) -> None:
        longer = {step: self.ends.get(step, step - 1) + 1 for step in steps if self.ends.get(step, -1) < query}
        for step, start in longer.items():
            self.used[start : query + 1] += costs[step]
        first = min(longer.values(), default=query)
        if longer and self.used[first : query + 1].max() > self.budget:
            for step, start in longer.items():
                self.used[start : query + 1] -= costs[step]
            return
        self.ends.update(dict.fromkeys(longer, query))
        self.served[query] = None


def _play(program: Program, held: Callable[[Query], Iterable[int]]) -> float:
    """Share answered right by an exact reader of the steps held at each query."""
    queries = program.queries
    right = sum(
        forward.answer(program.told(held(query), query.step), query) == program.answers[query.step] for query in queries
    )
    return right / len(queries)


def _likeliest_count(objects: int, places: int) -> float:
    """Chance of the likeliest count in a place that one thing, drawn at random, is known to be in."""
    others, chance = objects - 1, 1 / places
    return max(comb(others, k) * chance**k * (1 - chance) ** (others - k) for k in range(others + 1))
