"""``TextIndex``: SQLite's full-text search (FTS5) over the texts of one space, in RAM.

It is made from rows whose checksums were checked and kept up to date op by op, so no copy of a text lies in the file
that could go stale or be left behind by ``purge``. Words are those of ``memory_stores.words``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import apsw

from memory_stores.words import asked_words, words


class TextIndex:
    """Texts by row number; ranked by BM25 (Robertson and Zaragoza 2009), k1 = 1.2 and b = 0.75, ties to the older."""

    def __init__(self) -> None:
        self._connection: Any = apsw.Connection(":memory:")
        self._connection.execute(
            "CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='ascii')"
        )

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Texts with new row numbers."""
        pairs = [(row, " ".join(words(text))) for row, text in rows]
        if pairs:
            with self._connection:
                self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", pairs)

    def drop(self, rows: Iterable[int]) -> None:
        """Take texts out."""
        with self._connection:
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", [(row,) for row in rows])

    def rank(self, query: str, k: int, allowed: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Up to k pairs (row, score s / (1 + s) of BM25 score s), best first, of those that are allowed."""
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(asked_words(words(query), self._has)))
        if not asked:
            return []
        found: list[tuple[int, float]] = []
        sql = "SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY round(rank, 9), rowid"
        for row, rank in self._connection.execute(sql, (asked,)):
            if allowed(row):
                score = max(0.0, -float(rank))
                found.append((row, round(score / (1 + score), 6)))
                if len(found) == k:
                    break
        return found

    def _has(self, word: str) -> bool:
        sql = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1"
        return bool(list(self._connection.execute(sql, (f'"{word}"',))))
