"""Text to proposed edges: the contract of an entity linker. ``pattern_linker`` keeps it with word patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProposedEdge:
    """A relation that a text seems to state."""

    subject: str
    relation: str
    object: str
    negated: bool = False
    """True where the text says that the relation no longer holds."""


class EntityLinker(Protocol):
    """Proposes; whoever decides may decline."""

    def link(self, text: str) -> tuple[ProposedEdge, ...]:
        """Edges that the text states, in reading order; empty for a text that states none."""
        ...


def no_linker() -> None:
    """The linker "none": no text is read for relations."""


PARTS = (("linker", "none", no_linker, None),)
"""What can be had by name: (kind, name, make, options)."""
