"""Axes of toolworld: how long, how many jobs, how far apart their parts are, how the tools behave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from memrl.contracts.checks import check
from memrl.contracts.errors import ConfigError
from memrl.envs.toolworld.names import THINGS

SUBGOALS = 5
"""Sub-goals of a job: code, rate, units, cost, report."""
MOST_JOBS = min(len(names) for names in THINGS.values()) - 4
PER_JOB = 10
"""Sub-goals an episode has for each job, where somebody asks for another horizon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTheta:
    """Theta of a task."""

    steps: int = 30
    """Sub-goals, each with one call or answer. What a job does not need is small work for others."""
    jobs: int = 3
    """Things whose code and rate are looked up, whose units are counted, whose cost is computed and reported."""
    delay: int = 5
    """Sub-goals between a part of a job and the part that needs it, about."""
    stale: bool = False
    """A tool ``archive`` gives facts of past years, and old codes stand among the choices."""
    down: float = 0.0
    """Share of the sub-goals whose tool is down at the first call; the sub-goal is then shown once more."""
    choices: bool = True
    """Whether candidate calls are given as choices. False takes calls of the tools, and free text."""
    tries: int = 1
    """Calls that a sub-goal may take before it is lost."""
    evaluated: Literal["valid", "test"] = "test"
    """Whose names and phrasings held-out tasks have; "valid" is for choosing settings."""

    def __post_init__(self) -> None:
        check(
            self, "env.options.",
            steps="[1, 2000]", jobs=f"[1, {MOST_JOBS}]", delay="[1, 100]", down="[0, 0.9]", tries="[1, 10]",
        )  # fmt: skip
        if self.steps < SUBGOALS:
            raise ConfigError("env.options.steps", self.steps, f"one job takes {SUBGOALS}")
        if SUBGOALS * self.jobs > self.steps:
            raise ConfigError("env.options.jobs", self.jobs, f"{self.steps} steps hold {self.steps // SUBGOALS}")
        if 3 * self.delay + 2 > self.steps:
            raise ConfigError("env.options.delay", self.delay, f"three of them and 2 are more than {self.steps} steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolWorldOptions(ToolTheta):
    """A task's axes, and what a play of it pays."""

    reward: Literal["answers", "otc", "toolrl"] = "answers"
    """"answers": 1 for every sub-goal that needed memory and was right; "otc": at the end, the share of those times the
    tool efficiency of OTC-PO; "toolrl": the tool-call score of ToolRL at every sub-goal, by a quarter."""
    lookup_reward: float = 0.1
    """With "answers": for a sub-goal that needed no memory and was right."""
    invalid_cost: float = 0.1
    """With "answers": of a call that is none: an unknown tool, wrong arguments, an error."""
    smooth: float = 20.0
    """With "otc": its constant c."""
    ladder: bool = True
    """Whether there are easier cells for a curriculum to begin with."""

    def __post_init__(self) -> None:
        # zero-argument super() does not work in a slotted dataclass
        ToolTheta.__post_init__(self)
        check(self, "env.options.", lookup_reward="[0, inf)", invalid_cost="[0, inf)", smooth="(0, inf)")

    def theta(self, **changes: Any) -> ToolTheta:
        """The axes alone."""
        names = ToolTheta.__dataclass_fields__
        return replace(ToolTheta(**{name: getattr(self, name) for name in names}), **changes)


def ladder(theta: ToolTheta) -> dict[str, ToolTheta]:
    """Cells from easy to hard; the last one is the task itself."""
    cells: dict[str, ToolTheta] = {}
    if theta.steps > PER_JOB:
        cells["one job"] = replace(theta, steps=PER_JOB, jobs=1, delay=min(theta.delay, 2), stale=False, down=0.0)
    if theta.stale or theta.down:
        cells["sound tools"] = replace(theta, stale=False, down=0.0)
    return {**cells, "base": theta}
