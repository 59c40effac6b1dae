"""The best keeper of toolworld: exact, within its budget, and playable."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrl.contracts.config import EnvConfig
from memrl.envs.toolworld.env import ToolWorldTasks
from memrl.envs.toolworld.keeper import best, last_uses
from memrl.envs.toolworld.theta import ToolWorldOptions
from memrl.envs.toolworld.world import Goal, make_world
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent, keep_cost


def goal(number, *needs):
    return Goal(number=number, kind="units", about="", text="", truth="", needs=needs)


def served(goals, sizes, budget, kept):
    """Right sub-goals of whoever holds the results ``kept`` until their last use; None where they do not fit."""
    until, held, right = last_uses(goals), set(), 0
    for one in goals:
        can = held >= set(one.needs)
        right += can and one.counts
        held = {number for number in held if until[number] > one.number}
        if can and one.number in kept:
            held.add(one.number)
        if sum(sizes[number] for number in held) > budget:
            return None
    return right


def test_by_hand():
    # 2 needs 0, 3 needs 1 and 2. Of sizes 2, 2, 3 a memory of 4 holds 0 and 1, then no room is left for 2 beside 1.
    goals = [goal(0), goal(1), goal(2, 0), goal(3, 1, 2)]
    sizes = {0: 2, 1: 2, 2: 3, 3: 1}
    assert best(goals, sizes, 4) == (1, frozenset({0}))
    assert best(goals, sizes, 5) == (2, frozenset({0, 1, 2}))
    assert best(goals, sizes, 1) == (0, frozenset())


@st.composite
def chains(draw):
    """Up to eight sub-goals, each needing some of those before it, and the sizes of their results."""
    count = draw(st.integers(2, 8))
    needs = [draw(st.sets(st.integers(0, at - 1), max_size=2)) if at else set() for at in range(count)]
    goals = [goal(at, *sorted(one)) for at, one in enumerate(needs)]
    return goals, {at: draw(st.integers(1, 4)) for at in range(count)}, draw(st.integers(0, 10))


@given(chains())
def test_no_choice_of_results_serves_more(drawn):
    goals, sizes, budget = drawn
    right, kept = best(goals, sizes, budget)
    needed = sorted(last_uses(goals))
    choices = [frozenset(one for one, kept in zip(needed, flags, strict=True) if kept)
               for flags in product((False, True), repeat=len(needed))]  # fmt: skip
    every = [found for choice in choices if (found := served(goals, sizes, budget, choice)) is not None]
    assert right == max(every) == served(goals, sizes, budget, kept)


@pytest.mark.parametrize("options", [{}, {"down": 0.3, "stale": True}, {"steps": 60, "jobs": 6}])
@pytest.mark.parametrize("budget", [20, 32, 90])
def test_who_holds_what_the_plan_says_does_as_well_as_it_promises(options, budget):
    config = recipe(
        "toolworld",
        env=EnvConfig(name="toolworld", options=options),
        policy={"name": "exact", "options": {}, "trained": False},
        controller={"name": "oracle", "options": {}, "trained": False},
        memory={"token_budget": budget, "read_budget": budget},
    )
    agent = build_agent(config)
    tasks = [agent.task_source.held_out(seed) for seed in range(4)]
    cost = keep_cost(config.memory, agent.count_tokens)
    for group in play(agent, tasks, [1], tries=1, greedy=True):
        episode = group.episodes[0]
        ceiling, floor = agent.task_source.bounds(episode.task, budget, cost)
        assert episode.success == pytest.approx((ceiling - floor) / (1 - floor))


def test_the_bounds_of_a_memory_without_room_are_those_of_a_guess():
    source = ToolWorldTasks(ToolWorldOptions())
    assert source.bounds(source.held_out(0), 0, len) == (0.25, 0.25)
    twice = ToolWorldTasks(ToolWorldOptions(tries=2))
    assert twice.bounds(twice.held_out(0), 0, len).floor == pytest.approx(1 - 0.75**2)
    free = ToolWorldTasks(ToolWorldOptions(choices=False))
    assert (
        free.bounds(free.held_out(0), 0, len) == (0.0, 0.0) and free.bounds(free.held_out(0), 10**6, len).ceiling == 1
    )
    assert set(source.plan(source.held_out(0), 10**6, len)) == {
        f"r{need}" for one in make_world(source.held_out(0)).goals for need in one.needs
    }
