"""MemWorld with a share of tasks that nobody can learn: every question is after a coin that was thrown unseen.

For experiments with curricula: success on such a task is one half whatever is kept, so raw ``p (1 - p)`` is at its
highest there for ever, while p* = g = 1/2 leaves nothing between guessing and the best keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from memrl.contracts.capabilities import Bounds, ReadingLesson
from memrl.contracts.generation import Judged
from memrl.contracts.protocols import Brief, Env, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Say, Task, Verdict
from memrl.envs.memworld.case import Limits
from memrl.envs.memworld.env import MemWorldTasks, normalise
from memrl.envs.memworld.gates import Judgement
from memrl.envs.memworld.task_generator import MemWorldGenerator
from memrl.envs.memworld.theta import Theta

SHARE = 0.1
"""Of fresh candidates; among the cells, one of coin flips to about nine others."""
SIDES = ("heads", "tails")
HALF = Bounds(0.5, 0.5)
"""p* and g of a coin flip."""


@dataclass(frozen=True, slots=True)
class Coins:
    """Theta of a task whose story is that of ``theta`` and whose every answer is a coin's."""

    theta: Theta

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return self.theta.horizon


class CoinEnv:
    """Shows the inner story; judges every answer by a coin that the task's seed threw."""

    def __init__(self, task: Task, inner: Env) -> None:
        self.task, self._inner = task, inner
        self._observation: Observation | None = None

    def start(self) -> Observation:
        self._observation = self._inner.start()
        return self._observation

    def step(self, action: Action | None) -> Outcome:
        now = self._observation
        outcome = self._inner.step(action)
        self._observation = outcome.next
        if outcome.verdict is None or now is None:
            return outcome
        side = SIDES[_throw(self.task.seed, now.id)]
        right = float(isinstance(action, Say) and normalise(action.text) == side)
        return Outcome(right, outcome.next, Verdict(score=right, expected=side, category="coin"))


class CoinFlips:
    """MemWorld tasks with coin flips among the cells and among what the generator finds."""

    passive = True
    edges_tell = True

    def __init__(self, inner: MemWorldTasks) -> None:
        self._inner = inner
        self.name = inner.name
        self.theta = inner.theta

    def make(self, task: Task) -> Env:
        return CoinEnv(task, self._inner.make(_story(task))) if is_coin(task) else self._inner.make(task)

    def texts(self, task: Task) -> Sequence[str]:
        return self._inner.texts(_story(task))

    def brief(self, task: Task) -> Brief:
        return self._inner.brief(task)

    def train(self, cell: str, seed: int) -> Task:
        return self._inner.task(seed, theta=self.thetas()[cell], cell=cell)

    def held_out(self, seed: int) -> Task:
        """Never a coin flip: nobody is examined in those."""
        return self._inner.held_out(seed)

    def cells(self) -> Sequence[str]:
        return tuple(self.thetas())

    def thetas(self) -> dict[str, Any]:
        """The ladder with coin flips half-way up: cell name -> theta."""
        cells: dict[str, Any] = dict(self._inner.thetas())
        names = list(cells)
        coins = {f"coins_{i}": Coins(cells[names[len(names) // 2]]) for i in range(max(1, round(len(names) / 9)))}
        half = len(names) // 2
        return {name: cells[name] for name in names[:half]} | coins | {name: cells[name] for name in names[half:]}

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        return self._inner.at_horizon(horizon)

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds:
        """One half at both ends for a coin flip."""
        return HALF if is_coin(task) else self._inner.bounds(task, budget, cost)

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> dict[str, int]:
        return {} if is_coin(task) else self._inner.plan(task, budget, cost)

    def reading_lessons(self, seed: int, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
        return self._inner.reading_lessons(seed, rng, max_lines)

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """Of a coin, a guess that goes by what happens to be in view: as good as any, and never the same for long."""
        if is_coin(task):
            return SIDES[_throw(task.seed, question_id, "guess", *sorted(seen))]
        return self._inner.read(task, question_id, seen)

    def task_generator(self, budget: int, cost: Callable[[str], int]) -> CoinGenerator:
        return CoinGenerator(self._inner.task_generator(budget, cost), Limits(budget=budget))

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """Nothing that was told would have helped with a coin."""
        return frozenset() if is_coin(task) else self._inner.blame(task, question_id, held)

    def sibling(self, task: Task, seed: int) -> Task | None:
        return replace(task, seed=seed) if is_coin(task) else self._inner.sibling(task, seed)


class CoinGenerator:
    """MemWorld's task_generator, in which every tenth candidate turns out to be a coin flip."""

    def __init__(self, inner: MemWorldGenerator, limits: Limits) -> None:
        self._inner, self._limits = inner, limits

    def fresh(self, rng: np.random.Generator) -> Any:
        return _perhaps_coin(self._inner.fresh(rng), rng)

    def edited(self, task: Task, rng: np.random.Generator) -> Any:
        return _perhaps_coin(self._inner.edited(_story(task), rng), rng)

    def shortened(self, candidate: Any, most: int) -> Any:
        if not (isinstance(candidate, Task) and is_coin(candidate)):
            return self._inner.shortened(candidate, most)
        story = self._inner.shortened(_story(candidate), most)
        return replace(candidate, theta=Coins(story.theta)) if isinstance(story, Task) else candidate

    def judge(self, candidate: Any) -> Judged:
        if not (isinstance(candidate, Task) and is_coin(candidate)):
            return self._inner.judge(candidate)
        return _as_coin(self._inner.judge(_story(candidate)), candidate, self._limits)

    def enter(self, judged: Judged) -> None:
        self._inner.enter(judged)

    def penalty(self, signature: str) -> float:
        return self._inner.penalty(signature)

    def signature(self, task: Task) -> str:
        return "coin" if is_coin(task) else self._inner.signature(task)

    def to_json(self, candidate: Any) -> dict[str, Any]:
        """With ``coins: true`` where it is one."""
        if isinstance(candidate, Task) and is_coin(candidate):
            return {**self._inner.to_json(_story(candidate)), "coins": True}
        return self._inner.to_json(candidate)

    def from_json(self, data: Mapping[str, Any]) -> Task:
        bare = {name: value for name, value in data.items() if name != "coins"}
        task = self._inner.from_json(bare)
        return replace(task, theta=Coins(task.theta)) if data.get("coins") else task

    def space(self) -> Any:
        return self._inner.space()

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._inner.load_state_dict(state)


def is_coin(task: Task) -> bool:
    return isinstance(task.theta, Coins)


def _story(task: Task) -> Task:
    """The MemWorld task that a coin flip tells."""
    return replace(task, theta=task.theta.theta) if isinstance(task.theta, Coins) else task


def _as_coin(story: Judgement, candidate: Task, limits: Limits) -> Judgement:
    """The judgement of a coin flip: its story's, with the two gates that ask for p* and g asked again at one half."""
    gate = reason = ""
    if HALF.ceiling < limits.solvable:
        gate, reason = "solvable", f"p* = {HALF.ceiling:.2f}: it must be at least {limits.solvable}"
    elif HALF.ceiling - HALF.floor < limits.headroom:
        gate, reason = "headroom", f"p* - g = 0.50 - 0.50: it must be at least {limits.headroom}"
    if not story.accepted or not gate:
        return replace(story, bounds=HALF, task=candidate if story.accepted else None)
    return replace(story, accepted=False, gate=gate, reason=reason, bounds=HALF, task=None)


def _perhaps_coin(candidate: Any, rng: np.random.Generator) -> Any:
    coin = rng.random() < SHARE
    if coin and isinstance(candidate, Task) and isinstance(candidate.theta, Theta):
        return replace(candidate, theta=Coins(candidate.theta))
    return candidate


def _throw(seed: int, *what: str) -> int:
    """0 or 1, the same in every process."""
    return sha256("|".join((str(seed), *what)).encode()).digest()[0] & 1


def _make(theta: Theta) -> CoinFlips:
    return CoinFlips(MemWorldTasks(theta))


register("env", "memworld_coins", _make, Theta)
