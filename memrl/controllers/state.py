"""One internal state, rewritten at every turn, also before the policy acts: MEM1's memory (arXiv:2506.15841).

    overwrite    observation ─> the policy acts from the old memory ─> memory is written anew
    state        what was done, and what came of it ─> memory is written anew ─> the policy acts from that

So what has just happened is worked into the state before anything is done about it, and the state is all that the
policy has of older turns. In the paper one text holds state and action; here they are two decisions of one model, and
the second sees the first. Where nobody acts the two controllers are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memrl.contracts.capabilities import Example
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.protocols import TaskSource
from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.controllers.overwrite import BETWEEN, OverwriteMemory, OverwriteOptions
from memrl.controllers.passing import answered, lines_of, moments
from memrl.controllers.writing import writer_of

HEADER = "Rewrite your state in one line: keep what may be needed later, add what is new, drop what no longer holds."


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOptions(OverwriteOptions):
    """Of the controller "state"."""

    header: str = HEADER
    """What the model is told to do."""
    questions: bool = False
    """Whether it is taught to rewrite the state for a question as well, as play asks it with
    ``rollout.query_free = false``: there MEM1's model knows what is asked."""


class StateMemory(OverwriteMemory):
    """``overwrite`` that comes before the action, not after."""

    writes_first = True

    def __init__(self, policy: object, options: StateOptions) -> None:
        super().__init__(policy, options)
        self._questions = options.questions

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """As of ``overwrite``, with the state written before the answer; for a question it stays as it is.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        room = min(budget, self._options.max_new_tokens)
        held, found = "", list[Example]()
        for moment in moments(source, task, room, count, BETWEEN):
            observation, view = moment.observation, lines_of(held)
            if observation.writable:
                held = BETWEEN.join(moment.ideal)
            if observation.writable or (self._questions and observation.is_question):
                found += self._lesson(task, observation, view, held)
            found += answered(source, task, moment, lines_of(held))
        return found


def _make(context: ControllerContext, options: StateOptions) -> StateMemory:
    return StateMemory(writer_of(context, "state"), options)


register("controller", "state", _make, StateOptions)
