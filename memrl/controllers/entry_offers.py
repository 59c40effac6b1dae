"""Reading as a decision per entry: Keep, or bring one more entry into view, until the read budget is full.

    query + archive and graph ──> candidates (``entry_features``)
                              ──> those that fit and are not in view yet ──> Keep | Retrieve…

Each offer is described by how the entry fits the query and by what it has in common with what is in view, so that a
second piece of evidence can be found through the first. What may be done to memory is offered by ``OpOffers``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from memory_stores.memory import AgentMemory
from memory_stores.types import Keep, MemoryOp, Retrieve, StoreName
from memrl.contracts.checks import check
from memrl.contracts.contexts import OffersContext
from memrl.contracts.protocols import OfferRequest, Offers
from memrl.contracts.registry import register
from memrl.contracts.texts import TextTable
from memrl.contracts.types import OfferSet
from memrl.controllers.entry_features import (
    FIT_NAMES,
    MATCH_NAME,
    NOTHING,
    PAIR_NAMES,
    STORY_NAMES,
    Candidates,
    candidates,
    in_view,
)
from memrl.controllers.entry_index import Indices, Key, parts_of
from memrl.controllers.offers import OpOffers

STATE_NAMES = ("room", "in_view", "keep", "read")
"""Numbers that all candidates of a moment share, and which op it is."""


QUERIES_KEPT = 4096
"""Queries over a memory whose candidates are kept, some 60 kB each."""
ROOM = 512.0
AHEAD = 256
"""Entries after which the index of a memory that nobody asks is brought up to date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOptions:
    """Of the offers "entries"."""

    candidates: int = 64
    """Entries that may be read for one query, the most promising."""
    story: bool = False
    """True tells of an entry also its age, how far its source may be believed, and how many newer entries match the
    rarest tokens of the query as well: for memories in which later texts overtake earlier ones."""
    matches: int = 0
    """Tokens of a query, the first, of which it tells how well an entry matches each: for a scorer that learns which of
    them matter (``controller.options.query_heads``)."""

    def __post_init__(self) -> None:
        check(self, "controller.offers_options.", candidates="[1, 4096]", matches="[0, 512]")


def read_names(options: EntryOptions) -> tuple[str, ...]:
    """What the numbers of an offered reading mean, in order."""
    matches = map(MATCH_NAME.format, range(options.matches))
    fit = (*FIT_NAMES, *(STORY_NAMES if options.story else ()), *matches)
    return tuple(f"read_{name}" for name in (*fit, *PAIR_NAMES, *STATE_NAMES))


class EntryOffers:
    """Offers readings entry by entry, and whatever ``writes`` offers for the rest.

    Args:
        table: keeps texts by token (``TextTable.by_token``).
        writes: lists what may be done to memory; its numbers come first, readings have zeros there.
    """

    def __init__(self, table: TextTable, writes: Offers, options: EntryOptions) -> None:
        self._table, self._writes, self._options = table, writes, options
        self._indices = Indices(table)
        self._kept: OrderedDict[tuple[Key, str, float], Candidates] = OrderedDict()
        self._generation = table.generation
        self._going_on: WeakKeyDictionary[AgentMemory, tuple[str, Candidates]] = WeakKeyDictionary()
        """Memories that are being read, the query and its candidates: while the view grows they stay as they are."""
        self._own_names = read_names(options)
        self.names = (*writes.names, *self._own_names)
        self.columns = writes.columns

    def took_in(self, memory: AgentMemory, text: str) -> None:
        """A text may have been remembered: have ready what a question will need of it. What that costs does not grow
        with memory, but for once in a while."""
        self._indices.vocabulary.facts([text])
        if sum(map(len, parts_of(memory))) >= self._indices.known(memory) + AHEAD:
            self._indices.of(memory)

    def offers(self, requests: Sequence[OfferRequest]) -> list[OfferSet]:
        """One set a request, in order."""
        found: list[OfferSet | None] = [self._reads(one) if one.reads else None for one in requests]
        others = [one for one in requests if not one.reads]
        rest = iter(self._writes.offers(others) if others else ())
        return [Widened(next(rest), len(self._own_names)) if own is None else own for own in found]

    def _reads(self, request: OfferRequest) -> OfferSet:
        text = request.observation.text
        if request.room <= 0 or not any(map(len, parts_of(request.memory))):
            return EntryReads(NOTHING, (), 0, text, len(self._writes.names), self.columns, len(self._own_names))
        before, own = self._going_on.get(request.memory, ("", NOTHING))
        if not request.view or before != text:
            own = self._candidates(request, text)
            self._going_on[request.memory] = text, own
        place = {id: i for i, id in enumerate(own.ids)}
        seen = tuple(place[hit.id] for hit in request.view if hit.id in place)
        return EntryReads(own, seen, request.room, text, len(self._writes.names), self.columns, len(self._own_names))

    def _candidates(self, request: OfferRequest, text: str) -> Candidates:
        if self._generation != self._table.generation:
            self._generation = self._table.generation
            self._kept.clear()
        key = self._indices.keys.of(request.memory), text, request.trusted
        own = self._kept.get(key)
        if own is not None:
            self._kept.move_to_end(key)
            return own
        self._table.add([text])
        index = self._indices.of(request.memory)
        [query] = self._indices.vocabulary.facts([text])
        knobs = self._options
        own = self._kept[key] = candidates(
            index, query, text, self._table, knobs.candidates, knobs.story, knobs.matches, request.trusted
        )
        if len(self._kept) > QUERIES_KEPT:
            self._kept.popitem(last=False)
        return own


class EntryReads(OfferSet):
    """Keep, and every candidate that fits the room and is not in view; described when somebody asks."""

    __slots__ = ("_before", "_columns", "_fits", "_own", "_query", "_room", "_seen", "_width")

    def __init__(
        self, own: Candidates, seen: tuple[int, ...], room: int, query: str, before: int, columns: int, width: int
    ) -> None:
        free = np.ones(len(own.ids), dtype=bool)
        free[list(seen)] = False
        for name, value in (
            ("_own", own), ("_seen", seen), ("_room", room), ("_query", query), ("_before", before),
            ("_columns", columns), ("_width", width), ("_fits", np.flatnonzero(free & (own.costs <= room))),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return 1 + len(self._fits)

    def op(self, index: int) -> MemoryOp:
        if index == 0:
            return Keep()
        id = self._own.ids[self._fits[index - 1]]
        return Retrieve(self._query, _STORES[id[0]], 1, ids=(id,))

    @property
    def ops(self) -> tuple[MemoryOp, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(map(self.op, range(len(self))))

    @property
    def rows(self) -> NDArray[np.integer]:  # pyright: ignore[reportIncompatibleVariableOverride]
        rows = np.full((len(self), self._columns), -1, dtype=np.int32)
        rows[:, 0] = self._own.query_row
        rows[1:, 2] = self._own.rows[self._fits]
        return rows

    @property
    def numbers(self) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleVariableOverride]
        out = np.zeros((len(self), self._before + self._width), dtype=np.float32)
        read = out[:, self._before :]
        fit = self._own.numbers.shape[1]
        read[1:, :fit] = self._own.numbers[self._fits]
        read[1:, fit : fit + len(PAIR_NAMES)] = in_view(self._own, self._seen)[self._fits]
        read[:, -4] = min(self._room / ROOM, 2.0)
        read[:, -3] = len(self._seen) / 10.0
        read[0, -2] = read[1:, -1] = 1.0
        return out


class Widened(OfferSet):
    """Offers with further numbers that say nothing."""

    __slots__ = ("_more", "_own")

    def __init__(self, own: OfferSet, more: int) -> None:
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_more", more)

    def __len__(self) -> int:
        return len(self._own)

    def op(self, index: int) -> MemoryOp:
        return self._own.op(index)

    @property
    def ops(self) -> tuple[MemoryOp, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._own.ops

    @property
    def rows(self) -> NDArray[np.integer]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._own.rows

    @property
    def numbers(self) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return np.pad(self._own.numbers, ((0, 0), (0, self._more)))


_STORES: dict[str, StoreName] = {"a": "archive", "g": "graph"}


def _make(context: OffersContext, options: EntryOptions) -> EntryOffers:
    context.table.keep_tokens("these offers", context.cache)
    writes = OpOffers(
        context.table, context.count_tokens, context.linker, edges=context.edges, subjects=context.subjects
    )
    return EntryOffers(context.table, writes, options)


register("offers", "entries", _make, EntryOptions)
