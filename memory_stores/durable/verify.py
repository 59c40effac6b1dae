"""``verify``: everything that a memory file promises of its bytes, checked from scratch."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreError
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.origin import read_vectors, stored_origin
from memory_stores.durable.parts import Counter, archive_part, no_embedder
from memory_stores.durable.rows import NO_CHAIN, Head, ask_of, chained, read_heads, read_live, read_log, read_past
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.types import VerifyReport


def verify(database: Database) -> VerifyReport:
    """Checksums of all rows, the log's chain, rows against a replay of the log, vectors, SQLite's own check.

    Damage is reported, not raised. Raises StoreBusy.
    """
    problems: list[str] = []
    heads: list[Head] = []
    with database.reading():
        try:
            problems += [f"sqlite: {row[0]}" for row in database.rows("PRAGMA integrity_check") if row[0] != "ok"]
            heads = read_heads(database)
            for head in heads:
                problems += _problems(database, head)
            problems += _strays(database, heads)
            stored_origin(database)
        except StoreError as error:
            problems.append(str(error))
    return VerifyReport(
        problems=tuple(problems),
        spaces=len(heads),
        entries=sum(head.live for head in heads),
        records=sum(head.seq for head in heads),
        sqlite=apsw.sqlite_lib_version(),
    )


def replayed(database: Database, head: Head) -> Mirror:
    """The memory that the log of a space leads to, made anew from its first op. Raises StoreError."""
    counter = Counter(len)
    nobody = no_embedder(1)
    memory = Mirror(
        Head(space=head.space, name=head.name),
        counter,
        lambda kind, budget: archive_part(kind, budget, counter, nobody),
    )
    for record, _ in read_log(database, head):
        memory.carry_out(ask_of(record), Changes(), record)
    return memory


def _problems(database: Database, head: Head) -> Iterator[str]:
    where = f"space {head.name}"
    try:
        live, past = read_live(database, head), read_past(database, head)
        log = read_log(database, head)
        chain = NO_CHAIN
        for _, sum in log:
            chain = chained(chain, sum)
        if chain != head.chain:
            yield f"{where}: the chain of the log does not end as its space says"
        rows = [held.row for _, held in live]
        vectors = read_vectors(database, rows)
    except StoreError as error:
        yield str(error)
        return
    first = head.space << SHIFT
    [(kept,)] = database.rows(
        "SELECT count(*) FROM vectors WHERE row BETWEEN ? AND ?", (first, first + (1 << SHIFT) - 1)
    )
    if kept != len(vectors):
        yield f"{where}: {kept - len(vectors)} vectors of entries that it does not hold"
    del past
    try:
        memory = replayed(database, head)
    except (ValueError, KeyError, AssertionError) as error:
        yield f"{where}: the log cannot be replayed ({error})"
        return
    if memory.head != head:
        yield f"{where}: a replay of the log leads elsewhere than its rows"
    said = {entry.id: (held.row, entry) for entry, held in live}
    for entry in memory.rows():
        known = memory.known(entry.id)
        if known is None or said.pop(entry.id, None) != (known.row, entry):
            yield f"{where}: entry {entry.id} is not as the log tells it"
    for id in said:
        yield f"{where}: entry {id} is not in a replay of the log"


def _strays(database: Database, heads: list[Head]) -> Iterator[str]:
    known = {head.space for head in heads}
    for table, column in (("log", "row"), ("entries", "row"), ("past", "number"), ("vectors", "row")):
        for (space,) in database.rows(f"SELECT DISTINCT {column} >> {SHIFT} FROM {table}"):
            if space not in known:
                yield f"{table}: rows of space {space}, which there is not"
