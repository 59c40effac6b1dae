"""A controller that follows a script, and an agent that writes whatever fits."""

from __future__ import annotations

from collections.abc import Callable

from toy import ToyTasks, toy_agent

from memory_stores.types import MemoryOp, Write
from memrl.contracts.protocols import Agent, Chooser, ControllerRequest, OpChoice

LANTERN, CHATTER = "the lantern is here", "rain again all day"


class Script(Chooser):
    """A controller that takes, at each step, the first offer that a function of it accepts; else Keep."""

    def __init__(self, wanted: Callable[[int, MemoryOp], bool]) -> None:
        self._wanted = wanted

    def choose(self, requests: list[ControllerRequest]) -> list[OpChoice]:
        return [
            OpChoice(next((i for i, op in enumerate(r.offers.ops) if self._wanted(r.observation.step, op)), 0), 0.0)
            for r in requests
        ]


def writer(*story: str, budget: int = 16) -> Agent:
    """Writes whatever fits."""
    return toy_agent(ToyTasks(story), Script(lambda step, op: isinstance(op, Write)), budget=budget, max_ops=1)
