"""Rows of the tables; every row carries a checksum, which is checked when it is read.

A checksum is 56 bits of BLAKE2b over the ``repr`` of the row's columns. Their sums tell whether a row is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from memory_stores.codec import op_from_dict, op_to_dict
from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreError, corrupt
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.types import NO_DETAILS, Change, Details, LoggedOp
from memory_stores.types import Edge, Entry, Item, MemoryOp, OpResult, Stamp

MASK = (1 << 56) - 1
NO_CHAIN = b"\x00" * 16


def _encoder(sort_keys: bool) -> Callable[[Any], str]:
    """``json.dumps`` with fixed options, set up once: for short texts the setting up is most of the time."""
    slow = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=sort_keys)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return slow.encode
    quick = make(None, slow.default, json.encoder.encode_basestring, None, ":", ",", sort_keys, False, False)
    return lambda data: "".join(quick(data, 0))


_encode, _sorted = _encoder(False), _encoder(True)


def checksum(columns: tuple[Any, ...]) -> int:
    """Of a row, in [0, 2 ** 56)."""
    return int.from_bytes(blake2b(repr(columns).encode(), digest_size=7).digest(), "little")


def chained(chain: bytes, sum: int) -> bytes:
    """The log's chain after one more row: 16 bytes that depend on every row before."""
    return blake2b(chain + sum.to_bytes(7, "little"), digest_size=16).digest()


@dataclass(slots=True, kw_only=True)
class Head:
    """The row of a space: its settings, and what its other rows must add up to. It moves with every op."""

    space: int
    name: str
    """A JSON list of the parts."""
    token: int = 0
    graph: int = 0
    archive: int = 0
    archive_kind: str = "bm25"
    token_serial: int = 0
    graph_serial: int = 0
    archive_serial: int = 0
    seq: int = 0
    chain: bytes = NO_CHAIN
    place: int = 0
    """The last row number that was given out."""
    live: int = 0
    """Rows in ``entries``."""
    live_sum: int = 0
    past: int = 0
    """Rows in ``past``."""
    past_sum: int = 0
    keys: int = 0
    """Idempotency keys in the log."""


HEAD = tuple(field.name for field in fields(Head))
SETTINGS = ("token", "graph", "archive", "archive_kind", "token_serial", "graph_serial", "archive_serial")
_HEAD_SQL = ", ".join(HEAD)


def write_head(database: Database, head: Head) -> None:
    """Put the row of the space in place of the one before."""
    columns = tuple(getattr(head, name) for name in HEAD)
    marks = ", ".join("?" * (len(columns) + 1))
    database.rows(f"INSERT OR REPLACE INTO spaces ({_HEAD_SQL}, sum) VALUES ({marks})", (*columns, checksum(columns)))


def read_head(database: Database, space: int) -> Head | None:
    """The row of that space. Raises CorruptStore."""
    for head in _heads(database, "WHERE space = ?", (space,)):
        return head
    return None


def read_heads(database: Database) -> list[Head]:
    """All rows, in the order they were made. Raises CorruptStore."""
    return list(_heads(database, "ORDER BY space", ()))


def _heads(database: Database, where: str, bindings: tuple[Any, ...]) -> Iterator[Head]:
    for row in database.rows(f"SELECT {_HEAD_SQL}, sum FROM spaces {where}", bindings):
        if checksum(row[:-1]) != row[-1]:
            raise corrupt(database.path, "the row of a space")
        yield Head(**dict(zip(HEAD, row, strict=False)))


ENTRY = (
    "row", "id", "born", "text", "subject", "relation", "object", "tokens", "step", "observation_id", "writer", "trust",
    "replaces", "invalid_at", "uses", "used_at", "name", "metadata", "event_time", "written_at", "expires_at",
)  # fmt: skip
ENTRY_SQL = ", ".join(ENTRY)


class Held(NamedTuple):
    """What a space knows of an entry beside itself."""

    row: int
    born: int
    written_at: float
    details: Details
    sum: int


def entry_columns(row: int, born: int, written_at: float, entry: Entry, details: Details) -> tuple[Any, ...]:
    """A row of ``entries`` without its checksum."""
    stamp = entry.stamp
    if isinstance(entry, Edge):
        said = (None, entry.subject, entry.relation, entry.object)
        invalid_at = entry.invalid_at
    else:
        said, invalid_at = (entry.text, None, None, None), None
    metadata = None if details.metadata is None else metadata_text(details.metadata)
    told = (details.name, metadata, details.event_time, written_at, details.expires_at)
    provenance = (stamp.step, stamp.observation_id, stamp.writer, stamp.trust, entry.replaces, invalid_at)
    return (row, entry.id, born, *said, entry.tokens, *provenance, entry.uses, entry.used_at, *told)


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """As it stands in the file. Raises StoreError on what is no JSON."""
    try:
        return _sorted(dict(metadata))
    except (TypeError, ValueError) as error:
        raise StoreError(f"details.metadata = {metadata!r}: it must be JSON ({error})") from error


def read_entry(row: tuple[Any, ...], path: Path) -> tuple[Entry, Held]:
    """A row of ``entries``, checksum last. Raises CorruptStore."""
    columns, sum = row[:-1], row[-1]
    if checksum(columns) != sum:
        raise corrupt(path, f"the row of entry {columns[1]!r}")
    (number, id, born, text, subject, relation, object, tokens, step, observation_id, writer, trust) = columns[:12]
    replaces, invalid_at, uses, used_at, name, metadata, event_time, written_at, expires_at = columns[12:]
    stamp = Stamp(step=step, observation_id=observation_id, writer=writer, trust=trust)
    if text is None:
        entry: Entry = Edge(
            id=id,
            subject=subject,
            relation=relation,
            object=object,
            tokens=tokens,
            stamp=stamp,
            invalid_at=invalid_at,
            replaces=replaces,
            uses=uses,
            used_at=used_at,
        )
    else:
        entry = Item(id=id, text=text, tokens=tokens, stamp=stamp, replaces=replaces, uses=uses, used_at=used_at)
    details = NO_DETAILS
    if name is not None or metadata is not None or event_time is not None or expires_at is not None:
        told = None if metadata is None else json.loads(metadata)
        details = Details(name=name, metadata=told, event_time=event_time, expires_at=expires_at)
    return entry, Held(number, born, written_at, details, sum)


def read_live(database: Database, head: Head) -> list[tuple[Entry, Held]]:
    """What the space holds, in order. Raises CorruptStore if a row is damaged, missing or one too many."""
    first = head.space << SHIFT
    sql = f"SELECT {ENTRY_SQL}, sum FROM entries WHERE row BETWEEN ? AND ? ORDER BY row"
    found = database.rows(sql, (first, first + (1 << SHIFT) - 1))
    if len(found) != head.live or _total(row[-1] for row in found) != head.live_sum:
        raise corrupt(database.path, f"entries of space {head.name}: {len(found)} rows, {head.live} expected")
    return [read_entry(row, database.path) for row in found]


def _total(sums: Iterable[object]) -> int:
    """Of checksums; one that is no number counts for nothing, and then the total is wrong."""
    return sum(one for one in sums if isinstance(one, int)) & MASK


class Ended(NamedTuple):
    """A row of ``past``."""

    number: int
    died: int
    entry: Entry
    held: Held


def read_past(database: Database, head: Head) -> list[Ended]:
    """Versions of the space that ended, in the order they did. Raises CorruptStore as ``read_live`` does."""
    first = head.space << SHIFT
    sql = f"SELECT number, died, closed, {ENTRY_SQL}, sum FROM past WHERE number BETWEEN ? AND ? ORDER BY number"
    found = database.rows(sql, (first, first + (1 << SHIFT) - 1))
    if len(found) != head.past or _total(row[2] for row in found) != head.past_sum:
        raise corrupt(database.path, f"past of space {head.name}: {len(found)} rows, {head.past} expected")
    ended: list[Ended] = []
    for number, died, closed, *row in found:
        if closed != checksum((number, died, row[-1])):
            raise corrupt(database.path, f"an earlier version of entry {row[1]!r}")
        ended.append(Ended(number, died, *read_entry(tuple(row), database.path)))
    return ended


class Ask(NamedTuple):
    """What is asked of a memory, by whom and when."""

    op: MemoryOp | Change
    stamp: Stamp
    time: float
    details: Details = NO_DETAILS
    key: str | None = None
    part: int = 0
    """Which op of its batch it belongs to, where the batch has a key."""
    digest: str = ""
    """Of the ops of that batch, so that a key is not used for two things."""


def log_columns(row: int, ask: Ask, result: OpResult, tokens: int | None) -> tuple[Any, ...]:
    """A row of ``log`` without its checksum."""
    op, stamp, time, details, key, part, digest = ask
    body: dict[str, Any] = {"op": change_to_dict(op) if isinstance(op, Change) else op_to_dict(op)}
    body["stamp"] = (stamp.step, stamp.observation_id, stamp.writer, stamp.trust)
    if result.refused is not None:
        body["refused"] = result.refused.value
    if result.created:
        body["created"] = result.created
    if result.removed:
        body["removed"] = result.removed
    if result.hits:
        body["hits"] = [(hit.id, hit.score) for hit in result.hits]
    if tokens is not None:
        body["tokens"] = tokens
    if details is not NO_DETAILS:
        body["details"] = details_to_dict(details)
    if key is not None:
        body["batch"] = (part, digest)
    return row, time, _encode(body), key


def text_of_body(body: Mapping[str, Any]) -> str:
    """The body of a log row as it stands in the file."""
    return _encode(body)


def read_log(database: Database, head: Head, since: int = 0) -> list[tuple[LoggedOp, int]]:
    """Records after ``since`` with their checksums. Raises CorruptStore if one is damaged or missing."""
    first = head.space << SHIFT
    sql = "SELECT row, time, body, key, sum FROM log WHERE row > ? AND row <= ? ORDER BY row"
    records: list[tuple[LoggedOp, int]] = []
    for row, time, body, key, sum in database.rows(sql, (first + since, first + head.seq)):
        seq = since + len(records) + 1
        if row != first + seq or checksum((row, time, body, key)) != sum:
            raise corrupt(database.path, f"record {seq} of the log of space {head.name}")
        records.append((record_of(seq, time, body, key), sum))
    if since + len(records) != head.seq:
        raise corrupt(database.path, f"the log of space {head.name} ends at {since + len(records)}, not at {head.seq}")
    return records


def record_of(seq: int, time: float, body: str, key: str | None) -> LoggedOp:
    """A line of the log from its columns. Raises ValueError on what is none."""
    data = json.loads(body)
    step, observation_id, writer, trust = data["stamp"]
    return LoggedOp(
        seq=seq,
        time=time,
        op=change_from_dict(data["op"]) if data["op"].get("op") == "Change" else op_from_dict(data["op"]),
        stamp=Stamp(step=step, observation_id=observation_id, writer=writer, trust=trust),
        created=tuple(data.get("created", ())),
        removed=tuple(data.get("removed", ())),
        refused=data.get("refused"),
        hits=tuple((id, score) for id, score in data.get("hits", ())),
        key=key,
        details=details_from_dict(data["details"]) if "details" in data else NO_DETAILS,
        tokens=data.get("tokens"),
        part=data.get("batch", (0, ""))[0],
        digest=data.get("batch", (0, ""))[1],
    )


def details_to_dict(details: Details) -> dict[str, Any]:
    """What is set of it, in the order of the fields."""
    told = {"name": details.name, "metadata": details.metadata, "event_time": details.event_time}
    told["expires_at"] = details.expires_at
    return {name: value for name, value in told.items() if value is not None}


def details_from_dict(data: Mapping[str, Any]) -> Details:
    """What ``details_to_dict`` wrote; never ``NO_DETAILS`` itself, so that a line that has empty details keeps them."""
    return Details(**data)


def change_to_dict(change: Change) -> dict[str, Any]:
    """As it stands in the log."""
    told: dict[str, Any] = {"op": "Change", "why": change.why, "drop": change.drop, "settings": change.settings}
    told["of"] = change.of
    told["put"] = [(store, dict(entry), details_to_dict(details)) for store, entry, details in change.put]
    return {name: value for name, value in told.items() if value}


def change_from_dict(data: Mapping[str, Any]) -> Change:
    """What ``change_to_dict`` wrote."""
    put = tuple((store, entry, details_from_dict(details)) for store, entry, details in data.get("put", ()))
    return Change(
        why=data["why"],
        drop=tuple(data.get("drop", ())),
        put=put,
        settings=data.get("settings"),
        of=tuple(data.get("of", ())),
    )


def ask_of(record: LoggedOp) -> Ask:
    """What was asked, of a line of the log."""
    return Ask(record.op, record.stamp, record.time, record.details, record.key, record.part, record.digest)
