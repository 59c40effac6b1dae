"""The tables of a memory file, and the numbered steps that bring an older file up to date.

``meta``      what the file knows of itself: when it was made, whose vectors it holds
``spaces``    one row a namespace: budgets, and what its rows must add up to (counts, sums, the log's chain)
``log``       every op that was asked for, in order, with what came of it
``entries``   what is held now: items, live edges, superseded edges that are still held
``past``      versions that ended, with the op that ended them
``vectors``   embeddings of entries

Rows of a space stand together: the row number is ``space << 40 | place``. ``sum`` is a checksum of the row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memory_stores.durable.errors import SchemaTooNew

APPLICATION_ID = 0x6D656D72
"""Marks the file as one of memory_stores ("memr"), in SQLite's header."""
SHIFT = 40
"""A space has room for 2 ** 40 rows of each table."""

_ENTRY = """
    id, born, text, subject, relation, object, tokens, step, observation_id, writer, trust, replaces, invalid_at,
    uses, used_at, name, metadata, event_time, written_at, expires_at, sum
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        """CREATE TABLE spaces (
            space INTEGER PRIMARY KEY, name TEXT UNIQUE, token, graph, archive, archive_kind,
            token_serial, graph_serial, archive_serial, seq, chain, place, live, live_sum, past, past_sum, keys,
            sum)""",
        "CREATE TABLE log (row INTEGER PRIMARY KEY, time, body, key, sum)",
        f"CREATE TABLE entries (row INTEGER PRIMARY KEY, {_ENTRY})",
        f"CREATE TABLE past (number INTEGER PRIMARY KEY, died, closed, row, {_ENTRY})",
        "CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector, sum)",
    ),
)
"""Statements that lead from version n to n + 1. What was released is never changed, only added to."""


def upgrade(connection: Any, path: Path) -> None:
    """Bring the file to the newest version, a step a transaction. Raises SchemaTooNew on one from the future.

    A kill in the middle leaves the last whole step, and the next call goes on from there.
    """
    while not is_newest(connection, path):
        found = version(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version(connection) == found:
                for statement in MIGRATIONS[found]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {found + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def is_newest(connection: Any, path: Path) -> bool:
    """Whether the file has seen every migration. Raises SchemaTooNew if it has seen more than this code knows."""
    found = version(connection)
    if found > len(MIGRATIONS):
        raise SchemaTooNew(
            f"memory file {path} has version {found}, and this memrl knows {len(MIGRATIONS)}: upgrade memrl"
        )
    return found == len(MIGRATIONS)


def version(connection: Any) -> int:
    """The number of migrations that the file has seen."""
    return int(connection.pragma("user_version"))
