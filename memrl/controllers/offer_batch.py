"""The offers of many moments, described in arrays at once and kept small.

    moments ──> lines: the entries that some op would touch ──> candidates: Keep, Write, Overwrite…, Forget…, others

What all candidates of a moment share is kept once a moment; what is known of an entry stays with the entry
(``offer_facts``); of a pair of moment and entry 13 bytes are kept. The wide arrays that a network reads are made when
they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import (
    MEMORY_OPS,
    Forget,
    Keep,
    MemoryOp,
    Overwrite,
    Retrieve,
    Write,
)
from memrl.contracts.offer_sets import OfferSet, Stacked
from memrl.controllers.offer_facts import Facts

# Shapes: M moments, L lines (an entry that an op of a moment would touch), N candidates, X of them listed one by one,
# K columns of rows, F numbers.

NUMBER_NAMES = (
    *(op.__name__.lower() for op in MEMORY_OPS),
    "to_archive", "from_archive", "touches_item", "hops", "k",
    "cosine", "overlap", "nearest", "is_nearest",
    "age", "rank", "uses", "touched_tokens", "trust", "touched_trust",
    "fill", "text_tokens", "ops_so_far", "held_already",
    "states", "takes_back", "conflict", "conflicts_held", "superseded", "touched_states",
)  # fmt: skip
"""What the F numbers of an offer mean, in order."""

NUM_NUMBERS = len(NUMBER_NAMES)
AT = {name: i for i, name in enumerate(NUMBER_NAMES)}
KIND = {op: i for i, op in enumerate(MEMORY_OPS)}
SHARED = (
    "nearest", "trust", "fill", "text_tokens", "ops_so_far", "held_already", "states", "takes_back", "conflicts_held",
)  # fmt: skip
"""Numbers that are the same for all candidates of a moment."""
_SHARED_AT = [AT[name] for name in SHARED]
CONFLICT, OVERTAKEN, FITS, TOKEN = 1, 2, 4, 8
"""Flags of a line: it speaks of the same; it is out of date; an Overwrite of it is on offer; it is in token memory."""


class Extra(NamedTuple):
    """A candidate that is listed by itself: of the graph, the archive, a retrieval."""

    op: MemoryOp
    row: int
    """Of the text that it would put into memory; -1 for none."""
    line: int
    """Of the entry that it would touch, counted from its moment's first; -1 for none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OfferBatch:
    """M moments."""

    facts: Facts
    subjects: bool
    """Whether rows have five columns, not three."""
    texts: Sequence[str]
    """[M] of the observations."""
    rows: NDArray[np.int32]
    """[M, 2] of the observation and of its subject, in the text table."""
    steps: NDArray[np.int64]
    """[M]"""
    shared: NDArray[np.float32]
    """[M, len(SHARED)]"""
    writes: NDArray[np.bool_]
    """[M] whether a Write into token memory is on offer."""
    held: NDArray[np.bool_]
    """[M] whether token memory holds the observation already."""
    first_line: NDArray[np.int32]
    """[M + 1]"""
    slots: NDArray[np.int32]
    """[L]"""
    flags: NDArray[np.uint8]
    """[L]"""
    cosines: NDArray[np.float32]
    """[L] of the entry to the observation."""
    overlaps: NDArray[np.float32]
    """[L] shared content words over all content words."""
    extras: Sequence[Sequence[Extra]]
    """[M]"""
    first: NDArray[np.int64]
    """[M + 1] where each moment's candidates start."""

    def sets(self) -> list[OfferSet]:
        """One set a moment; each keeps this batch alive."""
        counts = np.diff(self.first).tolist()
        return [DescribedOffers(self, i, count) for i, count in enumerate(counts)]

    def op(self, moment: int, index: int) -> MemoryOp:
        """One candidate of a moment."""
        text, head = self.texts[moment], 1 + bool(self.writes[moment])
        if index < head:
            return Keep() if index == 0 else Write(text)
        count = int(self.first[moment + 1] - self.first[moment])
        extras = self.extras[moment]
        if index >= count - len(extras):
            return extras[index - count + len(extras)].op
        line = int(self.first_line[moment])
        index -= head
        for flags in self.flags[line : self.first_line[moment + 1]].tolist():
            width = (1 + (flags & FITS > 0)) if flags & TOKEN else 0
            if index < width:
                break
            index -= width
            line += 1
        id = self.facts.entries[self.slots[line]].id
        return Forget(id) if index == width - 1 else Overwrite(id, text)

    def ops(self, moment: int) -> tuple[MemoryOp, ...]:
        """All candidates of a moment."""
        text = self.texts[moment]
        found: list[MemoryOp] = [Keep()]
        if self.writes[moment]:
            found.append(Write(text))
        lines = slice(self.first_line[moment], self.first_line[moment + 1])
        for slot, flags in zip(self.slots[lines].tolist(), self.flags[lines].tolist(), strict=True):
            if flags & TOKEN:
                id = self.facts.entries[slot].id
                if flags & FITS:
                    found.append(Overwrite(id, text))
                found.append(Forget(id))
        return (*found, *(extra.op for extra in self.extras[moment]))

    def take(self, moments: NDArray[np.integer]) -> OfferBatch:
        """Some of the moments, in that order."""
        counts = np.diff(self.first_line)[moments]
        lines = _within(counts) + np.repeat(self.first_line[moments], counts)
        return OfferBatch(
            facts=self.facts,
            subjects=self.subjects,
            texts=[self.texts[i] for i in moments],
            rows=self.rows[moments],
            steps=self.steps[moments],
            shared=self.shared[moments],
            writes=self.writes[moments],
            held=self.held[moments],
            first_line=_starts(counts).astype(np.int32),
            slots=self.slots[lines],
            flags=self.flags[lines],
            cosines=self.cosines[lines],
            overlaps=self.overlaps[lines],
            extras=[self.extras[i] for i in moments],
            first=_starts(np.diff(self.first)[moments]),
        )

    def stacked(self, moments: Sequence[int] | None = None) -> Stacked:
        """The candidates of these moments in a row, as a network reads them; None for all."""
        if moments is not None and (len(moments) != len(self.texts) or list(moments) != list(range(len(moments)))):
            return self.take(np.asarray(moments, dtype=np.int64)).stacked()
        return _Description(self).stacked()


class _Description:
    """Makes the wide arrays of a batch."""

    def __init__(self, batch: OfferBatch) -> None:
        self.batch = batch
        self.counts = np.diff(batch.first)
        self.moment_of = np.repeat(np.arange(len(self.counts)), self.counts)
        self.line_moment = np.repeat(np.arange(len(self.counts)), np.diff(batch.first_line))
        size = len(self.moment_of)
        self.kind = np.zeros(size, dtype=np.int64)
        self.line = np.full(size, len(batch.slots), dtype=np.int64)  # the line after the last stands for none
        self.text = np.full(size, -1, dtype=np.int32)
        self.special = np.zeros((0, NUM_NUMBERS), dtype=np.float32)
        self.special_at = np.zeros(0, dtype=np.int64)

    def stacked(self) -> Stacked:
        self._place_token_ops()
        self._place_extras()
        batch, columns = self.batch, self.batch.facts.columns
        shared = np.zeros((len(self.counts), NUM_NUMBERS), dtype=np.float32)
        shared[:, _SHARED_AT] = batch.shared
        numbers = shared[self.moment_of]
        numbers += self._line_numbers()[self.line]
        numbers[np.arange(len(numbers)), self.kind] = 1.0
        numbers[self.special_at] += self.special
        none = np.int32([-1])
        rows = np.empty((len(numbers), 5 if batch.subjects else 3), dtype=np.int32)
        rows[:, 0] = batch.rows[self.moment_of, 0]
        rows[:, 1] = self.text
        rows[:, 2] = np.concatenate([columns["row"][batch.slots], none])[self.line]
        if batch.subjects:
            rows[:, 3] = batch.rows[self.moment_of, 1]
            rows[:, 4] = np.concatenate([columns["subject"][batch.slots], none])[self.line]
        return Stacked(rows, numbers, self.counts)

    def _place_token_ops(self) -> None:
        """Where Keep, Write, and the Overwrite and Forget of each item of token memory stand."""
        batch = self.batch
        at = batch.first[:-1][batch.writes] + 1
        self.kind[at] = KIND[Write]
        self.text[at] = batch.rows[batch.writes, 0]
        lines = np.flatnonzero(batch.flags & TOKEN)
        if not len(lines):
            return
        moment, fits = self.line_moment[lines], batch.flags[lines] & FITS > 0
        num = _num_ops(batch.flags)
        before = num.cumsum() - num  # ops of all lines before a line, then of its own moment's alone
        before = before - np.append(before, num.sum())[batch.first_line[:-1]][self.line_moment]
        at = batch.first[moment] + 1 + batch.writes[moment] + before[lines]
        over = at[fits]
        self.kind[over], self.line[over], self.text[over] = KIND[Overwrite], lines[fits], batch.rows[moment[fits], 0]
        # Where an Overwrite lacks room, forgetting is its first half; to a scorer it is the same op, or else one that
        # learned to overwrite would have to learn this rarer case apart.
        frees = ~fits & ~batch.held[moment]
        at = at + fits
        self.kind[at], self.line[at] = np.where(frees, KIND[Overwrite], KIND[Forget]), lines
        self.text[at[frees]] = batch.rows[moment[frees], 0]

    def _place_extras(self) -> None:
        batch = self.batch
        listed = [(i, extra) for i, own in enumerate(batch.extras) for extra in own]
        if not listed:
            return
        num = np.array([len(own) for own in batch.extras], dtype=np.int64)
        at = np.repeat(batch.first[1:] - num, num) + _within(num)
        line = np.array(
            [batch.first_line[i] + e.line if e.line >= 0 else len(batch.slots) for i, e in listed], dtype=np.int64
        )
        self.kind[at] = [KIND[type(extra.op)] for _, extra in listed]
        self.line[at] = line
        self.text[at] = [extra.row for _, extra in listed]
        self.special_at, self.special = at, np.zeros((len(at), NUM_NUMBERS), dtype=np.float32)
        for out, (_, extra) in zip(self.special, listed, strict=True):
            if isinstance(extra.op, Retrieve):
                out[AT["k"]], out[AT["hops"]] = extra.op.k / 4.0, extra.op.hops
                out[AT["from_archive"]] = extra.op.store == "archive"
            elif isinstance(extra.op, Write):
                out[AT["to_archive"]] = extra.op.store == "archive"

    def _line_numbers(self) -> NDArray[np.float32]:
        """[L + 1, F]: what is known of the touched entry; nothing in the last."""
        batch, columns = self.batch, self.batch.facts.columns
        out = np.zeros((len(batch.slots) + 1, NUM_NUMBERS), dtype=np.float32)
        lines, slots = out[:-1], batch.slots
        if not len(slots):
            return out
        steps = columns["step"][slots]
        lines[:, AT["cosine"]] = batch.cosines
        lines[:, AT["overlap"]] = batch.overlaps
        nearest = batch.shared[self.line_moment, SHARED.index("nearest")]
        lines[:, AT["is_nearest"]] = batch.cosines >= nearest - np.float32(1e-6)
        lines[:, AT["age"]] = np.log1p(np.maximum(batch.steps[self.line_moment] - steps, 0)) / 4.0
        lines[:, AT["rank"]] = ranks(self.line_moment, steps)
        lines[:, AT["uses"]] = columns["uses"][slots]
        lines[:, AT["touched_tokens"]] = columns["cost"][slots] / 32.0
        lines[:, AT["touched_trust"]] = columns["trust"][slots]
        lines[:, AT["touches_item"]] = columns["is_item"][slots]
        lines[:, AT["conflict"]] = batch.flags & CONFLICT > 0
        lines[:, AT["superseded"]] = batch.flags & OVERTAKEN > 0
        lines[:, AT["touched_states"]] = columns["num_keys"][slots]
        return out


class DescribedOffers(OfferSet):
    """The offers of one moment of a batch."""

    __slots__ = ("_count", "batch", "moment")

    def __init__(self, batch: OfferBatch, moment: int, count: int) -> None:
        _set(self, "batch", batch)
        _set(self, "moment", moment)
        _set(self, "_count", count)

    def __len__(self) -> int:
        return self._count

    def op(self, index: int) -> MemoryOp:
        return self.batch.op(self.moment, range(self._count)[index])

    @property
    def ops(self) -> tuple[MemoryOp, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.batch.ops(self.moment)

    @property
    def rows(self) -> NDArray[np.integer]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.batch.stacked([self.moment]).rows

    @property
    def numbers(self) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.batch.stacked([self.moment]).numbers


_set = object.__setattr__


def ranks(moment: NDArray[np.integer], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """[L] place of each line's step among the different steps of its moment, from 0 for the oldest to 1.

    ``moment`` never falls.
    """
    new = np.append(True, moment[1:] != moment[:-1])
    order = None
    if not np.all(new[1:] | (steps[1:] >= steps[:-1])):
        order = np.lexsort((steps, moment))
        steps = steps[order]
    place = np.cumsum(new | np.append(True, steps[1:] != steps[:-1]))
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, len(moment)))
    lowest, highest = np.repeat(place[starts], lengths), np.repeat(place[starts + lengths - 1], lengths)
    found = (place - lowest) / np.maximum(highest - lowest, 1)
    if order is None:
        return found
    out = np.empty_like(found)
    out[order] = found
    return out


def _num_ops(flags: NDArray[np.uint8]) -> NDArray[np.int64]:
    """[L] how many ops of token memory each line has: Overwrite where it fits, and Forget."""
    token = (flags & TOKEN > 0).astype(np.int64)
    return token + (token & (flags & FITS > 0))


def _starts(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """[M + 1]"""
    return np.concatenate([[0], np.cumsum(counts)])


def _within(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """0, 1, … up to each count in turn."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
