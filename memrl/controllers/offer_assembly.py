"""Moments to an ``OfferBatch``: which candidates each has, and what a pair of moment and entry needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import Entry, MemoryOp
from memrl.contracts.types import Observation
from memrl.controllers.offer_batch import CONFLICT, FITS, OVERTAKEN, SHARED, TOKEN, Extra, OfferBatch
from memrl.controllers.offer_facts import Facts, Ints, TextFacts, Version

# Shapes: M moments, A entries of all their memories in a row, L of them that some op would touch, P pairs of texts.


class Offer(NamedTuple):
    """One op, the text it would put into memory, and the entry it would touch."""

    op: MemoryOp
    text: str
    touched: Entry | None


class Moment(NamedTuple):
    """What is known of a moment before it is described."""

    observation: Observation
    text: str
    facts: TextFacts
    entries: tuple[Entry, ...]
    """Of the whole memory; those of token memory come first and are the ones with ids in ``t``."""
    fill: float
    """Share of the memory's budget in use."""
    so_far: int
    """Ops on this observation that count."""
    room: int | None
    """Tokens that token memory has left; None where it is not on offer."""
    listed: tuple[Offer, ...]
    """What is on offer besides Keep and the ops of token memory."""


def assemble(facts: Facts, moments: Sequence[Moment], subjects: bool) -> OfferBatch:
    """Describe M moments. Nothing about one depends on what else stands in the batch."""
    return _Assembly(facts, moments).batch(subjects)


class _Assembly:
    def __init__(self, facts: Facts, moments: Sequence[Moment]) -> None:
        self.facts, self.moments = facts, moments
        self.versions: list[Version] = facts.versions([one.entries for one in moments])
        lengths = np.array([len(version.slots) for version in self.versions], dtype=np.int64)
        self.starts = lengths.cumsum() - lengths
        self.slots: NDArray[np.int32] = np.concatenate([version.slots for version in self.versions])
        self.moment = np.repeat(np.arange(len(moments)), lengths)
        self.num_keys = np.array([one.facts.keys[1] for one in moments], dtype=np.int64)
        self.sizes = np.array([one.facts.tokens for one in moments], dtype=np.int64)
        self.steps = np.array([one.observation.step for one in moments], dtype=np.int64)
        self.rows = np.array([(one.facts.row, one.facts.subject) for one in moments], dtype=np.int32)

    def batch(self, subjects: bool) -> OfferBatch:
        token, held_any, held, writes = self._token_memory()
        conflicts = self._conflicts()
        touched = token.copy()
        listed = self._touched_by_listed(touched)
        lines = np.flatnonzero(touched)
        slots, moment = self.slots[lines], self.moment[lines]
        self.facts.touch(slots)
        cosines, overlaps = self._pairs(slots, moment)
        fits = token[lines] & self._fits(slots, moment) & ~held[moment]
        overtaken = np.concatenate([version.overtaken for version in self.versions])[lines]
        flags = conflicts[lines] * CONFLICT + overtaken * OVERTAKEN + fits * FITS + token[lines] * TOKEN
        first_line = np.searchsorted(moment, np.arange(len(self.moments) + 1)).astype(np.int32)
        extras = self._extras(listed, lines, first_line)
        counts = 1 + writes + np.array([len(own) for own in extras], dtype=np.int64)
        counts += np.bincount(moment, weights=token[lines] + fits.astype(float), minlength=len(counts)).astype(int)
        return OfferBatch(
            facts=self.facts,
            subjects=subjects,
            texts=[one.text for one in self.moments],
            rows=self.rows,
            steps=self.steps,
            shared=self._shared(held_any, conflicts, first_line, cosines),
            writes=writes,
            held=held,
            first_line=first_line,
            slots=slots,
            flags=flags.astype(np.uint8),
            cosines=cosines,
            overlaps=overlaps,
            extras=extras,
            first=np.concatenate([[0], counts.cumsum()]),
        )

    def _any(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """[M] whether something holds of any entry of a moment's memory."""
        found = np.zeros(len(self.moments), dtype=np.bool_)
        found[self.moment[which]] = True
        return found

    def _token_memory(self) -> tuple[NDArray[np.bool_], ...]:
        """Which entries [A] are items of token memory on offer; for each moment [M] whether any store holds its
        observation, whether token memory does, and whether a Write is on offer."""
        room = np.array([-1 if one.room is None else one.room for one in self.moments], dtype=np.int64)
        on_offer = np.array([one.room is not None for one in self.moments], dtype=np.bool_)
        in_token = self.facts.columns["in_token"][self.slots]
        token = in_token & on_offer[self.moment]
        sources = np.array([self.facts.source(one.observation.id) for one in self.moments], dtype=np.int64)
        same = self.facts.columns["source"][self.slots] == sources[self.moment]
        held = self._any(same & in_token)
        self.room = room
        return token, self._any(same), held, on_offer & ~held & (self.sizes <= room)

    def _fits(self, slots: Ints, moment: Ints) -> NDArray[np.bool_]:
        """[L] whether the observation fits into token memory in the place of an entry."""
        return self.sizes[moment] <= self.room[moment] + self.facts.columns["cost"][slots]

    def _conflicts(self) -> NDArray[np.bool_]:
        """[A] whether an entry speaks of what the observation makes a statement about."""
        found = np.zeros(len(self.slots), dtype=np.bool_)
        if not self.num_keys.any() or not len(self.slots):
            return found
        starts = np.array([one.facts.keys[0] for one in self.moments], dtype=np.int64)
        keys, owner = self.facts.keys.spread(starts, self.num_keys)
        stated = np.unique(owner * self.facts.keys.distinct + keys)
        columns = self.facts.columns
        keys, owner = self.facts.keys.spread(columns["keys_at"][self.slots], columns["num_keys"][self.slots])
        asked = self.moment[owner] * self.facts.keys.distinct + keys
        at = np.minimum(np.searchsorted(stated, asked), len(stated) - 1)
        found[owner[stated[at] == asked]] = True
        return found

    def _touched_by_listed(self, touched: NDArray[np.bool_]) -> list[list[tuple[Offer, int]]]:
        """The listed offers with the place among all entries [A] of what each touches, which is marked."""
        found: list[list[tuple[Offer, int]]] = []
        for i, one in enumerate(self.moments):
            own: list[tuple[Offer, int]] = []
            for offer in one.listed:
                place = -1
                if offer.touched is not None:
                    place = int(self.starts[i]) + _place(one.entries, offer.touched)
                    touched[place] = True
                own.append((offer, place))
            found.append(own)
        return found

    def _extras(
        self, listed: Sequence[Sequence[tuple[Offer, int]]], lines: Ints, first_line: Ints
    ) -> list[tuple[Extra, ...]]:
        row = self.facts.table.row
        return [
            tuple(
                Extra(
                    offer.op,
                    row(offer.text) if offer.text else -1,
                    int(np.searchsorted(lines, place) - first_line[i]) if place >= 0 else -1,
                )
                for offer, place in own
            )
            if own
            else ()
            for i, own in enumerate(listed)
        ]

    def _pairs(self, slots: Ints, moment: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[L] cosine and word overlap of each touched entry with the observation; equal pairs once."""
        columns = self.facts.columns
        texts = max(int(self.rows[:, 0].max(initial=0)), int(columns["row"][slots].max(initial=0))) + 1
        codes = self.rows[moment, 0].astype(np.int64) * texts + columns["row"][slots]
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        slots, moment = slots[first], moment[first]
        # A sum a row, so that a cosine is the same to the last bit whatever else is in the batch.
        matrix = self.facts.table.matrix
        cosines = np.vecdot(matrix[columns["row"][slots]], matrix[self.rows[moment, 0]])
        return cosines[inverse], self._overlaps(slots, moment)[inverse]

    def _overlaps(self, slots: Ints, moment: Ints) -> NDArray[np.float32]:
        """[P] words that both texts have, of those that either has."""
        words, columns = self.facts.words, self.facts.columns
        asked, local = np.unique(moment, return_inverse=True)
        starts, num = np.array([self.moments[i].facts.words for i in asked], dtype=np.int64).reshape(-1, 2).T
        has = np.zeros((len(asked), words.distinct), dtype=np.bool_)
        numbers, owner = words.spread(starts, num)
        has[owner, numbers] = True
        theirs, pair = words.spread(columns["words_at"][slots], columns["num_words"][slots])
        shared = np.bincount(pair[has[local[pair], theirs]], minlength=len(slots))
        either = num[local] + columns["num_words"][slots] - shared
        return (shared / np.maximum(either, 1)).astype(np.float32)

    def _shared(
        self, held: NDArray[np.bool_], conflicts: NDArray[np.bool_], first_line: Ints, cosines: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """[M, len(SHARED)]"""
        found = np.zeros((len(self.moments), len(SHARED)), dtype=np.float32)
        column = dict(zip(SHARED, found.T, strict=True))
        so_far = np.array([one.so_far for one in self.moments], dtype=np.int64)
        column["trust"][:] = [one.observation.trust for one in self.moments]
        column["fill"][:] = [one.fill for one in self.moments]
        column["text_tokens"][:] = self.sizes / 32.0
        column["ops_so_far"][:] = so_far
        column["held_already"][:] = held & (so_far > 0)
        column["states"][:] = self.num_keys
        column["takes_back"][:] = [one.facts.takes_back for one in self.moments]
        column["conflicts_held"][:] = np.bincount(self.moment[conflicts], minlength=len(found)) / 4.0
        some = first_line[1:] > first_line[:-1]
        if some.any():
            column["nearest"][some] = np.maximum.reduceat(cosines, first_line[:-1][some])
        return found


def _place(entries: Sequence[Entry], touched: Entry) -> int:
    return next(i for i, entry in enumerate(entries) if entry is touched)
