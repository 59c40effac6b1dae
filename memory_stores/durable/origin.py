"""Whose vectors a file holds, and the vectors themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from memory_stores.durable.database import Database
from memory_stores.durable.errors import EmbedderMismatch, corrupt
from memory_stores.durable.rows import checksum
from memory_stores.embed import Embedder
from memory_stores.vector_store import Vector

PROBE = "A probe of memory_stores: the lantern is in the attic, and Ana has 2 keys."
"""Embedded to tell embedders apart, whatever they are called."""
ALIKE = 0.99
"""Cosine of two probes above which they come from one model: bf16 and fp32 of one model are at 0.998."""
ASKED_TOGETHER = 500
"""Vectors that are asked for one by one; where more are wanted, those of the space are read in a row."""


def name_of(embedder: Embedder) -> str:
    """What the file calls it: its ``fingerprint``, if it has one, or its type."""
    return str(getattr(embedder, "fingerprint", None) or type(embedder).__name__)


def stored_origin(database: Database) -> tuple[str, int, Vector] | None:
    """Name, width and probe [E] of the embedder that the file's vectors are of. Raises CorruptStore."""
    rows = database.rows("SELECT value FROM meta WHERE key = 'embedder'")
    if not rows:
        return None
    try:
        name, dim, probe, sum = json.loads(rows[0][0])
        if checksum((name, dim, probe)) != sum:
            raise ValueError("checksum")
        return str(name), int(dim), np.frombuffer(bytes.fromhex(probe), dtype=np.float32)
    except ValueError as error:
        raise corrupt(database.path, "the note of its embedder") from error


def check_origin(database: Database, embedder: Embedder) -> None:
    """Raises EmbedderMismatch if the file's vectors are of another embedder, CorruptStore if the note is damaged."""
    stored = stored_origin(database)
    if stored is None:
        return
    name, dim, probe = stored
    if dim != embedder.dim or float(probe @ _probe(embedder)) < ALIKE:
        raise EmbedderMismatch(
            f"memory file {database.path} holds vectors of {name} ({dim} numbers), not of {name_of(embedder)} "
            f"({embedder.dim}): open it with that one, or open it without and call rebuild_index(embedder)"
        )


def check_again(database: Database, embedder: Embedder, agreed: set[str]) -> None:
    """``check_origin``, unless the note of the file is one that was ``agreed`` upon. Raises EmbedderMismatch."""
    rows = database.rows("SELECT value FROM meta WHERE key = 'embedder'")
    if rows and str(rows[0][0]) not in agreed:
        check_origin(database, embedder)
        agreed.add(str(rows[0][0]))


def note_origin(database: Database, embedder: Embedder, agreed: set[str]) -> None:
    """Write down whose vectors the file holds, unless it says so already; inside a transaction."""
    if not database.rows("SELECT 1 FROM meta WHERE key = 'embedder'"):
        said = (name_of(embedder), embedder.dim, _probe(embedder).tobytes().hex())
        note = json.dumps([*said, checksum(said)])
        database.rows("INSERT INTO meta VALUES ('embedder', ?)", (note,))
        agreed.add(note)


def forget_origin(database: Database) -> None:
    """Take out every vector and the note of their embedder; inside a transaction."""
    database.rows("DELETE FROM vectors")
    database.rows("DELETE FROM meta WHERE key = 'embedder'")


def _probe(embedder: Embedder) -> Vector:
    row = np.ascontiguousarray(embedder.embed([PROBE])[0], dtype=np.float32)
    return row / max(float(np.linalg.norm(row)), 1e-8)


def read_vectors(database: Database, rows: Sequence[int]) -> dict[int, Vector]:
    """Vectors by row number of the entry; one that the file lacks is left out. Raises CorruptStore."""
    found: dict[int, Vector] = {}
    for row, data, sum in _stored(database, rows):
        if not isinstance(data, bytes) or _checksum(row, data) != sum:
            raise corrupt(database.path, "a vector: rebuild_index() makes them anew")
        found[row] = np.frombuffer(data, dtype=np.float32)
    return found


def _stored(database: Database, rows: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    if len(rows) > ASKED_TOGETHER:
        wanted = set(rows)
        sql = "SELECT row, vector, sum FROM vectors WHERE row BETWEEN ? AND ?"
        yield from (row for row in database.rows(sql, (min(rows), max(rows))) if row[0] in wanted)
    elif rows:
        marks = ",".join("?" * len(rows))
        yield from database.rows(f"SELECT row, vector, sum FROM vectors WHERE row IN ({marks})", list(rows))


def _checksum(row: int, data: bytes) -> int:
    """Of a vector: 56 bits over its bytes, keyed by its row."""
    return int.from_bytes(blake2b(data, digest_size=7, key=row.to_bytes(8, "little")).digest(), "little")


def write_vectors(database: Database, pairs: Iterable[tuple[int, Vector]]) -> None:
    """Keep vectors with their entries; inside a transaction."""
    rows = [(row, data, _checksum(row, data)) for row, data in ((row, vector.tobytes()) for row, vector in pairs)]
    database.many("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
