"""One proposed MemWorld task under examination, and what the gates ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from memrl.contracts.capabilities import Bounds
from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Task
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.program import Program, Written, as_theta, draft_program, written
from memrl.envs.memworld.task_json import drafted, program_to_json, task_from_json, without_cell

Candidate = Task | Mapping[str, Any]
"""A task, or the JSON of one as an outsider wrote it."""
Cost = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the gates ask for. Shares are of questions, in [0, 1].

    Of 40 tasks of the default theta under 64 tokens, p* is 1.0, a reader with the last observation alone has 0.06 on
    average and 0.25 at most, so the defaults pass it with room; they turn away coin flips, whose p* is near g.
    """

    budget: int = 64
    """Tokens of memory under which the task must be solvable."""
    max_steps: int = 512
    min_questions: int = 1
    max_questions: int = 64
    max_tokens: int = 16_384
    """Tokens of everything shown in one episode."""
    solvable: float = 0.6
    """Least p*, the best keeper's share."""
    necessity: float = 0.4
    """How far p* must lie above what an empty memory and the last observation alone answer."""
    one_word: float = 0.9
    """Most that one word, said to every question, may earn in a written task of three questions or more."""
    headroom: float = 0.4
    """Least p* - g."""
    alike: float = 0.02
    """Most of the bank's window that may have one signature."""
    alike_free: int = 20
    """So many of one signature are welcome whatever their share: a young bank has few to compare with."""


@dataclass(slots=True)
class Case:
    """One candidate under examination; ``schema`` fills in the task and the program, later gates the rest."""

    candidate: Candidate
    bank: Bank
    limits: Limits
    cost: Cost
    task: Task | None = None
    made: Program | None = None
    bounds: Bounds | None = None
    signature: str = ""
    fingerprint: str = ""

    @property
    def program(self) -> Program:
        """The program, of which later gates may be sure. Raises RuntimeError before ``schema`` has passed."""
        if self.made is None:
            raise RuntimeError("the gate 'schema' must pass before any other is asked")
        return self.made


def read_candidate(candidate: Candidate, max_steps: int) -> tuple[Task, Program]:
    """The task and its program on the forward tracker's word. Raises ConfigError.

    A theta too long is turned away before anything is written, so that a huge horizon costs nothing.
    """
    if isinstance(candidate, Mapping) and "events" in candidate:
        bare, cell = without_cell(candidate)
        program = drafted(bare)
        return written(program, cell), program
    task = candidate if isinstance(candidate, Task) else task_from_json(candidate)
    if task.env != "memworld":
        raise ConfigError("task.env", task.env, "these gates judge memworld tasks")
    if isinstance(task.theta, Written):
        drafted({**program_to_json(task.theta.program), "split": task.split})
        return task, task.theta.program
    theta = as_theta(task.theta)
    if theta.horizon > max_steps:
        raise ConfigError("env.options.horizon", theta.horizon, f"it must be at most {max_steps}")
    return task, draft_program(theta, task.seed, task.split)
