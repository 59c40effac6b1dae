"""What controllers share whose memory the policy model writes: who writes, what it is asked, what it is taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memrl.contracts.calls import Calls
from memrl.contracts.capabilities import over_view
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, ControllerRequest, SampleRequest
from memrl.contracts.types import CONTROLLER, Observation, Task, ViewLine


class Writes:
    """A controller with no weights of its own: the policy writes all that it decides.

    Args:
        policy: whose model writes; its state and its weights are the run's policy.
        brief: what the model is told.
    """

    wants_offers = False

    def __init__(self, policy: Any, brief: Brief) -> None:
        self.policy, self._brief = policy, brief

    @property
    def version(self) -> int:
        return self.policy.version

    def state_dict(self) -> dict[str, Any]:
        """Nothing of its own: the weights are the policy's."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


def writer_of(context: ControllerContext, name: str) -> Any:
    """The run's policy, to write with. Raises ConfigError where there is none."""
    if context.policy is None or not hasattr(context.policy, "sample"):
        raise ConfigError("controller.name", name, "it writes with the run's policy, and none is at hand here")
    if getattr(context.policy, "only_choices", False):
        way_out = "it writes with the run's policy, which can only choose; use 'hf', or 'pointer' with writes = true"
        raise ConfigError("controller.name", name, way_out)
    return context.policy


def asked(
    request: ControllerRequest, view: Sequence[ViewLine], brief: Brief, calls: Calls | None = None
) -> SampleRequest:
    """What the model is asked for a controller's request: choices are the policy's own business."""
    return SampleRequest(
        task=request.task,
        observation=replace(request.observation, choices=()),
        view=tuple(view),
        memory_hash=request.memory.state_hash(),
        seed=int(request.rng.integers(2**62)),
        greedy=request.greedy,
        brief=brief,
        actor=request.actor,
        calls=calls,
    )


def taught(
    task: Task, observation: Observation, view: Sequence[ViewLine], brief: Brief, calls: Calls | None = None
) -> SampleRequest:
    """The same in a lesson, where there is no memory but a view."""
    return over_view(task, observation, view, brief, CONTROLLER, calls=calls)
