"""What part of LoCoMo a task plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from memrl.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LocomoTheta:
    """One dialogue, or the start of it."""

    dialogue: int = -1
    """Index into the file; -1 lets the task's seed choose (seed modulo the number of dialogues)."""
    max_questions: int = 0
    """Ask at most so many, spread evenly over the dialogue's list; 0 for all."""
    max_turns: int = 0
    """Tell at most the first so many turns, and ask only what they give the evidence for; 0 for all."""
    corrected: bool = False
    """Judge by the corrected answers of the audit file beside the data."""

    def __post_init__(self) -> None:
        for name, least in (("dialogue", -1), ("max_questions", 0), ("max_turns", 0)):
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"env.options.{name}", value, f"it must be a whole number of at least {least}")
        if not isinstance(self.corrected, bool):
            raise ConfigError("env.options.corrected", self.corrected, "it must be true or false")

    @property
    def horizon(self) -> int:
        """Another name of ``max_turns``."""
        return self.max_turns

    @classmethod
    def from_mapping(cls, axes: Mapping[str, Any]) -> Self:
        """A theta from some of its axes; ``horizon`` means ``max_turns``. Raises ConfigError for an unknown axis."""
        renamed = {"max_turns" if name == "horizon" else name: value for name, value in axes.items()}
        known = {axis.name for axis in fields(cls)}
        for name in renamed:
            if name not in known:
                raise ConfigError("env.options", name, f"locomo has no such axis; it has {', '.join(sorted(known))}")
        return cls(**renamed)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocomoOptions(LocomoTheta):
    """Of the environment "locomo": what to play, and where it is read from."""

    data: str | None = None
    """The file or its folder; None looks in ``MEMRL_DATA``, then in ``../shared/data``."""
