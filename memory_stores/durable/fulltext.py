"""``TextIndex``: SQLite's full-text search (FTS5) over the texts of one space, in RAM.

It is made from rows whose checksums were checked and kept up to date op by op, so no copy of a text lies in the file
that could go stale or be left behind by ``purge``. Words are those of ``memory_stores.words``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apsw

from memory_stores.words import asked_words, words

_COUNT = "SELECT doc FROM vocabulary WHERE term = ?"


class TextIndex:
    """Texts by row number; ranked by BM25 (Robertson and Zaragoza 2009), k1 = 1.2 and b = 0.75, ties to the older."""

    def __init__(self) -> None:
        self._connection: Any = apsw.Connection(":memory:")
        self._connection.execute(
            "CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='ascii');"
            "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, 'row')"
        )
        self._count = 0

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Texts with new row numbers."""
        pairs = [(row, " ".join(words(text))) for row, text in rows]
        self._count += len(pairs)
        if pairs:
            with self._connection:
                self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", pairs)

    def drop(self, rows: Iterable[int]) -> None:
        """Take texts out."""
        gone = [(row,) for row in rows]
        self._count -= len(gone)
        with self._connection:
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", gone)

    def rank(self, query: str, k: int, allowed: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Up to k pairs (row, score s / (1 + s) of BM25 score s), best first, of those that are allowed.

        A word that more than half of the texts have weighs nothing (its idf is not above 0): where the others find too
        few, texts with such a word come after them, the oldest first, with a score of 0.
        """
        asked = dict.fromkeys(asked_words(words(query), lambda word: self._texts_with(word) > 0))
        counts = {word: count for word in asked if (count := self._texts_with(word))}
        common = [word for word, count in counts.items() if 2 * count > self._count]
        telling = [word for word in counts if word not in common]
        found: dict[int, float] = {}
        for row, rank in self._matching(telling, "round(rank, 9), rowid"):
            if len(found) == k:
                break
            if allowed(row):
                score = max(0.0, -float(rank))
                found[row] = round(score / (1 + score), 6)
        for row, _ in self._matching(common, "rowid") if len(found) < k else ():
            if len(found) == k:
                break
            if row not in found and allowed(row):
                found[row] = 0.0
        return list(found.items())

    def _matching(self, some: list[str], order: str) -> Iterator[tuple[int, float]]:
        """Rows with any of some words, and FTS5's rank of each."""
        if some:
            asked = " OR ".join(f'"{word}"' for word in some)
            rank = "rank" if "rank" in order else "0.0"
            sql = f"SELECT rowid, {rank} FROM words WHERE words MATCH ? ORDER BY {order}"
            yield from self._connection.execute(sql, (asked,))

    def _texts_with(self, word: str) -> int:
        """How many texts have a word. One with an underscore is several words to SQLite: the rarest counts."""
        counts = [
            next((count for (count,) in self._connection.execute(_COUNT, (piece,))), 0)
            for piece in word.split("_")
            if piece
        ]
        return min(counts, default=0)
