"""``TextIndex``: SQLite's full-text search (FTS5) over the texts of one space, in RAM.

It is made from rows whose checksums were checked and kept up to date op by op, so no copy of a text lies in the file
that could go stale or be left behind by ``purge``. Words are folded: NFKC, case, accents. Scripts without spaces
(Chinese, Japanese kana, Korean, Thai) are indexed by single characters and pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import apsw

_RUNS = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯฀-๿]+|\w+?(?=[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯฀-๿])|\w+")
_DENSE = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯฀-๿]")


@lru_cache(maxsize=4096)
def folded_words(text: str) -> tuple[str, ...]:
    """The words of a text in order, folded; of scripts without spaces, characters and pairs of neighbours."""
    if text.isascii():
        return tuple(re.findall(r"\w+", text.lower()))
    spread = unicodedata.normalize("NFKD", text).casefold()
    plain = unicodedata.normalize("NFKC", "".join(c for c in spread if unicodedata.category(c) != "Mn"))
    found: list[str] = []
    for run in _RUNS.findall(plain):
        if _DENSE.match(run):
            found += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        else:
            found.append(run)
    return tuple(found)


class TextIndex:
    """Texts by row number; ranked by BM25 (Robertson and Zaragoza 2009), k1 = 1.2 and b = 0.75, ties to the older."""

    def __init__(self) -> None:
        self._connection: Any = apsw.Connection(":memory:")
        self._connection.execute(
            "CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='ascii')"
        )

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Texts with new row numbers."""
        pairs = [(row, " ".join(folded_words(text))) for row, text in rows]
        if pairs:
            with self._connection:
                self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", pairs)

    def drop(self, rows: Iterable[int]) -> None:
        """Take texts out."""
        with self._connection:
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", [(row,) for row in rows])

    def rank(self, query: str, k: int, allowed: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Up to k pairs (row, score s / (1 + s) of BM25 score s), best first, of those that are allowed."""
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(folded_words(query)))
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
