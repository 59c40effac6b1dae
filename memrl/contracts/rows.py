"""Rows of an evaluation that are more than a controller: another way to play the same tasks at the same budgets.

A part of kind "row" is made from a ``RowContext`` and plays tasks; one file each in ``rollouts/rows/``. Any controller
is a row as well, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, Task


class Played(NamedTuple):
    """What a row did with one task."""

    episode: Episode
    """The try that counts."""
    tries: int = 1
    tokens: int = 0
    """Read beyond that try: in earlier ones, and by whoever looked back on them."""


class Row(Protocol):
    """A way to play. ``agent`` is what plays one try, for whoever wants no more."""

    agent: Agent

    def play(self, tasks: Sequence[Task], seed: Sequence[int]) -> list[Played]:
        """Each task once, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContext:
    """What a row is made from."""

    agent: Agent
    """The run's, its policy as it was trained."""
    with_controller: Callable[[str], Agent]
    """The same with another controller, by name, at the same budgets."""
    name: str
    """Of the row, for messages."""
    knob: str = "rows"
    """The setting that named it, for messages."""
    greedy: bool = True
    """Take the likeliest everywhere; False draws, as training does (``evaluation.greedy``)."""

    def need_writer(self) -> None:
        """Raises ConfigError unless the policy can write any text."""
        policy = self.agent.policy
        if not getattr(policy, "writes_freely", False):
            way_out = f"it needs a policy that writes freely, such as 'hf'; {type(policy).__name__} does not"
            raise ConfigError(self.knob, self.name, way_out)
