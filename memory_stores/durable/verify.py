"""``verify``: everything that a memory file promises of its bytes, checked from scratch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import apsw

from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreError
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.origin import read_vectors, stored_origin
from memory_stores.durable.parts import Counter, archive_part, no_embedder
from memory_stores.durable.rows import (
    NO_CHAIN,
    Head,
    ask_of,
    chained,
    checksum,
    entry_columns,
    read_heads,
    read_live,
    read_log,
    read_past,
)
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.types import Change, VerifyReport


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
                problems += problems_of(database, head)
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


def replayed(database: Database, head: Head) -> tuple[Mirror, Changes]:
    """The memory that the log of a space leads to, made anew from its first op, and its rows. Raises StoreError."""
    counter, nobody, changes = Counter(len), no_embedder(1), Changes()
    memory = Mirror(
        Head(space=head.space, name=head.name),
        counter,
        lambda kind, budget: archive_part(kind, budget, counter, nobody),
    )
    for record, _ in read_log(database, head):
        memory.carry_out(ask_of(record), changes, record)
    return memory, changes


def problems_of(database: Database, head: Head) -> Iterator[str]:
    """What is wrong with the rows of one space."""
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
    try:
        memory, changes = replayed(database, head)
    except (ValueError, KeyError, AssertionError) as error:
        yield f"{where}: the log cannot be replayed ({error})"
        return
    purged = any(isinstance(record.op, Change) and record.op.why == "purge" for record, _ in log)
    if replace(memory.head, past=head.past, past_sum=head.past_sum) != head or (not purged and memory.head != head):
        yield f"{where}: a replay of the log leads elsewhere than its rows"
    said = {held.row: entry_columns(held.row, held.born, held.written_at, e, held.details) for e, held in live}
    if said != {row: columns[:-1] for row, columns in changes.puts.items()}:
        yield f"{where}: its entries are not as the log tells them"
    ended = changes.ended()
    if any(ended.get(one.number) != checksum((one.number, one.died, one.held.sum)) for one in past):
        yield f"{where}: its past is not as the log tells it"


def _strays(database: Database, heads: list[Head]) -> Iterator[str]:
    known = {head.space for head in heads}
    for table, column in (("log", "row"), ("entries", "row"), ("past", "number"), ("vectors", "row")):
        for (space,) in database.rows(f"SELECT DISTINCT {column} >> {SHIFT} FROM {table}"):
            if space not in known:
                yield f"{table}: rows of space {space}, which there is not"
