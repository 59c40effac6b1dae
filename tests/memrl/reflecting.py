"""A small MemWorld in which a controller that writes nothing, or the wrong things, fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memory_stores.types import MemoryOp
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent, Chooser, ControllerRequest, OpChoice
from memrl.contracts.types import Episode, Group, Task
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import Parts, build

THETA = {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2, "contradict_rate": 0.0}


class Wanting(Chooser):
    """Takes, at each step, the first offer that a function of step and op accepts; else Keep."""

    def __init__(self, wanted: Callable[[int, MemoryOp], bool]) -> None:
        self._wanted = wanted

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [
            OpChoice(next((i for i, op in enumerate(r.offers.ops) if self._wanted(r.observation.step, op)), 0), -1.0)
            for r in requests
        ]

    def offer_logprobs(self, requests: Sequence[ControllerRequest]) -> list[Any]:
        """Nearly sure of its choice."""
        lines = []
        for request, choice in zip(requests, self.choose(requests), strict=True):
            line = np.full(len(request.offers.ops), -9.0, dtype=np.float32)
            line[choice.index] = 0.0
            lines.append(line)
        return lines


def config(**changes: Any) -> TrainConfig:
    mine = {"mode": "distil", "share": 0.5, **changes.pop("reflection", {})}
    room = {"token_budget": 1600, "read_budget": 1600}
    return recipe("tiny", env={"options": THETA}, memory=room, warm_start={"steps": 0}, reflection=mine, **changes)


def parts(**changes: Any) -> Parts:
    return build(config(**changes))


def reader_agent(made: Parts, controller: Any) -> Agent:
    """The practice agent with another controller."""
    task_source = made.agent.task_source
    return replace(made.practice, controller=controller, policy=OracleReader({task_source.name: task_source}))


def group(agent: Agent, seed: int = 3, tries: int = 2, theta: Any = None) -> Group:
    """Some tries at one task."""
    task = Task(env="memworld", theta=theta or agent.task_source.thetas()["base"], seed=seed)
    agent.table.add(agent.task_source.texts(task))
    contexts = [
        EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng(i), practice=True)
        for i in range(tries)
    ]
    return Group(task=task, episodes=tuple(play_all(map(play_episode, contexts), agent, 8)))


def writes_nothing(step: int, op: MemoryOp) -> bool:
    return False


def first(group: Group) -> Episode:
    return group.episodes[0]
