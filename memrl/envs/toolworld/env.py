"""toolworld as a task source.

    env: {name: toolworld, options: {steps: 30, jobs: 3, delay: 8}}

In one episode facts are found by ``search`` (BM25 over documents), asked by ``sql`` (a SQLite file) and computed by
``python`` (the sandbox); what a call gave is needed again many steps later, among results that are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import Any

from memrl.contracts.capabilities import Bounds
from memrl.contracts.protocols import Brief
from memrl.contracts.registry import register
from memrl.contracts.types import Say, Task, Tool, ToolCall, as_text
from memrl.envs.toolworld import keeper
from memrl.envs.toolworld.calls import ARCHIVE, Calls, WorldTools
from memrl.envs.toolworld.candidates import SAME, Candidate, candidates
from memrl.envs.toolworld.episode import RIGHT, ToolWorldEnv
from memrl.envs.toolworld.names import HEADER
from memrl.envs.toolworld.theta import MOST_JOBS, PER_JOB, ToolWorldOptions, ladder
from memrl.envs.toolworld.world import Goal, World, make_world
from memrl.tools import Sandbox, SandboxLimits
from memrl.tools.programs import PYTHON, SQL
from memrl.tools.search import SEARCH

WORLDS = 1024
"""Worlds that are kept, with their tools and choices."""


@cache
def _sandbox() -> Sandbox:
    """One for all sources of the process. Raises ConfigError here, before anything is trained."""
    made = Sandbox(SandboxLimits(seconds=5.0))
    assert made.layers
    return made


class Spelled:
    """A task's world, its tools, and the choices of its sub-goals."""

    def __init__(self, task: Task, sandbox: Sandbox) -> None:
        self.world: World = make_world(task)
        self.tools = WorldTools(self.world, sandbox, task.theta.stale)
        self._task = task
        self._choices: dict[int, tuple[Candidate, ...]] = {}

    def choices(self, goal: Goal) -> tuple[Candidate, ...]:
        found = self._choices.get(goal.number)
        if found is None:
            found = self._choices[goal.number] = candidates(
                self.world, goal, self._task.theta.stale, self._task.seed
            )  # fmt: skip
        return found

    def right(self, goal: Goal) -> ToolCall | Say:
        return next(one.action for one in self.choices(goal) if one.right)


class ToolWorldTasks:
    """Tasks of one theta and the ladder up to it.

    Raises:
        ConfigError: this machine cannot lock up what runs code.
    """

    name = "toolworld"

    def __init__(self, options: ToolWorldOptions) -> None:
        self._options = options
        self._cells = ladder(options.theta()) if options.ladder else {"base": options.theta()}
        self._calls = Calls(_sandbox())
        self._spelled = lru_cache(maxsize=WORLDS)(partial(Spelled, sandbox=self._calls.sandbox))

    def make(self, task: Task) -> ToolWorldEnv:
        spelled, theta = self._spelled(task), task.theta

        def run(call: ToolCall) -> Any:
            return self._calls.result(task, spelled.tools, call)

        return ToolWorldEnv(spelled.world, self._options, spelled.choices, run, theta.tries, not theta.choices)

    def brief(self, task: Task) -> Brief:
        return Brief(header=HEADER, tools=self._tools(task), does="Call", max_new_tokens=64)

    def _tools(self, task: Task) -> tuple[Tool, ...]:
        return (SEARCH, PYTHON, SQL, *((ARCHIVE,) if task.theta.stale else ()))

    def cells(self) -> tuple[str, ...]:
        return tuple(self._cells)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self._cells[cell], seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        """Other things, places and people, and other words for the same."""
        return Task(env=self.name, theta=self._options.theta(), seed=seed, split="eval", cell=self.cells()[-1])

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """As many jobs for each ten sub-goals, as far apart within."""
        return {"steps": horizon, "jobs": max(1, min(MOST_JOBS, horizon // PER_JOB))}

    def walkthrough(self, task: Task) -> Sequence[str]:
        """The right call or answer of every sub-goal, twice where a tool is down at the first."""
        return [as_text(action) for action in self._way(task)]

    def _way(self, task: Task) -> list[ToolCall | Say]:
        spelled = self._spelled(task)
        found = [(spelled.right(goal), goal.down) for goal in spelled.world.goals]
        return [right for right, down in found for _ in range(1 + (down and isinstance(right, ToolCall)))]

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> dict[str, int]:
        """Which right results must be held until which step, so that the most sub-goals can be right."""
        return keeper.plan(make_world(task).goals, self._walk(task), budget, cost)

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds:
        """The best keeper, which guesses where it lacks something, and who always guesses among choices alike."""
        held = keeper.share(make_world(task).goals, self._walk(task), budget, cost)
        floor = 1 - (1 - 1 / SAME) ** task.theta.tries if task.theta.choices else 0.0
        return Bounds(held + (1 - held) * floor, floor)

    def _walk(self, task: Task) -> keeper.Walk:
        return keeper.walked(self.make(task), self._way(task))

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """The right call or answer where all results that it needs were seen, else a wrong one of the same shape."""
        spelled, goal = self._asked(task, question_id)
        held = self.blame(task, question_id, seen) == frozenset()
        choices = spelled.choices(goal)
        return next(one.text for one in choices if one.right is held)

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """Ids of the right results that a sub-goal needs and that are not held."""
        _, goal = self._asked(task, question_id)
        found = {id.partition(".")[0] for id in held if id.startswith(RIGHT)}
        return frozenset(f"{RIGHT}{number}" for number in goal.needs if f"{RIGHT}{number}" not in found)

    def _asked(self, task: Task, question_id: str) -> tuple[Spelled, Goal]:
        spelled = self._spelled(task)
        return spelled, spelled.world.goals[int(question_id[1:].partition(".")[0])]


register("env", "toolworld", ToolWorldTasks, ToolWorldOptions)
