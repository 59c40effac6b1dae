"""Text to proposed edges: the contract of an entity linker.

pattern      word patterns for plain English sentences (``pattern_linker``)
comention    names that stand in one text, found by capitals alone (``comention_linker``)
spacy        subject, verb and object by spaCy's parser (``spacy_linker``, needs ``memrl[spacy]``)
none         no text is read for relations
"""

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
    many: bool = False
    """True where a subject may have several such relations at a time, so that none takes the place of another."""


class EntityLinker(Protocol):
    """Proposes; whoever decides may decline."""

    def link(self, text: str) -> tuple[ProposedEdge, ...]:
        """Edges that the text states, in reading order; empty for a text that states none."""
        ...


def no_linker() -> None:
    """The linker "none": no text is read for relations."""


PARTS = (("linker", "none", no_linker, None),)
"""What can be had by name: (kind, name, make, options)."""
