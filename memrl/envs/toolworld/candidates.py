"""Candidate calls of a sub-goal: the right one among plausible wrong ones, the same for the same seed and sub-goal.

What a right call takes from memory (a code, numbers, a cost) stands in as many calls as every wrong value of its kind,
so that nobody finds it by counting; calls that are none take such a value at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from memrl.contracts.types import Say, ToolCall, as_text
from memrl.envs.toolworld.world import DAYS, Goal, Thing, World

SAME = 4
"""Choices of the right shape, the right one among them: who has no memory guesses one of so many."""


@dataclass(frozen=True, slots=True)
class Candidate:
    action: ToolCall | Say
    right: bool = False

    @property
    def text(self) -> str:
        return as_text(self.action)


def call(tool: str, **arguments: object) -> ToolCall:
    return ToolCall(tool, tuple(arguments.items()))


def candidates(world: World, goal: Goal, stale: bool, seed: int) -> tuple[Candidate, ...]:
    """All choices of a sub-goal, in an order that says nothing."""
    random = Random(f"{world.words} {seed} {goal.number}")
    right, *wrong = _OF_KIND[goal.kind](world, goal, stale, random)
    found = [Candidate(right, True), *map(Candidate, wrong)]
    random.shuffle(found)
    return tuple(found)


def right_action(world: World, goal: Goal, stale: bool, seed: int) -> ToolCall | Say:
    return next(one.action for one in candidates(world, goal, stale, seed) if one.right)


Actions = Sequence[ToolCall | Say]


def _looked_up(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    """Of a code or a rate."""
    other = random.choice([one.name for one in world.things if one.name != goal.about])
    unlike = {"code": "rate", "rate": "code"}[goal.kind]
    query = f"{goal.kind} of the {{}}".format
    tempting = call("archive", query=query(goal.about)) if stale else call("lookup", name=goal.about)
    return (
        call("search", query=query(goal.about)),
        call("search", query=query(other)),
        call("search", query=f"{unlike} of the {goal.about}"),
        tempting,
        call("sql", query=f"SELECT {goal.kind} FROM {goal.about}"),
    )


def _units(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    mine = world.thing(goal.about)
    codes = [mine.code, *(one.code for one in _others(world, mine, random))]
    if stale:
        codes[-1] = mine.old_code
    ask = f"SELECT units AS {mine.name}_units FROM {{}} WHERE code = '{{}}'".format
    return (
        *(call("sql", query=ask("stock", code)) for code in codes),
        call("sql", query=ask("visits", random.choice(codes))),
        call("count", code=random.choice(codes)),
    )


def _cost(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    mine = world.thing(goal.about)
    other = _others(world, mine, random)[0]
    program = f"print('{mine.name} cost', {{}} * {{}})".format
    pairs = [(units, rate) for units in (mine.units, other.units) for rate in (mine.rate, other.rate)]
    return (
        *(call("python", code=program(units, rate)) for units, rate in pairs),
        call("python", code=program(random.choice((mine.units, other.units)), "rate")),
        call("sql", query=f"SELECT cost FROM stock WHERE units = {random.choice((mine.units, other.units))}"),
    )


def _report(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    mine = world.thing(goal.about)
    costs = [mine.cost]
    for other in _others(world, mine, random):
        cost = random.choice((mine.units * other.rate, other.units * mine.rate, other.cost))
        costs.append(cost + (cost in costs))
    return [Say(f"the {mine.name} costs {cost}") for cost in costs]


def _place(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    words = {"founder": "founder", "hour": "opening hour"}
    unlike = words[{"founder": "hour", "hour": "founder"}[goal.kind]]
    other = random.choice([place for place in world.places if place != goal.about])
    return (
        call("search", query=f"{words[goal.kind]} of {goal.about}"),
        call("search", query=f"{words[goal.kind]} of {other}"),
        call("search", query=f"{unlike} of {goal.about}"),
        call("sql", query=f"SELECT {goal.kind} FROM {goal.about}"),
    )


def _guests(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    ask = f"SELECT guests AS guests_of_day_{goal.about} FROM {{}} WHERE day = {{}}".format
    days = [int(goal.about), *random.sample([day for day in range(1, DAYS + 1) if str(day) != goal.about], 2)]
    return (
        *(call("sql", query=ask("visits", day)) for day in days),
        call("sql", query=ask("stock", random.choice(days))),
    )


def _sum(world: World, goal: Goal, stale: bool, random: Random) -> Actions:
    first, _, second = goal.about.partition("+")
    other = int(second) + random.randrange(1, 9)
    program = f"print('sum of {first} and {second} is', {{}})".format
    return tuple(
        call("python", code=program(sum_))
        for sum_ in (f"{first} + {second}", f"{first} + {other}", f"{first} * {second}", f"{first} + second")
    )


def _others(world: World, mine: Thing, random: Random) -> list[Thing]:
    """Three more things, those of jobs before decoys: what a policy has seen tempts it most."""
    others = [one for one in world.things if one is not mine]
    jobs = others[: len(others) - 4]
    return [*random.sample(jobs, min(SAME - 1, len(jobs))), *random.sample(others[len(jobs) :], SAME - 1)][: SAME - 1]


_OF_KIND = {
    "code": _looked_up,
    "rate": _looked_up,
    "units": _units,
    "cost": _cost,
    "report": _report,
    "founder": _place,
    "hour": _place,
    "guests": _guests,
    "sum": _sum,
}
