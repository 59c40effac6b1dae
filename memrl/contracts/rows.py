"""Rows of an evaluation that are more than a controller: another way to play the same tasks at the same budgets.

A part of kind "row" is made from a ``RowContext`` and plays tasks; one file each in ``rollouts/rows/``. Any controller
is a row as well, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from memrl.contracts.errors import ConfigError
from memrl.contracts.imports import attribute_of
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import Part, find, names
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


def row_kind(name: str, knob: str = "rows") -> str:
    """Whether a row is a part of kind "row" or a controller; of "module:attr", who can ``play`` is a row."""
    if ":" in name:
        return "row" if hasattr(attribute_of(name, knob), "play") else "controller"
    return "row" if name in names("row") else "controller"


def find_row(name: str, knob: str) -> Part:
    """Who plays a row of an evaluation: a part of kind "row", or a controller. Raises as ``registry.find`` does."""
    kind = row_kind(name, knob)
    try:
        return find(kind, name, knob)
    except ConfigError as error:
        if kind == "row" or ":" in name or name in names(kind):
            raise
        rows = ", ".join(names("row"))
        raise ConfigError(knob, name, f"{error.way_out}; or one of the rows {rows}") from error


def played(name: str, knob: str, given: Any, asked: int) -> list[Played]:
    """What a row gave back, if it is one ``Played`` a task. Raises ConfigError, naming the row and what it did."""
    found = list(given) if isinstance(given, Iterable) else []
    wrong = next((one for one in found if not isinstance(one, Played) or not isinstance(one.episode, Episode)), None)
    if wrong is not None or len(found) != asked:
        what = f"a {type(wrong).__name__}" if wrong is not None else f"{len(found)}"
        told = what if isinstance(given, Iterable) else f"a {type(given).__name__}"
        raise ConfigError(knob, name, f"play() gave {told} for {asked} tasks; give a list of one Played each, in order")
    return found


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
