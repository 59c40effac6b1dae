"""``Calls``: a small language of calls, as data. Who can samples under it; whoever reads a text parses by the same.

overwrite 2 lantern attic then forget 1
└─ head ──┘ └── text ───┘ join └ head ┘
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How one call begins."""

    text: str
    """Words, one blank between two, such as "overwrite 2"."""
    takes_text: bool = False
    """Whether at least one word of one's own follows; else the call is complete."""
    uses: str = ""
    """What no second call may use, such as a number; empty for nothing."""
    alone: bool = False
    """Whether no other call goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one moment: one of the heads, then more of them, each after ``join``."""

    heads: tuple[Head, ...]
    join: str = "then"
    """The word between two calls. In a text of one's own it begins a call while another may follow."""
    most: int = 1
    """Calls in a row."""
    max_tokens: int = 64
    """Of all of them. A call is begun only where there is room for its head, and for a word of text."""

    def after(self, used: tuple[Head, ...]) -> tuple[Head, ...]:
        """Heads that may follow calls that were made."""
        if not used:
            return self.heads
        if len(used) >= self.most or any(head.alone for head in used):
            return ()
        taken = {head.uses for head in used if head.uses}
        return tuple(head for head in self.heads if not head.alone and head.uses not in taken)
