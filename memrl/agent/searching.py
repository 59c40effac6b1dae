"""Search without a model: entries by meaning and by words, best first; and what matches metadata.

score = the mean of the cosine of embeddings (0 below 0) and the share of the query's words, by rarity, that an entry
has; at least the cosine. 1 is the query itself. Ties go to the older entry.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import Entry
from memory_stores.words import word_set
from memrl.agent.keeping import Keeping, found
from memrl.agent.results import Details, Found
from memrl.contracts.errors import InputError
from memrl.contracts.texts import TextTable

OPERATORS = {
    "$eq": lambda value, other: value == other,
    "$ne": lambda value, other: value != other,
    "$gt": lambda value, other: value > other,
    "$gte": lambda value, other: value >= other,
    "$lt": lambda value, other: value < other,
    "$lte": lambda value, other: value <= other,
    "$in": lambda value, other: value in other,
}
"""What a filter may ask of a value."""
OWN_FIELDS = ("trust", "time", "source", "writer", "step")
"""Fields of a filter that every entry has; all others are looked up in its metadata."""


def search(
    keeping: Keeping, table: TextTable, query: str, k: int, where: Mapping[str, Any] | None = None
) -> list[Found]:
    """The k best entries that match the filter."""
    entries = [entry for entry in keeping.memory.entries() if matches(entry, keeping.details(entry.id), where)]
    if not entries:
        return []
    scores = similarity(entries, table, query)
    best = np.argsort(-scores, kind="stable")[:k]
    return [found(entries[i], float(scores[i]), keeping) for i in best.tolist() if scores[i] > 0]


def similarity(entries: Sequence[Entry], table: TextTable, query: str) -> NDArray[np.float64]:
    """Scores [entries] of a query, in [0, 1]."""
    texts = [entry.text for entry in entries]
    table.add([*texts, query])
    matrix = table.matrix
    rows = np.fromiter(map(table.row, texts), dtype=np.int64, count=len(texts))
    cosine = np.clip(matrix[rows] @ matrix[table.row(query)], 0, 1).astype(np.float64)
    asked = word_set(query)
    shared = [word_set(text) & asked for text in texts]
    having = Counter(word for words in shared for word in words)
    rarity = {word: math.log(1 + len(texts) / (1 + having[word])) for word in asked}
    whole = sum(rarity.values()) or 1.0
    share = np.array([sum(rarity[word] for word in words) / whole for words in shared])
    # Rounded, so that the last bits of a float never decide between equals.
    return np.round(np.maximum(cosine, (cosine + share) / 2), 6)


def matches(entry: Entry, details: Details, where: Mapping[str, Any] | None) -> bool:
    """Whether an entry has what a filter asks: ``{"topic": "work", "trust": {"$gte": 0.5}}``.

    Raises:
        InputError: no mapping, an operator that there is none of, or one that cannot take the value.
    """
    if where is not None and not isinstance(where, Mapping):
        raise InputError(f"where = {where!r:.60}: it must be a mapping, such as {{'topic': 'work'}}")
    return all(_holds(_value(entry, details, name), asked, name) for name, asked in (where or {}).items())


def _value(entry: Entry, details: Details, name: str) -> Any:
    if name not in OWN_FIELDS:
        return details.metadata.get(name)
    stamp = entry.stamp
    own = {"trust": stamp.trust, "writer": stamp.writer, "step": stamp.step}
    return own[name] if name in own else getattr(details, name)


def _holds(value: Any, asked: Any, name: str) -> bool:
    if not isinstance(asked, Mapping) or not any(str(key).startswith("$") for key in asked):
        return value == asked
    if unknown := [key for key in asked if key not in OPERATORS]:
        raise InputError(f"where[{name!r}] = {dict(asked)!r}: {unknown[0]!r} is none of {', '.join(OPERATORS)}")
    for key, other in asked.items():
        _check_asked(value, key, other, f"where[{name!r}] = {dict(asked)!r:.80}")
    try:
        return all(OPERATORS[key](value, other) for key, other in asked.items())
    except TypeError:  # what cannot be compared does not match
        return False


def _check_asked(value: Any, key: str, other: Any, knob: str) -> None:
    """Raises InputError on what no value could be compared with, or not a number that is there."""
    if key == "$in" and not isinstance(other, list | tuple | set | frozenset):
        raise InputError(f"{knob}: $in takes a list of values")
    if key in ("$gt", "$gte", "$lt", "$lte"):
        if isinstance(value, int | float) and not isinstance(other, int | float):
            raise InputError(f"{knob}: {key} compares with a number here; give one")
        if not isinstance(other, int | float | str):
            raise InputError(f"{knob}: {key} takes a number or a text")
