"""What is known of every text and every memory entry, worked out once and kept in columns.

A memory that changes by one op differs from the last one by one entry, and siblings hold the same texts; so nothing
about an entry is asked twice. A ``Version`` is a memory between two changes: which slots of the columns it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.linker import EntityLinker, ProposedEdge
from memory_stores.types import Edge, Entry, Item
from memrl.contracts.texts import TextTable

# Shapes: L lines, each an entry of one of several versions; P parts of a ragged column.

Ints = NDArray[np.integer]
_WORD = re.compile(r"[a-z0-9]+")


class Columns:
    """Equally long columns that only grow at their end.

    Args:
        types: name -> dtype of each column, in the order of ``append``'s values.
    """

    def __init__(self, **types: Any) -> None:
        self._arrays = {name: np.zeros(64, dtype=dtype) for name, dtype in types.items()}
        self._size = 0
        self._waiting: list[tuple[Any, ...]] = []

    def append(self, *values: Any) -> int:
        """Add a line; its number comes back."""
        self._waiting.append(values)
        return self._size + len(self._waiting) - 1

    def __getitem__(self, name: str) -> NDArray[Any]:
        if self._waiting:
            self._settle()
        return self._arrays[name]

    def _settle(self) -> None:
        end = self._size + len(self._waiting)
        for (name, array), values in zip(self._arrays.items(), zip(*self._waiting, strict=True), strict=True):
            if end > len(array):
                wider = np.zeros(2 * end, dtype=array.dtype)
                wider[: self._size] = array[: self._size]
                self._arrays[name] = array = wider
            array[self._size : end] = values
        self._size = end
        self._waiting = []


class Ragged:
    """Lists of small numbers behind each other; a list is known by where it starts and how long it is."""

    def __init__(self) -> None:
        self._columns = Columns(number=np.int32)
        self._end = 0
        self._number_of: dict[object, int] = {}

    def add(self, things: Sequence[object]) -> tuple[int, int]:
        """Keep a list of hashable things, each known by its number; where it starts and how long it is."""
        start = self._end
        for thing in things:
            self._columns.append(self._number_of.setdefault(thing, len(self._number_of)))
        self._end += len(things)
        return start, len(things)

    @property
    def distinct(self) -> int:
        """How many things there are: their numbers are below it."""
        return max(len(self._number_of), 1)

    def spread(self, starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
        """All numbers of several lists in a row, [P]; and for each the place of its list."""
        owner = np.repeat(np.arange(len(lengths)), lengths)
        within = np.arange(len(owner)) - (lengths.cumsum() - lengths)[owner]
        return self._columns["number"][starts[owner] + within], owner


class TextFacts(NamedTuple):
    """One text."""

    row: int
    """In the text table."""
    tokens: int
    subject: int
    """Row of what it speaks of first; -1 for nothing."""
    words: tuple[int, int]
    """Where its content words stand: start and number."""
    keys: tuple[int, int]
    """Where the (subject, relation) pairs stand that it makes a statement about."""
    takes_back: bool
    """Whether it says that something no longer holds."""


class Version(NamedTuple):
    """One memory between two changes."""

    entries: tuple[Entry, ...]
    slots: NDArray[np.int32]
    """[L] where each entry stands in the columns."""
    overtaken: NDArray[np.bool_]
    """[L] whether a newer entry speaks of the same (subject, relation)."""


class Facts:
    """Columns over all entries that were in any memory, and facts of all texts that were looked at.

    Args:
        linker: says which relations a text states; None for none.
        subjects: whether it is asked for what texts speak of.
    """

    def __init__(
        self, table: TextTable, count_tokens: Callable[[str], int], linker: EntityLinker | None, subjects: bool
    ) -> None:
        self.table, self._count, self._linker, self._subjects = table, count_tokens, linker, subjects
        self.generation = table.generation
        self.words, self.keys = Ragged(), Ragged()
        self.entries: list[Entry] = []
        """By slot. Kept, so that no other entry is ever taken for one of them."""
        self.columns = Columns(
            row=np.int32, subject=np.int32, words_at=np.int32, num_words=np.int32, keys_at=np.int32, num_keys=np.int32,
            step=np.int64, cost=np.int32, uses=np.float32, trust=np.float32, is_item=np.bool_, in_token=np.bool_,
            source=np.int32,
        )  # fmt: skip
        self._slot_of: dict[int, int] = {}
        self._texts: dict[str, TextFacts] = {}
        self._keys_of: dict[str, tuple[int, int]] = {}
        self._source_of: dict[str, int] = {}
        self._versions: dict[int, Version] = {}
        self._many: set[str] = set()
        """Relations of which a subject may have several: of those, nothing is ever out of date."""

    def links(self, text: str) -> tuple[ProposedEdge, ...]:
        """The edges that a text states."""
        found = self._linker.link(text) if self._linker is not None else ()
        self._many.update(edge.relation for edge in found if edge.many)
        return found

    def source(self, observation_id: str) -> int:
        """A number for an observation's id."""
        return self._source_of.setdefault(observation_id, len(self._source_of))

    def text(self, text: str) -> TextFacts:
        """Facts of a text."""
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = TextFacts(
                row=self.table.row(text),
                tokens=self._count(text),
                subject=self._subject(text),
                words=self.words.add(sorted(content_words(text))),
                keys=self._text_keys(text),
                takes_back=any(edge.negated for edge in self.links(text)),
            )
        return found

    def known(self, text: str) -> bool:
        """Whether ``text`` was asked for this text before."""
        return text in self._texts

    def _subject(self, text: str) -> int:
        edges = self.links(text) if self._subjects else ()
        return self.table.row(edges[0].subject) if edges and edges[0].subject else -1

    def _text_keys(self, text: str) -> tuple[int, int]:
        keys = self._keys_of.get(text)
        if keys is None:
            pairs = dict.fromkeys((edge.subject, edge.relation) for edge in self.links(text) if not edge.many)
            keys = self._keys_of[text] = self.keys.add(list(pairs))
        return keys

    def versions(self, held: Sequence[tuple[Entry, ...]]) -> list[Version]:
        """The versions of memories that hold these entries; a tuple that was seen before is not looked into."""
        if len(self._versions) > 4 * len(held) + 1024:
            self._versions.clear()
        fresh = {id(entries): entries for entries in held if id(entries) not in self._versions}
        if fresh:
            self._add_versions(list(fresh.values()))
        return [self._versions[id(entries)] for entries in held]

    def _add_versions(self, held: Sequence[tuple[Entry, ...]]) -> None:
        slots = [self._slots(entries) for entries in held]
        overtaken = self._overtaken(slots)
        ends = np.cumsum([len(one) for one in slots])
        for entries, own, end in zip(held, slots, ends, strict=True):
            self._versions[id(entries)] = Version(entries, own, overtaken[end - len(own) : end])

    def _slots(self, entries: tuple[Entry, ...]) -> NDArray[np.int32]:
        found = list(map(self._slot_of.get, map(id, entries)))
        if None in found:
            found = [self._new_slot(e) if slot is None else slot for e, slot in zip(entries, found, strict=True)]
        return np.array(found, dtype=np.int32)

    def _new_slot(self, entry: Entry) -> int:
        is_item = isinstance(entry, Item)
        keys = self._text_keys(entry.text) if is_item else self.keys.add(self._edge_keys(entry))
        slot = self._slot_of[id(entry)] = len(self.entries)
        self.entries.append(entry)
        stamp = entry.stamp
        # Words, row and subject come when an op first touches it: an archive may be long and is never touched.
        self.columns.append(
            -1, -1, 0, 0, *keys, stamp.step, entry.tokens, math.log1p(entry.uses), stamp.trust, is_item,
            entry.id[0] == "t", self.source(stamp.observation_id),
        )  # fmt: skip
        return slot

    def _edge_keys(self, edge: Edge) -> list[object]:
        return [] if edge.relation in self._many else [(edge.subject, edge.relation)]

    def touch(self, slots: Ints) -> None:
        """Have embedding rows, subjects and words of these entries at hand."""
        new = np.unique(slots[self.columns["row"][slots] < 0])
        if not len(new):
            return
        entries = [self.entries[slot] for slot in new]
        self.table.add([entry.text for entry in entries])
        for slot, entry in zip(new, entries, strict=True):
            text = self.text(entry.text)
            self.columns["row"][slot] = text.row
            self.columns["words_at"][slot], self.columns["num_words"][slot] = text.words
            if self._subjects:
                own = text.subject if isinstance(entry, Item) else self.table.row(entry.subject)
                self.columns["subject"][slot] = own

    def _overtaken(self, slots: Sequence[NDArray[np.int32]]) -> NDArray[np.bool_]:
        """[L] of several versions in a row: is there an entry with one of its keys that was written later?"""
        at = np.concatenate(slots)
        overtaken = np.zeros(len(at), dtype=np.bool_)
        if self._linker is None or not len(at):
            return overtaken
        version = np.repeat(np.arange(len(slots)), np.array([len(one) for one in slots], dtype=np.int64))
        keys, line = self.keys.spread(self.columns["keys_at"][at], self.columns["num_keys"][at])
        steps = self.columns["step"][at][line]
        codes, code = np.unique(version[line] * self.keys.distinct + keys, return_inverse=True)
        newest = np.zeros(len(codes), dtype=np.int64)
        newest[code] = steps  # the last entry of a key stays
        overtaken[line[newest[code] > steps]] = True
        return overtaken


def content_words(text: str) -> frozenset[str]:
    """Words of more than three letters or digits, in lower case."""
    return frozenset(word for word in _WORD.findall(text.lower()) if len(word) > 3)
