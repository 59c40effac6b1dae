"""Search without a model: entries by meaning and by words, best first; and what matches metadata.

score = the mean of the cosine of embeddings (0 below 0) and the share of the query's words, by rarity, that an entry
has; at least the cosine. 1 is the query itself. Ties go to the older entry.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory_stores.filters import FilterError, compiled
from memory_stores.types import Entry
from memory_stores.words import word_set
from memrl.agent.keeping import Keeping, found
from memrl.agent.results import Details, Found
from memrl.contracts.errors import InputError
from memrl.contracts.texts import TextTable

Told = tuple[Entry, Details]
FIELDS: dict[str, Callable[[Told], Any]] = {
    "trust": lambda one: one[0].stamp.trust,
    "time": lambda one: one[1].time,
    "source": lambda one: one[1].source,
    "writer": lambda one: one[0].stamp.writer,
    "step": lambda one: one[0].stamp.step,
}
"""What a filter may ask of every entry; all else is looked up in its metadata."""
NUMBERS = ("trust", "time", "step")


def search(
    keeping: Keeping, table: TextTable, query: str, k: int, where: Mapping[str, Any] | None = None
) -> list[Found]:
    """The k best entries that match the filter."""
    entries = matching(keeping, where)
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
    shared = [(place, common) for place, text in enumerate(texts) if (common := word_set(text) & asked)]
    having = Counter(word for _, common in shared for word in common)
    rarity = {word: math.log(1 + len(texts) / (1 + having[word])) for word in asked}
    whole = sum(rarity.values()) or 1.0
    share = np.zeros(len(texts))
    for place, common in shared:
        share[place] = sum(rarity[word] for word in common) / whole
    # Rounded, so that the last bits of a float never decide between equals.
    return np.round(np.maximum(cosine, (cosine + share) / 2), 6)


def matching(keeping: Keeping, where: Mapping[str, Any] | None) -> list[Entry]:
    """The entries that have what a filter asks, oldest first (``memory_stores.filters``).

    Raises:
        InputError: no mapping, an operator that there is none of, or one that cannot take the value.
    """
    try:
        test = compiled(where, FIELDS, lambda one: one[1].metadata, NUMBERS)
    except FilterError as error:
        raise InputError(str(error)) from None
    entries = keeping.memory.entries()
    return [one for one in entries if test is None or test((one, keeping.details(one.id)))]
