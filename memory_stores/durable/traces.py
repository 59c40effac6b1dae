"""How much of a subject is left in the bytes of a memory file, once it is written anew."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

import apsw

from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreBusy, StoreError
from memory_stores.durable.rows import read_heads, read_live, read_past
from memory_stores.durable.subject import Subject, said, said_in_line

SHORTEST = 3
"""Bytes of a text that is looked for where no row tells of it: shorter ones stand in checksums by chance."""
_TABLES = {
    "sqlite_schema": "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema",
    "meta": "SELECT * FROM meta",
    "spaces": "SELECT NULL, * FROM spaces",
    "names": "SELECT name, space FROM spaces",
    "log": "SELECT * FROM log",
    "entries": "SELECT * FROM entries",
    "past": "SELECT * FROM past",
    "vectors": "SELECT * FROM vectors",
}
_KEYED = ("log", "entries", "past", "vectors")
"""Tables whose first column is the number of the row, which stands outside of it."""
_HEADER = "SQLite format 3"


def wipe(database: Database) -> None:
    """Write the file anew without free pages, and empty the log ahead of it. Raises StoreBusy if others read it."""
    database.rows("VACUUM")
    busy, _, _ = database.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
    if busy:
        raise StoreBusy(
            f"memory file {database.path}: what was purged is out of the file, but another process still reads the old "
            "pages of its log; call purge again when it is done"
        )


def traces(database: Database, subject: Subject) -> int:
    """How often the subject is left: in what people said, and in bytes that no row of the file accounts for.

    Words of the format (names of tables and fields, ids, marks of earlier purges) are no traces.
    """
    parts = [Subject(part=text) for text in subject.texts() if text.strip()]
    with database.reading():
        left = sum(part.holds(text) for text in _said(database) for part in parts)
        needles = _needles(subject)
        if needles:
            whole = [contents(str(database.path), wal) for wal in (False, True)]
            found = sum(_count(data, needles) for data in whole)
            told = _count(_HEADER.encode(), needles) + sum(_count(row, needles) for row in _rows(database))
            left += max(0, found - told)
    return left


def _said(database: Database) -> Iterator[str]:
    for head in read_heads(database):
        yield from json.loads(head.name)
        for entry, held in read_live(database, head):
            yield from said(entry, held.details)
        for ended in read_past(database, head):
            yield from said(ended.entry, ended.held.details)
    for body, key in database.rows("SELECT body, key FROM log"):
        yield from said_in_line(json.loads(body))
        if key is not None:
            yield key


def _needles(subject: Subject) -> set[str]:
    """How it may stand in the file, case aside: as it is or escaped, letters whole or in parts."""
    forms = {form for text in subject.texts() for form in (text, *(normalize(kind, text) for kind in ("NFC", "NFD")))}
    forms |= {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}
    return {form.casefold() for form in forms if len(form.encode()) >= SHORTEST and form.strip()}


def _count(data: bytes, needles: set[str]) -> int:
    text = data.decode("utf-8", "replace").casefold()
    return sum(text.count(needle) for needle in needles)


def _rows(database: Database) -> Iterator[bytes]:
    """Every row as its bytes stand in the file."""
    for name, sql in _TABLES.items():
        for row in database.rows(sql):
            yield b"".join(_stored(value) for value in row[name in _KEYED :])


def _stored(value: Any) -> bytes:
    """A value in SQLite's record format."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and value not in (0, 1):
        least = (value if value >= 0 else ~value).bit_length() // 8 + 1
        return value.to_bytes(next(size for size in (1, 2, 3, 4, 6, 8) if size >= least), "big", signed=True)
    return struct.pack(">d", value) if isinstance(value, float) else b""


def contents(path: str, wal: bool) -> bytes:
    """Bytes of the file or of the log ahead of it, read by SQLite's own file layer.

    Opened and closed by hand, the file would lose the locks that this process holds on it.
    """
    kind = apsw.SQLITE_OPEN_WAL if wal else apsw.SQLITE_OPEN_MAIN_DB
    name = f"{path}-wal" if wal else path
    try:
        file: Any = apsw.VFSFile("", name, [apsw.SQLITE_OPEN_READONLY | kind, 0])
    except apsw.CantOpenError:
        return b""
    try:
        size = file.xFileSize()
        return bytes(file.xRead(size, 0)) if size else b""
    except apsw.Error as error:
        raise StoreError(f"memory file {path} cannot be read back ({error}); purge again") from error
    finally:
        file.xClose()
