"""What is known of the entries that may be read, in arrays: words, tokens, time. Made once per state of a memory.

Shapes: N entries, W different words of each entry in a row, T tokens of all entries in a row, Q tokens of the query,
E embedding width.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.contents import words
from memory_stores.memory import AgentMemory
from memory_stores.types import Entry
from memrl.algos.ranking import bm25, rarity
from memrl.contracts.texts import TextTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OPENING = 3
"""Words at the start of a text that often say who speaks or what it is about."""
INDICES_KEPT = 32
WHOLE = 1024
"""Entries up to which every one is compared token by token; of more, the most promising so many."""


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
    """Different token ids."""
    row: int
    """In the text table."""


class Vocabulary:
    """Texts to facts, each made once; words get numbers as they come."""

    def __init__(self, table: TextTable) -> None:
        self._table = table
        self._number: dict[str, int] = {}
        self._known: dict[str, TextFacts] = {}
        self.generation = table.generation

    def __len__(self) -> int:
        return len(self._number)

    def facts(self, texts: Sequence[str]) -> list[TextFacts]:
        """One each; tokens of what is new are made in one go."""
        if self.generation != self._table.generation:
            self.generation = self._table.generation
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            for text, tokens in zip(new, self._table.tokens(new), strict=True):
                self._known[text] = self._made(text, tokens.ids)
        return [self._known[text] for text in texts]

    def _made(self, text: str, ids: NDArray[np.int32]) -> TextFacts:
        own = words(text)
        number = self._number
        counted = Counter(own)
        return TextFacts(
            words=np.array([number.setdefault(word, len(number)) for word in counted], dtype=np.int64),
            counts=np.array(list(counted.values()), dtype=np.float64),
            length=len(own),
            opening=np.array([number[word] for word in own[:OPENING]], dtype=np.int64),
            digits=sum(word.isdigit() for word in own),
            pieces=np.unique(ids).astype(np.int64),
            row=self._table.row(text),
        )


class EntryIndex:
    """N entries, in the order in which they stand in memory."""

    def __init__(self, entries: Sequence[Entry], facts: Sequence[TextFacts], table: TextTable) -> None:
        self.entries, self.facts, self._table = entries, facts, table
        counts = np.array([len(one.words) for one in facts], dtype=np.int64)
        self._words: Ints = np.concatenate([one.words for one in facts])
        self._tf: Floats = np.concatenate([one.counts for one in facts])
        self._text: Ints = np.repeat(np.arange(len(facts)), counts)
        self._df = np.bincount(self._words).astype(np.float64)
        pieces = np.concatenate([one.pieces for one in facts])
        self._piece_df = dict(zip(*np.unique(pieces, return_counts=True), strict=True))
        self.lengths: Floats = np.array([one.length for one in facts], dtype=np.float64)
        self.rows: Ints = np.array([one.row for one in facts], dtype=np.int64)
        self.costs: Ints = np.array([entry.tokens for entry in entries], dtype=np.int64)
        self.steps: Ints = np.array([entry.stamp.step for entry in entries], dtype=np.int64)
        self._flat: tuple[NDArray[np.float32], Ints] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def rarity(self, numbers: Ints) -> Floats:
        """``rarity`` of words by number among these entries; a word that none has is as rare as can be."""
        df = np.zeros(len(numbers))
        known = numbers < len(self._df)
        df[known] = self._df[numbers[known]]
        return rarity(df, len(self))

    def piece_rarity(self, ids: NDArray[np.int32]) -> Floats:
        """[Q] ``rarity`` of token ids."""
        return rarity(np.array([self._piece_df.get(id, 0) for id in ids.tolist()], dtype=np.float64), len(self))

    def bm25(self, query: TextFacts) -> Floats:
        """[N]"""
        at = np.flatnonzero(np.isin(self._words, query.words))
        return bm25(self._tf[at], self.rarity(self._words[at]), self._text[at], self.lengths)

    def tokens(self, which: Ints | None) -> tuple[NDArray[np.float32], Ints]:
        """Token vectors [T, E] of some entries in a row (None: of all, kept), and where each entry's start."""
        if which is None and self._flat is not None:
            return self._flat
        texts = [self.entries[i].text for i in (range(len(self)) if which is None else which.tolist())]
        tokens = self._table.tokens(texts)
        flat = np.concatenate([one.vectors for one in tokens]).astype(np.float32)
        ends = np.cumsum([len(one.ids) for one in tokens])
        found = flat, np.append(0, ends[:-1]).astype(np.int64)
        if which is None:
            self._flat = found
        return found


class Indices:
    """One index for equal memories, the latest kept."""

    def __init__(self, table: TextTable) -> None:
        self._table = table
        self.vocabulary = Vocabulary(table)
        self._kept: OrderedDict[Key, EntryIndex] = OrderedDict()
        self._generation = table.generation

    def of(self, memory: AgentMemory) -> EntryIndex:
        """Of the archive's items and the graph's edges. There must be one."""
        if self._generation != self._table.generation:
            self._generation = self._table.generation
            self._kept.clear()
        key = key_of(memory)
        index = self._kept.get(key)
        if index is None:
            entries = readable(memory)
            index = EntryIndex(entries, self.vocabulary.facts([entry.text for entry in entries]), self._table)
            self._kept[key] = index
            while len(self._kept) > INDICES_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return index


def readable(memory: AgentMemory) -> tuple[Entry, ...]:
    """What is not in view at all times: items of the archive, edges of the graph."""
    parts = [part.entries() for part in (memory.archive, memory.graph) if part is not None]
    return tuple(entry for part in parts for entry in part)


Key = tuple[str, int]


def key_of(memory: AgentMemory) -> Key:
    """Equal for equal contents in equal order under equal ids."""
    return memory.state_hash(), hash(tuple(entry.id for entry in readable(memory)))
