"""One text as memory, rewritten by the policy model at every observation: MemAgent's memory (arXiv:2507.02259).

    memory (one text) + observation ─ policy model ─> new memory ─> Overwrite

The model's tokens are a ``TokenDecision`` whose action is memory ops, so journal, replay, credit and loss are those of
any other controller; it learns with the policy's weights, in a loss of its own ("controller").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory_stores.types import Forget, MemoryOp, Overwrite, Write
from memrl.contracts.capabilities import Example, OracleMemory, brief_of, need
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, ControllerRequest, SampleRequest, TaskSource
from memrl.contracts.registry import register
from memrl.contracts.types import (
    CONTROLLER,
    Action,
    Decision,
    MemoryOps,
    Observation,
    Say,
    Task,
    TokenDecision,
    ViewLine,
)

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


class OverwriteMemory:
    """Asks the policy for a whole new memory. A text that cannot be read leaves memory as it was; one that is over the
    budget is refused by the store.

    Args:
        policy: whose model writes; its state and its weights are the run's policy.
    """

    wants_offers = False

    def __init__(self, policy: Any, options: OverwriteOptions) -> None:
        self.policy, self._options = policy, options
        self._brief = Brief(
            header=options.header, sees="New", does="Memory now", max_new_tokens=options.max_new_tokens, lines=1
        )

    @property
    def version(self) -> int:
        return self.policy.version

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One whole memory a request, in order."""
        written: list[TokenDecision] = self.policy.sample([self._asked(request) for request in requests])
        return [
            replace(one, action=rewritten(one.action, request)) for one, request in zip(written, requests, strict=True)
        ]

    def _asked(self, request: ControllerRequest) -> SampleRequest:
        memory = request.memory
        items = memory.token.entries() if memory.token is not None else ()
        return SampleRequest(
            task=request.task,
            observation=replace(request.observation, choices=()),
            view=tuple(ViewLine(item.text, item.id, "token", item.stamp.observation_id) for item in items),
            memory_hash=memory.state_hash(),
            seed=int(request.rng.integers(2**62)),
            greedy=request.greedy,
            brief=self._brief,
            actor=request.actor,
        )

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """One passing of a task with an ideal memory in the place of its own: each text to write, and each answer.

        What the ideal memory does not hold is left out: it would teach to make things up, and so is an empty memory,
        which is no text.

        Args:
            budget: tokens of a memory at the most.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        knows = need(source, OracleMemory, "warm_start.memory_tasks", "> 0", "set it to 0")
        room = min(budget, self._options.max_new_tokens)
        brief, env = brief_of(source, task), source.make(task)
        observation: Observation | None = env.start()
        view: tuple[ViewLine, ...] = ()
        found: list[Example] = []
        while observation is not None:
            asked = SampleRequest(task=task, observation=observation, view=view, memory_hash="", seed=0, brief=brief)
            outcome = env.step(Say("") if observation.wants_action else None)
            if outcome.verdict is not None and any(outcome.verdict.expected in line.text for line in view):
                found.append(Example(replace(asked, actor=observation.to), outcome.verdict.expected))
            if observation.writable:
                lines = knows.ideal_memory(task, observation.id, room, lambda line: count(f"{line}{BETWEEN}"))
                if lines:
                    found.append(Example(replace(asked, brief=self._brief, actor=CONTROLLER), BETWEEN.join(lines)))
                view = (ViewLine(BETWEEN.join(lines), "", "token", observation.id),) if lines else ()
            observation = outcome.next
        return found

    def state_dict(self) -> dict[str, Any]:
        """Nothing of its own: the weights are the policy's."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


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
    if context.policy is None or not hasattr(context.policy, "sample"):
        raise ConfigError("controller.name", "overwrite", "it writes with the run's policy, and none is at hand here")
    if getattr(context.policy, "only_choices", False):
        way_out = "it writes with the run's policy, which can only choose; use 'hf', or 'pointer' with writes = true"
        raise ConfigError("controller.name", "overwrite", way_out)
    return OverwriteMemory(context.policy, options)


register("controller", "overwrite", _make, OverwriteOptions)
