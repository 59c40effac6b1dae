"""Before RL: teach the reader to read short views (SFT). The controller starts from nothing.

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

from memrl.contracts.capabilities import Lessons, ReadingLesson, need
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.policies.loading import pick_device, pick_dtype
from memrl.policies.models import cache_folder
from memrl.policies.warm_start import warm_start
from memrl.training.checkpoints import read_state, seed_everything, write_state

VIEW_LINES = 6
"""The longest view of the reader's lessons."""


class Reports(Protocol):
    """Where a long step says how far it is."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        """Start a bar; each call of the result moves it by one."""
        ...

    def say(self, text: str) -> None:
        """One line to the person who waits."""
        ...


def warm_up(agent: Agent, config: TrainConfig, reports: Reports) -> None:
    """SFT of the reader, as ``config.warm_start`` says; the global generators then stand as at the run's start."""
    if not config.warm_start.steps:
        return
    if not hasattr(agent.policy, "model"):
        way_out = f"policy.name = {config.policy.name!r} cannot be warm-started; set it to 0"
        raise ConfigError("warm_start.steps", config.warm_start.steps, way_out)
    lessons = reading_lessons(agent, config, config.warm_start.steps * config.warm_start.batch_size)
    kept = _kept_at(config, lessons) if config.warm_start.reuse else None
    if kept is not None and kept.exists():
        agent.policy.load_state_dict(read_state(kept))
        reports.say(f"warm start of the reader: taken from {kept}")
    else:
        tick = reports.progress("warm start of the reader", config.warm_start.steps)
        warm_start(agent.policy, lessons, config.warm_start, seed=config.seed, on_step=tick)  # pyright: ignore[reportArgumentType]
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_state(kept, agent.policy.state_dict())
    seed_everything(config.seed)


def _kept_at(config: TrainConfig, lessons: Sequence[ReadingLesson]) -> Path:
    """A file named by everything that the warmed weights depend on."""
    libraries = [version(name) for name in ("torch", "transformers", "peft", "trl")]
    dtype = str(pick_dtype(config.policy.dtype, pick_device(config.policy.device)))
    policy = asdict(config.policy) | {"trained": True, "dtype": dtype}
    told = [policy, asdict(config.warm_start), config.seed, libraries, lessons]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]
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
