"""Idempotency keys of a space, and the ops of the log that each stands for."""

from __future__ import annotations

from memory_stores.durable.database import Database
from memory_stores.durable.errors import corrupt
from memory_stores.durable.rows import Head
from memory_stores.durable.schema import SHIFT


class Keys:
    """Read from the log when a key is first asked for, then kept up to date."""

    def __init__(self) -> None:
        self._spans: dict[str, tuple[int, int]] | None = None

    def note(self, key: str, seq: int) -> None:
        """An op of that key came into the log."""
        if self._spans is not None:
            self._spans[key] = (self._spans.get(key, (seq, seq))[0], seq)

    def find(self, database: Database, head: Head, key: str) -> tuple[int, int] | None:
        """First and last log number of its ops. Raises CorruptStore if the log lacks keys that were there."""
        if self._spans is None:
            first = head.space << SHIFT
            sql = "SELECT row, key FROM log WHERE row > ? AND row <= ? AND key IS NOT NULL ORDER BY row"
            found = database.rows(sql, (first, first + head.seq))
            if len(found) != head.keys:
                raise corrupt(database.path, f"{len(found)} keyed records in space {head.name}, {head.keys} expected")
            self._spans = {}
            for row, told in found:
                self.note(str(told), row - first)
        return self._spans.get(key)
