"""How a further share reaches an update, and who writes tasks: contracts that ``protocols`` hands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class AuxiliaryLoss(Protocol):
    """A further share of an update, beside the policy's and the controller's own: lessons, a proposer's tasks.

    It is asked once an update, with the first optimiser step. A part whose attribute ``every_step`` is true is asked at
    every one: it is cheap, or it deals out what it has over them.
    """

    name: str
    """Its prefix in the metrics."""

    def backward(self) -> Mapping[str, float]:
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
