"""What an agent hands back: what became of an observation, an answer, what was found, what was forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from memory_stores.types import Entry, MemoryOp, StoreName
from memrl.contracts.types import Decision, ViewLine


class Fate(Enum):
    """What became of an observation."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    """The same text is held already: it is held once, as the newest."""
    REFUSED = "refused"
    """It could not be kept; ``Observed.reason`` says why. Memory is as it was."""
    NOT_WORTH_KEEPING = "not_worth_keeping"
    """The controller decided against it."""


class Reason(Enum):
    """Why an observation was refused."""

    BLANK = "blank"
    OVER_BUDGET = "over_budget"
    """Memory has no room for it, and nothing may go for it."""
    TOO_LONG = "too_long"
    """It is longer than all that memory may hold, or no part of it could ever be seen."""
    TAKEN_BACK = "taken_back"
    """It was deleted, changed or forgotten since, and is only sent again with the conversation in which it was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What became of one observation. True where its text is in memory now; iterates over the ids that hold it."""

    fate: Fate
    ids: tuple[str, ...] = ()
    """Entries that hold it: several where a long text was cut."""
    ops: tuple[MemoryOp, ...] = ()
    """What was done to memory for it, making room included."""
    reason: Reason | None = None
    """Where it was refused."""
    evicted: tuple[str, ...] = ()
    """Entries that went to make room."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def kept(self) -> bool:
        return self.fate is Fate.KEPT

    @property
    def duplicate(self) -> bool:
        return self.fate is Fate.DUPLICATE

    @property
    def refused(self) -> bool:
        return self.fate is Fate.REFUSED

    def __str__(self) -> str:
        gone = f" ({len(self.evicted)} older ones made room)" if self.evicted else ""
        match self.fate:
            case Fate.KEPT:
                return f"remembered{gone}"
            case Fate.DUPLICATE:
                return "already known"
            case Fate.NOT_WORTH_KEEPING:
                return f"not worth keeping{gone}"
            case Fate.REFUSED:
                return _REFUSED[self.reason or Reason.OVER_BUDGET]


_REFUSED = {
    Reason.BLANK: "nothing to remember: the text is blank",
    Reason.OVER_BUDGET: "no room",
    Reason.TOO_LONG: "too long: memory could never hold it, or no view could show it",
    Reason.TAKEN_BACK: "taken back: it was deleted, changed or forgotten since it was said",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent said, and why."""

    text: str
    used: tuple[ViewLine, ...]
    """Items and edges that were in view, as they were shown."""
    ops: tuple[MemoryOp, ...]
    """What the controller did to get them there."""
    id: str = ""
    """Names the answer in feedback."""
    question: str = ""
    prompt_tokens: int = 0
    """Tokens that the model read; 0 where nobody counted."""
    decisions: tuple[Decision, ...] = field(default=(), repr=False)
    """All that was decided for it: what ``feedback`` learns from."""
    observed: tuple[Observed, ...] = field(default=(), repr=False)
    """Of a chat: what became of what users stated, turn by turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is known of an entry besides its text and its stamp."""

    time: float | None = None
    """Clock time at which it was said, seconds since 1970; None where nobody knows."""
    source: str = ""
    """Who or what said it."""
    also: tuple[str, ...] = ()
    """Others who said the same before, each once."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON-ready, whatever the caller wants to find again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entry, as a search or a listing shows it."""

    id: str
    text: str
    score: float
    """Higher is better, in [0, 1]; 1 where nothing was searched for."""
    store: StoreName
    trust: float
    details: Details
    entry: Entry = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was forgotten, or would be. True where that is anything."""

    gone: tuple[Found, ...]
    """What was held, best first."""
    keeps: tuple[Found, ...]
    """What resembles it less and stays, best first."""
    past: tuple[Found, ...] = ()
    """What was no longer held (deleted, evicted, or an earlier text of an entry) and is out of the past now; each text
    once."""
    together: tuple[str, ...] = ()
    """Ids of those that went, held or not, because they are pieces of the same long text as one that matches."""
    dry_run: bool = False
    """True where nothing was done yet."""

    def __bool__(self) -> bool:
        return bool(self.gone or self.past)
