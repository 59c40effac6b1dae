"""Before RL: teach the reader to read short views (SFT), or a policy that acts to act as walkthroughs do. A controller
that scores ops starts from nothing; one that writes in tokens may be taught the memories that an ideal one would hold,
if the environment knows them.

A model that cannot read a four-line memory gives no reward to learn from; some minutes of SFT mend that. What RL then
adds is measured against this start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from memrl.contracts.capabilities import (
    Example,
    Lessons,
    ReadingLesson,
    TakesChoices,
    TakesLessons,
    able,
    brief_of,
    need,
    over_view,
)
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, Brief
from memrl.contracts.types import Observation, Task, ViewLine
from memrl.policies.loading import pick_device, pick_dtype
from memrl.policies.models import cache_folder
from memrl.policies.warm_start import teach, warm_start
from memrl.training.checkpoints import read_state, seed_everything, write_state
from memrl.training.demonstrations import demonstrations
from memrl.training.ideal_memories import MEMORY_TASKS, ideal_choices, memory_lessons
from memrl.training.imitation import imitate

VIEW_LINES = 6
"""The longest view of the reader's lessons."""


CHOICES = "warm_start.controller_steps"


class Reports(Protocol):
    """Where a long step says how far it is."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        """Start a bar; each call of the result moves it by one."""
        ...

    def say(self, text: str) -> None:
        """One line to the person who waits."""
        ...


def warm_up(agent: Agent, config: TrainConfig, reports: Reports) -> None:
    """SFT of the reader, then of the controller, as ``config.warm_start`` says; the global generators then stand as at
    the run's start. What cannot be taught is refused before anything is."""
    if config.warm_start.controller_steps:
        _check_controller(agent, config)
    if config.warm_start.steps:
        _teach_policy(agent, config, reports)
    if config.warm_start.controller_steps:
        _teach_controller(agent, config, reports)
    if config.warm_start.steps or config.warm_start.controller_steps:
        seed_everything(config.seed)


def _teach_policy(agent: Agent, config: TrainConfig, reports: Reports) -> None:
    is_lm = hasattr(agent.policy, "model")
    if not is_lm and not (hasattr(agent.policy, "answer_rows") and hasattr(agent.policy, "token_logprobs")):
        way_out = f"policy.name = {config.policy.name!r} cannot be warm-started; set it to 0"
        raise ConfigError("warm_start.steps", config.warm_start.steps, way_out)
    if able(agent.controller, TakesLessons) is not None and not config.warm_start.memory_tasks:
        reports.say(f"warm start: what to write is not taught ({MEMORY_TASKS} = 0)")
    lessons = lessons_of(agent, config)
    examples = _asked(lessons, agent)
    kept = _kept_at(config, examples) if config.warm_start.reuse else None
    if kept is not None and kept.exists():
        agent.policy.load_state_dict(read_state(kept))
        reports.say(f"warm start of the policy: taken from {kept}")
    else:
        tick = reports.progress("warm start of the policy", config.warm_start.steps)
        if is_lm:
            warm_start(agent.policy, examples, config.warm_start, seed=config.seed, on_step=tick)  # pyright: ignore[reportArgumentType]
        else:
            teach(agent.policy, examples, config.warm_start, seed=config.seed, on_step=tick)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_state(kept, agent.policy.state_dict())


def _check_controller(agent: Agent, config: TrainConfig) -> None:
    """Raises ConfigError where nobody shows how to choose, or the run's controller does not learn to."""
    knobs, steps = config.warm_start, config.warm_start.controller_steps
    is_taught = _chooses_ideally(agent)
    if knobs.memory_tasks and not (knobs.steps or is_taught):
        way_out = (
            f"with warm_start.steps = 0 controller {config.controller.name!r} learns nothing from them; set it to 0"
        )
        raise ConfigError(MEMORY_TASKS, knobs.memory_tasks, way_out)
    if not knobs.demonstrations and not (knobs.memory_tasks and is_taught):
        also = f" and {MEMORY_TASKS} = 0" if is_taught else ""
        way_out = f"with warm_start.demonstrations = 0{also} there is nothing to learn from"
        raise ConfigError(CHOICES, steps, way_out)
    if agent.offers is None or not hasattr(agent.controller, "logprobs"):
        way_out = f"controller {config.controller.name!r} does not learn to choose among offers; set it to 0"
        raise ConfigError(CHOICES, steps, way_out)


def _chooses_ideally(agent: Agent) -> bool:
    return able(agent.controller, TakesChoices) is not None


def _teach_controller(agent: Agent, config: TrainConfig, reports: Reports) -> None:
    """The choices of whoever keeps memory in the demonstrations, and those that lead to ideal memories.

    Raises:
        ConfigError: whoever keeps memory there does not choose.
    """
    knobs = config.warm_start
    kept = demonstrations(agent, config).kept if knobs.demonstrations else []
    if knobs.memory_tasks and _chooses_ideally(agent):
        kept = [*kept, *ideal_choices(agent, config)]
    if not kept:
        way_out = f"{knobs.demonstrated_with!r} (warm_start.demonstrated_with) chooses among no offers; set it to 0"
        raise ConfigError(CHOICES, knobs.controller_steps, way_out)
    tick = reports.progress("warm start of the controller", knobs.controller_steps)
    imitate(agent.controller, kept, knobs, seed=config.seed, on_step=tick)


def lessons_of(agent: Agent, config: TrainConfig) -> Sequence[ReadingLesson | Example]:
    """What the warm start teaches: the memories and answers of ``warm_start.memory_tasks`` and the actions of
    ``warm_start.demonstrations``; short views where neither is asked for."""
    knobs = config.warm_start
    if knobs.memory_tasks or knobs.demonstrations:
        memories = memory_lessons(agent, config) if knobs.memory_tasks else []
        return memories + (demonstrations(agent, config).lessons if knobs.demonstrations else [])
    return reading_lessons(agent, config, config.warm_start.steps * config.warm_start.batch_size)


def _asked(lessons: Sequence[ReadingLesson | Example], agent: Agent) -> list[Example]:
    """Lessons as play would ask them, with the environment's own brief, and their texts."""
    source = agent.task_source
    task = source.train(source.cells()[-1], 0)
    return [one if isinstance(one, Example) else _example(one, task, brief_of(source, task)) for one in lessons]


def _example(lesson: ReadingLesson, task: Task, brief: Brief) -> Example:
    question = Observation(id="", step=0, content=lesson.question, wants_action=True, writable=False)
    view = tuple(ViewLine(line, "", "token", "") for line in lesson.lines)
    return Example(over_view(task, question, view, brief, question.to), lesson.answer)


def _kept_at(config: TrainConfig, lessons: Sequence[Example]) -> Path:
    """A file named by everything that the warmed weights depend on."""
    libraries = [version(name) for name in ("torch", "transformers", "peft", "trl")]
    dtype = str(pick_dtype(config.policy.dtype, pick_device(config.policy.device)))
    policy = asdict(config.policy) | {"trained": True, "dtype": dtype}
    told = [policy, asdict(config.warm_start), config.seed, libraries, lessons]
    key = hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode()).hexdigest()[:24]
    return cache_folder() / "warm-starts" / f"{key}.pt"


def reading_lessons(agent: Agent, config: TrainConfig, count: int) -> list[ReadingLesson]:
    """Views of training tasks with the answers that an exact reader gives on them."""
    rng = np.random.default_rng([config.seed, 0x5F7])
    source = need(agent.task_source, Lessons, "warm_start.steps", config.warm_start.steps, "set it to 0")
    examples: list[ReadingLesson] = []
    while len(examples) < count:
        lessons = source.reading_lessons(int(rng.integers(2**31)), rng, VIEW_LINES)
        if not lessons:
            way_out = f"env {agent.task_source.name!r} has no reading lessons; set it to 0"
            raise ConfigError("warm_start.steps", config.warm_start.steps, way_out)
        examples += lessons
    return examples[:count]
