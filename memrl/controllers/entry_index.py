"""What is known of the entries that may be read, in arrays: words, tokens, time. Made once per state of a memory.

A memory that only grew is looked at from where it was known: what that costs does not grow with it.

Shapes: N entries, W different words of each entry in a row, T tokens of all entries in a row, Q tokens of the query,
E embedding width.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from memory_stores.memory import AgentMemory
from memory_stores.types import Entry
from memory_stores.words import words
from memrl.algos.ranking import bm25, rarity
from memrl.contracts.texts import TextTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_Kind = TypeVar("_Kind")

OPENING = 3
"""Words at the start of a text that often say who speaks or what it is about."""
INDICES_KEPT = 32
WHOLE, MOST_PROMISING = 1024, 320
"""Entries up to which every one is compared token by token; of more, how many of the most promising."""


class TextFacts(NamedTuple):
    """What one text is made of."""

    words: Ints
    """[W] numbers of its different words."""
    counts: Floats
    """[W]"""
    length: int
    """Words, repeated ones too."""
    opening: Ints
    digits: int
    """Words that are numbers."""
    pieces: Ints
    """Numbers of its different tokens."""
    row: int
    """In the text table."""


class Vocabulary:
    """Texts to facts, each made once; words and tokens get numbers as they come."""

    def __init__(self, table: TextTable) -> None:
        self._table = table
        self._number: dict[str, int] = {}
        self._piece: dict[int, int] = {}
        self._known: dict[str, TextFacts] = {}
        self._generation = table.generation

    def facts(self, texts: Sequence[str]) -> list[TextFacts]:
        """One each; tokens of what is new are made in one go."""
        if self._generation != self._table.generation:
            self._generation = self._table.generation
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            for text, tokens in zip(new, self._table.tokens(new), strict=True):
                self._known[text] = self._made(text, tokens.ids)
        return [self._known[text] for text in texts]

    def pieces(self, ids: Iterable[int]) -> Ints:
        """Numbers of token ids."""
        number = self._piece
        return np.array([number.setdefault(id, len(number)) for id in ids], dtype=np.int64)

    def _made(self, text: str, ids: NDArray[np.int32]) -> TextFacts:
        own = words(text)
        number = self._number
        counted = Counter(own)
        return TextFacts(
            words=np.array([number.setdefault(word, len(number)) for word in counted], dtype=np.int64),
            counts=np.array(list(counted.values()), dtype=np.float64),
            length=len(own),
            opening=np.array([number[word] for word in dict.fromkeys(own[:OPENING])], dtype=np.int64),
            digits=sum(word.isdigit() for word in own),
            pieces=self.pieces(dict.fromkeys(ids.tolist())),
            row=self._table.row(text),
        )


class _Growing:
    """An array that grows at its end; what was handed out stays as it is."""

    def __init__(self, dtype: type) -> None:
        self._data = np.empty(256, dtype=dtype)
        self._size = 0

    def grown(self, known: int, more: NDArray[np.generic]) -> tuple[_Growing, NDArray[np.generic]]:
        """The first ``known`` values with others behind them, in place where nobody else has grown them already."""
        own = self
        if known != self._size:
            own = _Growing(self._data.dtype.type)
            own._data = self._data[:known].copy()
        size = known + len(more)
        if size > len(own._data):
            larger = np.empty(max(2 * len(own._data), size), dtype=own._data.dtype)
            larger[:known] = own._data[:known]
            own._data = larger
        own._data[known:size] = more
        own._size = size
        return own, own._data[:size]


class EntryIndex:
    """N entries, in the order in which they stand in memory.

    Args:
        entries: those behind the ones of ``before``.
        before: an index of the first of them, from which this one is grown.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        vocabulary: Vocabulary,
        table: TextTable,
        before: EntryIndex | None = None,
    ) -> None:
        known = len(before) if before is not None else 0
        new = vocabulary.facts([entry.text for entry in entries])
        self.vocabulary, self._table, self._count = vocabulary, table, known + len(new)
        # Of these two no more than the first ``len(self)`` are this index's own.
        self.entries: list[Entry] = _appended(before.entries if before is not None else [], known, entries)
        self.facts: list[TextFacts] = _appended(before.facts if before is not None else [], known, new)
        counts = np.array([len(one.words) for one in new], dtype=np.int64)
        found = {
            "words": _joined([one.words for one in new]),
            "tf": _joined([one.counts for one in new]),
            "text": np.repeat(np.arange(known, known + len(new)), counts),
            "lengths": np.array([one.length for one in new], dtype=np.float64),
            "rows": np.array([one.row for one in new], dtype=np.int64),
            "costs": np.array([entry.tokens for entry in entries], dtype=np.int64),
            "steps": np.array([entry.stamp.step for entry in entries], dtype=np.int64),
            "trusts": np.array([entry.stamp.trust for entry in entries], dtype=np.float64),
        }
        self._buffers: dict[str, _Growing] = {}
        made: dict[str, NDArray[np.generic]] = {}
        for name, more in found.items():
            buffer = before._buffers[name] if before is not None else _Growing(more.dtype.type)
            held = len(before._array(name)) if before is not None else 0
            self._buffers[name], made[name] = buffer.grown(held, more)
        self._words: Ints = made["words"]  # pyright: ignore[reportAttributeAccessIssue]
        self._tf: Floats = made["tf"]  # pyright: ignore[reportAttributeAccessIssue]
        self._text: Ints = made["text"]  # pyright: ignore[reportAttributeAccessIssue]
        self.lengths: Floats = made["lengths"]  # pyright: ignore[reportAttributeAccessIssue]
        self.rows: Ints = made["rows"]  # pyright: ignore[reportAttributeAccessIssue]
        self.costs: Ints = made["costs"]  # pyright: ignore[reportAttributeAccessIssue]
        self.steps: Ints = made["steps"]  # pyright: ignore[reportAttributeAccessIssue]
        self.trusts: Floats = made["trusts"]  # pyright: ignore[reportAttributeAccessIssue]
        none = np.zeros(0)
        self._df = _added(before._df if before is not None else none, np.bincount(found["words"].astype(np.int64)))
        pieces = _joined([one.pieces for one in new]).astype(np.int64)
        self._piece_df = _added(before._piece_df if before is not None else none, np.bincount(pieces))
        self._flat: tuple[NDArray[np.float32], Ints] | None = None

    def _array(self, name: str) -> NDArray[np.generic]:
        return getattr(self, name if name in ("lengths", "rows", "costs", "steps", "trusts") else f"_{name}")

    def __len__(self) -> int:
        return self._count

    def rarity(self, numbers: Ints) -> Floats:
        """``rarity`` of words by number among these entries; a word that none has is as rare as can be."""
        return rarity(_at(self._df, numbers), len(self))

    def piece_rarity(self, ids: NDArray[np.int32]) -> Floats:
        """[Q] ``rarity`` of token ids."""
        return rarity(_at(self._piece_df, self.vocabulary.pieces(ids.tolist())), len(self))

    def holds_pieces(self, ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        """[Q] whether any entry has a token id."""
        return _at(self._piece_df, self.vocabulary.pieces(ids.tolist())) > 0

    def bm25(self, query: TextFacts) -> Floats:
        """[N]"""
        idf = np.zeros(max(len(self._df), int(query.words.max(initial=-1)) + 1))
        idf[query.words] = self.rarity(query.words)
        at = np.flatnonzero((idf > 0)[self._words])  # no word that is asked has a rarity of 0
        return bm25(self._tf[at], idf[self._words[at]], self._text[at], self.lengths)

    def cosine(self, query: TextFacts) -> Floats:
        """[N] of whole texts."""
        matrix = self._table.matrix
        asked = matrix[query.row]
        if 2 * len(self) > len(matrix):  # all texts of the table, in place of a copy of most of them
            return (matrix @ asked)[self.rows].astype(np.float64)
        return (matrix[self.rows] @ asked).astype(np.float64)

    def tokens(self, which: Ints | None) -> tuple[NDArray[np.float32], Ints]:
        """Token vectors [T, E] of some entries in a row (None: of all, kept), and where each entry's start."""
        if which is None and self._flat is not None:
            return self._flat
        texts = [self.entries[i].text for i in (range(self._count) if which is None else which.tolist())]
        tokens = self._table.tokens(texts)
        half = np.concatenate([one.vectors for one in tokens])
        flat = torch.from_numpy(half).float().numpy()  # the same numbers as astype gives, in a tenth of the time
        ends = np.cumsum([len(one.ids) for one in tokens])
        found = flat, np.append(0, ends[:-1]).astype(np.int64)
        if which is None:
            self._flat = found
        return found


class Indices:
    """One index for equal memories, the latest kept; a memory that only grew has its index grown."""

    def __init__(self, table: TextTable) -> None:
        self._table = table
        self.vocabulary, self.keys = Vocabulary(table), Keys()
        self._kept: OrderedDict[Key, EntryIndex] = OrderedDict()
        self._last: WeakKeyDictionary[AgentMemory, EntryIndex] = WeakKeyDictionary()
        self._generation = table.generation

    def known(self, memory: AgentMemory) -> int:
        """Entries that the last index of a memory has."""
        last = self._last.get(memory)
        return len(last) if last is not None else 0

    def of(self, memory: AgentMemory) -> EntryIndex:
        """Of the archive's items and the graph's edges. There must be one."""
        key = self.keys.of(memory)
        if self._generation != self._table.generation:
            self._generation = self._table.generation
            self._kept.clear()
            self._last.clear()
        index = self._kept.get(key)
        if index is None:
            before = self._last.get(memory)
            new = _since(memory, len(before), before.entries[len(before) - 1].id) if before is not None else None
            if new is None:
                before, new = None, readable(memory)
            index = EntryIndex(new, self.vocabulary, self._table, before)
            self._kept[key] = index
            while len(self._kept) > INDICES_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        self._last[memory] = index
        return index


def _since(memory: AgentMemory, count: int, last: str) -> Sequence[Entry] | None:
    """What stands behind the first ``count`` entries; None unless these are what they were, with the last at its place.

    Ids are given once and in order, so if the last one stands where it stood, none before it has gone.
    """
    if memory.graph is not None and len(memory.graph):
        return None
    held = sum(map(len, parts_of(memory)))
    if not 0 < count <= held or memory.archive is None:
        return None
    found = _newest(memory.archive, held - count + 1)
    return found[1:] if found[0].id == last else None


def _newest(store: Any, count: int) -> Sequence[Entry]:
    """The last entries of a store; one of another's making may tell all alone."""
    newest = getattr(store, "newest", None)
    return store.entries()[-count:] if newest is None else newest(count)


def _appended(held: list[_Kind], known: int, new: Sequence[_Kind]) -> list[_Kind]:
    """The first ``known`` with others behind them, in place where nobody else has added any; indices look no further
    than their own entries."""
    if len(held) != known:
        held = held[:known]
    held += new
    return held


def _joined(pieces: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)


def _added(one: Floats, other: NDArray[np.integer]) -> Floats:
    """Counts by number, the shorter taken to go on with nothing."""
    out = np.zeros(max(len(one), len(other)))
    out[: len(one)] = one
    out[: len(other)] += other
    return out


def _at(counts: Floats, numbers: Ints) -> Floats:
    """Counts of some numbers; 0 beyond the last that was counted."""
    out = np.zeros(len(numbers))
    known = numbers < len(counts)
    out[known] = counts[numbers[known]]
    return out


def parts_of(memory: AgentMemory) -> list[Any]:
    """The stores that are not in view at all times: archive and graph, where there are any."""
    return [part for part in (memory.archive, memory.graph) if part is not None]


def readable(memory: AgentMemory) -> tuple[Entry, ...]:
    """What is not in view at all times: items of the archive, edges of the graph."""
    parts = [part.entries() for part in parts_of(memory)]
    return parts[0] if len(parts) == 1 else tuple(entry for part in parts for entry in part)


Key = tuple[str, int]


class Keys:
    """Keys of memories: equal for equal contents in equal order under equal ids."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[AgentMemory, tuple[str, int, str, int]] = WeakKeyDictionary()
        """State, number of entries, id of the last, and what the key is made of."""

    def of(self, memory: AgentMemory) -> Key:
        """Of a memory that only grew since the last call, worked out from its new entries alone."""
        state = memory.state_hash()
        known_state, count, last, chain = self._of.get(memory, ("", 0, "", 0))
        new = _since(memory, count, last)
        if new is None:
            new = readable(memory)
            if known_state == state and len(new) == count and (not new or new[-1].id == last):
                return state, chain
            count = chain = 0
        for entry in new:
            chain = hash((chain, entry.id))
        self._of[memory] = state, count + len(new), new[-1].id if new else last, chain
        return state, chain
