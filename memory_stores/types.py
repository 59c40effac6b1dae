"""What is remembered and what may be done to it: items, edges, hits and the eight memory ops.

Plain frozen data; needs only the standard library. A store takes a ``MemoryOp`` and a ``Stamp`` and
answers with an ``OpResult``; nothing here knows who decides (a learned controller, a rule, a person).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

StoreName = Literal["token", "graph", "archive"]
"""The three stores behind one memory: in view at all times, walked, searched."""

CountTokens = Callable[[str], int]
"""How many tokens a text costs; passed in, so that a budget means the reader's own tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who does an op, when, and because of what: provenance, copied to whatever the op writes."""

    step: int = 0
    """The environment's clock; becomes ``valid_at`` of what is written."""
    observation_id: str = ""
    """The observation the text came from; empty for text that a person typed in."""
    writer: str = "user"
    """The actor that decided."""
    trust: float = 1.0
    """How far the source may be believed, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text in memory."""

    id: str
    """Unique within its store for ever: an overwritten item's successor has a new id."""
    text: str
    tokens: int
    stamp: Stamp
    """Where it came from. ``stamp.step`` is when it was written."""
    replaces: str | None = None
    """The id of the item it overwrote."""
    uses: int = 0
    """How often it was retrieved."""
    used_at: int = -1
    """Step of the last retrieval; -1 for never."""

    @property
    def valid_at(self) -> int:
        return self.stamp.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One typed, dated relation between two entities."""

    id: str
    subject: str
    relation: str
    object: str
    tokens: int
    stamp: Stamp
    invalid_at: int | None = None
    """Step at which it stopped holding; None while it holds."""
    replaces: str | None = None
    """The id of the edge that it superseded."""
    uses: int = 0
    used_at: int = -1

    @property
    def valid_at(self) -> int:
        return self.stamp.step

    @property
    def text(self) -> str:
        """How the edge reads in a prompt."""
        return f"{self.subject} {self.relation} {self.object}"


Entry = Item | Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One entry found by ``Retrieve``."""

    id: str
    text: str
    store: StoreName
    score: float
    """Higher is better, in [0, 1]."""
    tokens: int
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave memory as it is."""


@dataclass(frozen=True, slots=True)
class Write:
    """Add a text."""

    text: str
    store: StoreName = "token"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Put ``text`` in the place of item ``id``, which is gone afterwards."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove item ``id``."""

    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """Add an edge."""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True, slots=True)
class Relink:
    """Edge ``id`` now points to ``object``; the old edge stays as history while the budget has room.

    Stamped with a step before the edge's own it is a late report, and refused: the newer edge stays.
    """

    id: str
    object: str


@dataclass(frozen=True, slots=True)
class Unlink:
    """Remove edge ``id`` and its history."""

    id: str


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Bring up to ``k`` entries into view."""

    query: str
    store: StoreName = "archive"
    k: int = 4
    hops: int = 0
    """For the graph: length of the walk from the query's entities; 0 ranks by personalised PageRank."""
    ids: tuple[str, ...] = ()
    """Exactly these entries, in this order, in place of a search; ``k`` and ``hops`` then say nothing."""


MemoryOp = Keep | Write | Overwrite | Forget | Link | Relink | Unlink | Retrieve
MEMORY_OPS = (Keep, Write, Overwrite, Forget, Link, Relink, Unlink, Retrieve)


class Refusal(Enum):
    """Why a store did not carry out an op. The store is as it was before."""

    OVER_BUDGET = "over_budget"
    UNKNOWN_ID = "unknown_id"
    EMPTY_TEXT = "empty_text"
    DUPLICATE = "duplicate"
    NO_SUCH_STORE = "no_such_store"
    UNSUPPORTED = "unsupported"
    """This store has no such op (a token store cannot ``Link``)."""
    BAD_ARGUMENT = "bad_argument"
    """For instance ``k`` below 1."""
    OUT_OF_DATE = "out_of_date"
    """The edge to be relinked holds since a later step than the op's stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpResult:
    """What an op did. Truth is ``result.done``; a refusal is data, not an exception."""

    created: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = field(default=())
    refused: Refusal | None = None

    @property
    def done(self) -> bool:
        return self.refused is None
