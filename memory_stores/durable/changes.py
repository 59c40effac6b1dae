"""``Changes``: the rows that a few ops make, gathered while they are carried out in RAM and written in one go."""

from __future__ import annotations

from typing import Any

from memory_stores.durable.database import Database
from memory_stores.durable.rows import ENTRY, ENTRY_SQL, checksum

_MARKS = ", ".join("?" * (len(ENTRY) + 1))
_PUT = f"INSERT INTO entries ({ENTRY_SQL}, sum) VALUES ({_MARKS})"
_END = f"INSERT INTO past (number, died, closed, {ENTRY_SQL}, sum) VALUES (?, ?, ?, {_MARKS})"
_MOVE = f"INSERT INTO past SELECT ?, ?, ?, {ENTRY_SQL}, sum FROM entries WHERE row = ?"

Columns = tuple[Any, ...]
MANY = 500
"""Records that are gathered before they are written: more would only keep memory and its collector busy."""


class Changes:
    """What is to be written. Nothing reaches the file before ``flush``."""

    def __init__(self) -> None:
        self.log: list[Columns] = []
        self.puts: dict[int, Columns] = {}
        self._used: dict[int, Columns] = {}
        self._moved: list[Columns] = []
        self._ended: list[Columns] = []
        self.written = False
        """Whether anything reached the file."""

    def put(self, columns: Columns) -> int:
        """A new row of ``entries``, or the same row with other use counters; returns its checksum."""
        sum = checksum(columns)
        self.puts[columns[0]] = (*columns, sum)
        return sum

    def use(self, row: int, uses: int, used_at: int, columns: Columns) -> int:
        """A row whose use counters changed; returns its checksum."""
        if row in self.puts:
            return self.put(columns)
        sum = checksum(columns)
        self._used[row] = (uses, used_at, sum, row)
        return sum

    def end(self, row: int, number: int, died: int, sum: int) -> int:
        """Move a row to ``past``; returns the checksum of what it becomes there."""
        closed = checksum((number, died, sum))
        written = self.puts.pop(row, None)
        if written is None:
            self._moved.append((number, died, closed, row))
        else:
            self._ended.append((number, died, closed, *written))
        return closed

    def ended(self) -> dict[int, int]:
        """Checksums in ``past`` by row number, of the rows that were moved there."""
        return {columns[0]: columns[2] for columns in (*self._moved, *self._ended)}

    def flush(self, database: Database) -> None:
        """Write what was gathered so far; the caller holds the transaction and writes the head at its end."""
        database.many("INSERT INTO log (row, time, body, key, sum) VALUES (?, ?, ?, ?, ?)", self.log)
        database.many("UPDATE entries SET uses = ?, used_at = ?, sum = ? WHERE row = ?", list(self._used.values()))
        if self._moved:
            moved = [(columns[-1],) for columns in self._moved]
            database.many(_MOVE, self._moved)
            database.many("DELETE FROM entries WHERE row = ?", moved)
            database.many("DELETE FROM vectors WHERE row = ?", moved)
        database.many(_END, self._ended)
        database.many(_PUT, list(self.puts.values()))
        for gathered in (self.log, self.puts, self._used, self._moved, self._ended):
            gathered.clear()
        self.written = True

    @property
    def many(self) -> bool:
        """Whether so much is gathered that it is better written now."""
        return len(self.log) >= MANY
