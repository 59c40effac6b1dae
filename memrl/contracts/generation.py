"""Who writes tasks, who judges them, and how a further share reaches an update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from memrl.contracts.types import Task

if TYPE_CHECKING:
    from memrl.contracts.capabilities import Bounds


class Judged(Protocol):
    """What came of one proposed task."""

    @property
    def accepted(self) -> bool: ...
    @property
    def gate(self) -> str:
        """The gate that turned it away; empty if none did."""
        ...

    @property
    def reason(self) -> str: ...
    @property
    def signature(self) -> str:
        """Which skills it asks for; empty if it was turned away before that was known."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for tasks of the same events."""
        ...

    @property
    def bounds(self) -> Bounds | None: ...
    @property
    def task(self) -> Task | None:
        """Ready to play; set if it was accepted."""
        ...

    def to_json(self) -> dict[str, Any]: ...


class TaskGenerator(Protocol):
    """Writes tasks and lets only proven ones pass. Its state is the bank of what was accepted before."""

    def fresh(self, rng: np.random.Generator) -> Any:
        """A candidate from anywhere in the space of theta."""
        ...

    def edited(self, task: Task, rng: np.random.Generator) -> Any:
        """A candidate one edit away from a task."""
        ...

    def shortened(self, candidate: Any, most: int) -> Any:
        """The candidate with an episode of at most ``most`` steps; as it is where it cannot be cut."""
        ...

    def judge(self, candidate: Any) -> Judged:
        """Walk the gates; changes nothing."""
        ...

    def enter(self, judged: Judged) -> None:
        """Enter an accepted task into the bank."""
        ...

    def penalty(self, signature: str) -> float:
        """Novelty penalty in [0, 1]: how common the signature is among recent tasks."""
        ...

    def signature(self, task: Task) -> str:
        """Key of the skills that a task asks for."""
        ...

    def to_json(self, candidate: Any) -> dict[str, Any]:
        """A candidate in its JSON form, for a log."""
        ...

    def from_json(self, data: Mapping[str, Any]) -> Task:
        """The task of ``to_json``. Raises ConfigError."""
        ...

    def space(self) -> Any:
        """The axes that a learned proposer chooses from: a ``proposers.space.TaskSpace``."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Turn(NamedTuple):
    """Which optimiser step of an update it is."""

    index: int
    """From 0."""
    count: int
    """How many the update makes."""


ONLY = Turn(0, 1)
"""The one optimiser step of an update that makes one."""


class AuxiliaryLoss(Protocol):
    """A further share of an update, beside the actors' own: lessons, a proposer's tasks.

    It is asked once an update, at the first optimiser step. A part whose attribute ``every_step`` is true is asked at
    every one: it is cheap, or it deals out what it has over them. Its gradient is clipped by its own norm.
    """

    name: str
    """Its prefix in the metrics."""

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        """Add the gradients of a loss that is normalised by its own count; returns what is worth logging.

        Log-probabilities of what was sampled were taken when it was sampled, before any update.
        """
        ...


class Proposal(NamedTuple):
    """A task that somebody wrote, not yet judged."""

    candidate: Any
    trace: Any
    """How it was written: what its writer needs to learn from the reward."""


class TaskProposer(Protocol):
    """Writes tasks and learns from how they went."""

    learning_rate: float
    """Of its own parameters."""

    def propose(self, count: int, failures: Sequence[str]) -> list[Proposal]:
        """``failures``: signatures that fail most, the worst first; a proven rule may follow after ": "."""
        ...

    def auxiliary_losses(self, judged: Sequence[tuple[Proposal, float]]) -> Sequence[AuxiliaryLoss]:
        """What it should learn from proposals with their rewards; empty where nothing is learned."""
        ...

    def parameters(self) -> Iterator[Any]:
        """Trained weights of its own; none where it shares the policy's."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
