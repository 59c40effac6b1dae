"""What a page tells, as plain data: moments in order, and the life of every entry.

Steps are counted from 0 in the order in which they were lived; an observation's own clock is told beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from memory_stores.types import Edge, Entry, Forget, Keep, Link, MemoryOp, Overwrite, Relink, Retrieve, Unlink, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One op that could have been chosen."""

    op: str
    share: float | None
    """Its probability, None where the controller has none."""
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision of an actor."""

    actor: str
    said: str
    """The op, or the text."""
    offers: tuple[Offered, ...] = ()
    """Likeliest first; not all of them where there were many."""
    left_out: int = 0
    """Offers that are not listed."""
    refused: bool = False
    credit: float | None = None
    """Its advantage, where there were siblings to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacked:
    """An observation that an answer rests on and that was not in view."""

    step: int
    text: str
    fate: str
    """What had become of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step."""

    id: str
    clock: float
    text: str
    source: str = ""
    trust: float = 1.0
    asks: bool = False
    decisions: tuple[Decided, ...] = ()
    born: tuple[str, ...] = ()
    """Ids of entries that were not there before it."""
    gone: tuple[str, ...] = ()
    """Ids of those that were there and are not any more."""
    view: tuple[str, ...] = ()
    """Ids of what was in view."""
    reward: float = 0.0
    answer: str | None = None
    expected: str | None = None
    score: float | None = None
    lacked: tuple[Lacked, ...] = ()
    """Why an answer was not right: known where the environment knows what answers rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One entry from its beginning to its end."""

    text: str
    store: str
    """token, graph or archive."""
    tokens: int
    born: int
    """Step."""
    gone: int | None = None
    ends: tuple[str, str, str] | None = None
    """Subject, relation and object of an edge."""
    replaces: str | None = None
    """The entry in whose place it came."""
    source: str = ""
    """The observation that it came from."""
    writer: str = ""
    trust: float = 1.0
    uses: tuple[int, ...] = ()
    """Steps at which it was in view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One episode, or one memory file, from beginning to end."""

    name: str
    moments: tuple[Moment, ...]
    lives: dict[str, Life]
    budget: int
    """Tokens that memory may hold; 0 where it does not say."""
    about: dict[str, str]
    """Facts about it, for people: name -> what to print."""


def life_of(entry: Entry, store: str, t: int) -> Life:
    """Of an entry that is held since step ``t``."""
    return Life(
        text=entry.text,
        store=store,
        tokens=entry.tokens,
        born=t,
        ends=(entry.subject, entry.relation, entry.object) if isinstance(entry, Edge) else None,
        replaces=entry.replaces,
        source=entry.stamp.observation_id,
        writer=entry.stamp.writer,
        trust=entry.stamp.trust,
    )


def told(op: MemoryOp) -> str:
    """An op in one short line."""
    match op:
        case Keep():
            return "Keep"
        case Write(text, store):
            return f"Write to {store}: {text}"
        case Overwrite(id, text):
            return f"Overwrite {id}: {text}"
        case Forget(id):
            return f"Forget {id}"
        case Link(subject, relation, object_):
            return f"Link {subject} — {relation} → {object_}"
        case Relink(id, object_):
            return f"Relink {id} → {object_}"
        case Unlink(id):
            return f"Unlink {id}"
        case Retrieve(ids=ids) if ids:
            return f"Retrieve {', '.join(ids)}"
        case Retrieve(query, store, k):
            return f"Retrieve {k} from {store}: {query}"
