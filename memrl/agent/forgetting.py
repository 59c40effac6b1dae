"""Which entries "forget my phone number" means: those that a search finds above a stated score."""

from __future__ import annotations

from collections.abc import Sequence

from memory_stores.types import Item
from memrl.agent.results import Found

THRESHOLD = 0.5
"""Score of ``search`` from which an entry is what was meant."""
SHOWN = 5
"""How many of those that stay are told of."""


def chosen(hits: Sequence[Found], threshold: float, by_id: bool) -> tuple[tuple[Found, ...], tuple[Found, ...]]:
    """What goes and what stays, best first. Only items can go: an edge's text is not its own."""
    items = [hit for hit in hits if isinstance(hit.entry, Item)]
    gone = tuple(hit for hit in items if by_id or hit.score >= threshold)
    return gone, tuple(hit for hit in items if hit not in gone)[:SHOWN]
