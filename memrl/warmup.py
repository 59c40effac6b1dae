"""Before RL: teach the reader to read short views (SFT). The controller starts from nothing.

A model that cannot read a four-line memory gives no reward to learn from; tens of SFT steps mend that. What RL then
adds is measured against this start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from memrl.config import TrainConfig
from memrl.errors import ConfigError
from memrl.policies.warm_start import warm_start
from memrl.protocols import Agent, ReadingLesson

VIEW_LINES = 6
"""The longest view of the reader's lessons."""


class Reports(Protocol):
    """Where a long step says how far it is."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        """Start a bar; each call of the result moves it by one."""
        ...


def warm_up(agent: Agent, config: TrainConfig, reports: Reports) -> None:
    """SFT of the reader, as ``config.warm_start`` says."""
    if config.warm_start.steps:
        examples = reading_lessons(agent, config, config.warm_start.steps * config.warm_start.batch_size)
        tick = reports.progress("warm start of the reader", config.warm_start.steps)
        warm_start(agent.policy, examples, config.warm_start, seed=config.seed, on_step=tick)  # pyright: ignore[reportArgumentType]


def reading_lessons(agent: Agent, config: TrainConfig, count: int) -> list[ReadingLesson]:
    """Views of training tasks with the answers that an exact reader gives on them."""
    rng = np.random.default_rng([config.seed, 0x5F7])
    examples: list[ReadingLesson] = []
    while len(examples) < count:
        lessons = agent.family.reading_lessons(int(rng.integers(2**31)), rng, VIEW_LINES)
        if not lessons:
            way_out = f"env {agent.family.name!r} has no reading lessons; set it to 0"
            raise ConfigError("warm_start.steps", config.warm_start.steps, way_out)
        examples += lessons
    return examples[:count]
