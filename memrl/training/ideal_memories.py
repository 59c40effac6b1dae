"""What an ideal memory teaches a controller whose texts a policy writes: the texts themselves, and when to write them.

Both are taken from the same training tasks, of the last cell, whose environment knows what later questions need.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from memrl.contracts.capabilities import (
    Example,
    OracleMemory,
    TakesChoices,
    TakesLessons,
    able,
    is_passive,
    need,
)
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import OpDecision, Task
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.scheduler import play

MEMORY_TASKS = "warm_start.memory_tasks"
SHOWN = 0x3E3
"""Marks what these tasks draw."""


def memory_lessons(agent: Agent, config: TrainConfig) -> list[Example]:
    """What the run's controller takes from an ideal memory of training tasks of the last cell.

    Raises:
        ConfigError: the controller writes no texts, or the environment knows no ideal memory.
    """
    count = config.warm_start.memory_tasks
    asked = (MEMORY_TASKS, count)
    writer = able(agent.controller, TakesLessons)
    if writer is None:
        raise ConfigError(*asked, f"controller {config.controller.name!r} writes no texts; set it to 0")
    need(agent.task_source, OracleMemory, *asked, "set it to 0")
    if not is_passive(agent.task_source):
        way_out = f"what env {agent.task_source.name!r} shows may hang on what is done; set it to 0"
        raise ConfigError(*asked, way_out)
    source, budget = agent.task_source, _budget(config)
    found = [one for task in _tasks(agent, config) for one in writer.lessons(source, task, budget, agent.count_tokens)]
    if not found:
        way_out = (
            f"env {agent.task_source.name!r} asks nothing in these tasks, or nothing fits into {budget} tokens of "
            "memory (memory.token_budget, read_budget) and into what is written at once (controller.options); give "
            "more, or set it to 0"
        )
        raise ConfigError(*asked, way_out)
    return found


def ideal_choices(agent: Agent, config: TrainConfig) -> list[OpDecision]:
    """What to write on, and when: the tasks of ``memory_lessons``, played by whoever keeps the ideal memory.

    Raises:
        ConfigError: the environment knows no ideal memory.
    """
    teacher = able(agent.controller, TakesChoices)
    assert teacher is not None, "checked before anything is taught"
    keeper = teacher.ideal(agent.task_source, _budget(config), agent.count_tokens)
    player = replace(agent, controller=keeper, policy=ScriptedPolicy([""]), others={})
    groups = play(player, _tasks(agent, config), [config.seed, SHOWN], tries=1)
    return [one for group in groups for one in group.episodes[0].decisions if isinstance(one, OpDecision)]


def _tasks(agent: Agent, config: TrainConfig) -> list[Task]:
    rng = np.random.default_rng([config.seed, SHOWN])
    source, hardest = agent.task_source, agent.task_source.cells()[-1]
    return [source.train(hardest, int(rng.integers(2**31))) for _ in range(config.warm_start.memory_tasks)]


def _budget(config: TrainConfig) -> int:
    return min(config.memory.token_budget, config.memory.read_budget)
