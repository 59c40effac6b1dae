"""One text as memory, rewritten by the policy model at every observation: MemAgent's memory (arXiv:2507.02259).

    memory (one text) + observation ─ policy model ─> new memory ─> Overwrite

The model's tokens are a ``TokenDecision`` whose action is memory ops, so journal, replay, credit and loss are those of
any other controller; it learns with the policy's weights, in a loss of its own ("controller").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory_stores.types import Forget, MemoryOp, Overwrite, Write
from memrl.contracts.capabilities import Example
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.protocols import Brief, ControllerRequest, SampleRequest, TaskSource
from memrl.contracts.registry import register
from memrl.contracts.types import (
    Action,
    Decision,
    MemoryOps,
    Observation,
    Say,
    Task,
    TokenDecision,
    ViewLine,
)
from memrl.controllers.passing import answered, lines_of, moments
from memrl.controllers.writing import Writes, asked, taught, writer_of

BETWEEN = "; "
"""Between two facts of a memory that it is taught."""
HEADER = "Rewrite the memory in one line: keep what may be needed later, add what is new, drop what no longer holds."


@dataclass(frozen=True, slots=True, kw_only=True)
class OverwriteOptions:
    """Knobs of ``controller.options``."""

    max_new_tokens: int = 64
    """Tokens of a new memory at the most."""
    header: str = HEADER
    """What the model is told to do."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens = {self.max_new_tokens}: it must be at least 1")


class OverwriteMemory(Writes):
    """Asks the policy for a whole new memory. A text that cannot be read leaves memory as it was; one that is over the
    budget is refused by the store.

    Args:
        policy: whose model writes; its state and its weights are the run's policy.
    """

    def __init__(self, policy: Any, options: OverwriteOptions) -> None:
        most = options.max_new_tokens
        super().__init__(
            policy, Brief(header=options.header, sees="New", does="Memory now", max_new_tokens=most, lines=1)
        )
        self._options = options

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One whole memory a request, in order."""
        written: list[TokenDecision] = self.policy.sample([self._asked(request) for request in requests])
        return [
            replace(one, action=rewritten(one.action, request)) for one, request in zip(written, requests, strict=True)
        ]

    def _asked(self, request: ControllerRequest) -> SampleRequest:
        memory = request.memory
        items = memory.token.entries() if memory.token is not None else ()
        view = [ViewLine(item.text, item.id, "token", item.stamp.observation_id) for item in items]
        return asked(request, view, self._brief)

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """One passing of a task with an ideal memory in the place of its own: each text to write, and each answer.

        What the ideal memory does not hold is left out: it would teach to make things up, and so is an empty memory,
        which is no text.

        Args:
            budget: tokens of a memory at the most.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        room = min(budget, self._options.max_new_tokens)
        held, found = "", list[Example]()
        for moment in moments(source, task, room, count, BETWEEN):
            view = lines_of(held)
            found += answered(source, task, moment, view)
            if moment.observation.writable:
                held = BETWEEN.join(moment.ideal)
                found += self._lesson(task, moment.observation, view, held)
        return found

    def _lesson(self, task: Task, observation: Observation, view: tuple[ViewLine, ...], text: str) -> list[Example]:
        """The text to write over a view; none for an empty memory, which is no text."""
        return [Example(taught(task, observation, view, self._brief), text)] if text else []


def rewritten(action: Action, request: ControllerRequest) -> Action:
    """The ops that put a text in the place of the whole token memory; what is no text stays what it is."""
    if not isinstance(action, Say):
        return action
    items = request.memory.token.entries() if request.memory.token is not None else ()
    if not items:
        return MemoryOps((Write(action.text),))
    *others, last = items
    gone: tuple[MemoryOp, ...] = tuple(Forget(item.id) for item in others)
    return MemoryOps((*gone, Overwrite(last.id, action.text)))


def _make(context: ControllerContext, options: OverwriteOptions) -> OverwriteMemory:
    return OverwriteMemory(writer_of(context, "overwrite"), options)


register("controller", "overwrite", _make, OverwriteOptions)
