"""Where MemWorld tasks are written and examined: drawing, edits, the eight gates and the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import Judged
from memrl.contracts.types import Task
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.case import Candidate, Cost, Limits
from memrl.envs.memworld.edits import edit_program, edit_theta, levels_of
from memrl.envs.memworld.gates import Judgement, judge
from memrl.envs.memworld.program import Written, program_of
from memrl.envs.memworld.signature import signature_of
from memrl.envs.memworld.space import MemWorldSpace
from memrl.envs.memworld.task_json import task_from_json, task_to_json
from memrl.envs.memworld.theta import Theta

EDITED_AXES = (1, 3)
"""Fewest and most axes of theta that one edit moves."""
PROGRAM_EDITS = 0.25
"""Share of the edits that change the events of a program instead of its theta."""


class MemWorldGenerator:
    """The contract ``protocols.TaskGenerator`` for MemWorld.

    Args:
        theta: where fresh candidates start from.
        limits: what the gates ask for.
        cost: tokens of a text.
    """

    def __init__(self, theta: Theta, limits: Limits, cost: Cost) -> None:
        self._theta, self._limits, self._cost = theta, limits, cost
        self._bank = Bank()

    def fresh(self, rng: np.random.Generator) -> Task:
        """A task of a theta of which every axis was drawn anew with probability 1/4, else left as in the base."""
        theta = self._theta
        for name, levels in levels_of(self._theta).items():
            if rng.random() < 0.25:
                axes = {**asdict(theta), name: levels[int(rng.integers(len(levels)))]}
                theta = _legal(axes) or theta
        return self._task(theta, rng)

    def edited(self, task: Task, rng: np.random.Generator) -> Candidate:
        """One to three axes moved by a level, or one event of the program changed."""
        if isinstance(task.theta, Written) or rng.random() < PROGRAM_EDITS:
            return edit_program(program_of(task), rng)
        theta = task.theta
        for _ in range(int(rng.integers(EDITED_AXES[0], EDITED_AXES[1] + 1))):
            theta = edit_theta(theta, rng)
        return self._task(theta, rng)

    def shortened(self, candidate: Candidate, most: int) -> Candidate:
        """The same theta over fewer steps, as many questions a step; a theta whose facts need more stays as it is."""
        if not isinstance(candidate, Task) or not isinstance(candidate.theta, Theta) or candidate.theta.horizon <= most:
            return candidate
        theta = candidate.theta
        questions = max(1, round(theta.questions * most / theta.horizon))
        short = _legal({**asdict(theta), "horizon": most, "questions": questions})
        return candidate if short is None else replace(candidate, theta=short)

    def judge(self, candidate: Candidate) -> Judgement:
        return judge(candidate, self._bank, self._limits, self._cost)

    def enter(self, judged: Judged) -> None:
        self._bank.add(judged.signature, judged.fingerprint)

    def penalty(self, signature: str) -> float:
        return self._bank.penalty(signature)

    def signature(self, task: Task) -> str:
        return signature_of(program_of(task), self._limits.budget, self._cost).key

    def to_json(self, candidate: Candidate) -> dict[str, Any]:
        return task_to_json(candidate) if isinstance(candidate, Task) else dict(candidate)

    def from_json(self, data: Mapping[str, Any]) -> Task:
        return task_from_json(data)

    def space(self) -> MemWorldSpace:
        return MemWorldSpace(self._theta)

    def state_dict(self) -> dict[str, Any]:
        return self._bank.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._bank.load_state_dict(state)

    def _task(self, theta: Theta, rng: np.random.Generator) -> Task:
        return Task(env="memworld", theta=theta, seed=int(rng.integers(2**31)), split="train", cell="written")


def _legal(axes: Mapping[str, Any]) -> Theta | None:
    try:
        return Theta.from_mapping(axes)
    except ConfigError:
        return None
