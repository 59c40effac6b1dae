"""A row that is an agent of its own: it plays each task once."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.contracts.protocols import Agent
from memrl.contracts.rows import Played
from memrl.contracts.types import Task
from memrl.rollouts.scheduler import play


class OneTry:
    """One try at each task.

    Args:
        greedy: False samples, as an agent that has learned nothing should.
    """

    def __init__(self, agent: Agent, greedy: bool = True) -> None:
        self.agent, self._greedy = agent, greedy

    def play(self, tasks: Sequence[Task], seed: Sequence[int]) -> list[Played]:
        groups = play(self.agent, tasks, seed, tries=1, greedy=self._greedy)
        return [Played(group.episodes[0]) for group in groups]
