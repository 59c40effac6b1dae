"""What can be read off episodes: how many calls were made, and how many of them were none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from memrl.contracts.types import Episode
from memrl.envs.toolworld.episode import DOWN, ERROR, RIGHT, WRONG


class CallCounts(NamedTuple):
    made: int
    """Calls, those that were none among them; answers and calls of a tool that was down are not."""
    invalid: int
    """Unknown tools, arguments that do not fit, unknown tables and columns, errors of code, texts that were no call."""
    right: int
    """Results that were the ones that were asked for."""

    @property
    def invalid_share(self) -> float:
        return self.invalid / self.made if self.made else 0.0


def count_calls(episodes: Iterable[Episode]) -> CallCounts:
    """Over all of them, by the ids of results (``episode.py``)."""
    marks = [
        step.observation.id[0]
        for episode in episodes
        for step in episode.steps
        if not step.observation.wants_action and step.observation.id[0] != DOWN
    ]
    return CallCounts(sum(mark in (RIGHT, WRONG, ERROR) for mark in marks), marks.count(ERROR), marks.count(RIGHT))
