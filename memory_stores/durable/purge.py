"""``purge``: no byte of a subject is left, in entries, earlier versions, the log, its keys, vectors or free pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import apsw

from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreBusy, StoreError
from memory_stores.durable.rows import (
    MASK,
    NO_CHAIN,
    Head,
    chained,
    checksum,
    metadata_text,
    read_log,
    read_past,
    text_of_body,
)
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.types import Details
from memory_stores.types import Edge, Entry

PURGED = "[purged {}]"
"""What stands in the place of a text that was taken out of the log: one for each entry, so that a replay goes on."""

_SAID = ("text", "subject", "relation", "object", "query", "observation_id", "writer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to go: all that has ``part`` in it, case aside; or entry ``id``, its versions and lines of the log."""

    part: str = ""
    id: str = ""
    whole: frozenset[str] = frozenset()
    """Texts that the entry of that id had, to count how often they are left."""

    def holds(self, text: str) -> bool:
        """Whether a string has to go."""
        return bool(self.part) and self.part.casefold() in text.casefold()

    def means(self, entry: Entry, details: Details) -> bool:
        """Whether an entry has to go, for anything that the file keeps of it."""
        told = [entry.text, entry.stamp.observation_id, entry.stamp.writer, details.name or ""]
        if isinstance(entry, Edge):
            told += [entry.subject, entry.relation, entry.object]
        if details.metadata is not None:
            told += [metadata_text(details.metadata), *_strings(details.metadata)]
        return entry.id == self.id or any(self.holds(text) for text in told)

    def forms(self) -> set[bytes]:
        """How it may stand in the file, in small letters."""
        texts = [self.part] if self.part else list(self.whole)
        escaped = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]
        return {text.encode().lower() for text in (*texts, *escaped)}


def scrub_past(database: Database, head: Head, subject: Subject) -> int:
    """Take out ended versions; returns how many. Changes ``head``, which the caller writes; inside a transaction."""
    gone = [ended for ended in read_past(database, head) if subject.means(ended.entry, ended.held.details)]
    for ended in gone:
        head.past -= 1
        head.past_sum = (head.past_sum - checksum((ended.number, ended.died, ended.held.sum))) & MASK
    database.many("DELETE FROM past WHERE number = ?", [(ended.number,) for ended in gone])
    return len(gone)


def scrub_log(database: Database, head: Head, subject: Subject) -> int:
    """Take the words out of the log's lines, and chain it anew; returns how many lines.

    Changes ``head``, which the caller writes; inside a transaction.
    """
    chain, count, keys = NO_CHAIN, 0, dict[str, str]()
    for record, sum in read_log(database, head):
        row = (head.space << SHIFT) + record.seq
        [(body, key)] = database.rows("SELECT body, key FROM log WHERE row = ?", (row,))
        clean, told = _clean(json.loads(body), record.seq, subject), key
        if key is not None and subject.holds(key):
            told = keys.setdefault(key, PURGED.format(f"key of record {record.seq}"))
        if clean != json.loads(body) or told != key:
            columns = (row, record.time, text_of_body(clean), told)
            sum = checksum(columns)
            database.rows("UPDATE log SET body = ?, key = ?, sum = ? WHERE row = ?", (columns[2], told, sum, row))
            count += 1
        chain = chained(chain, sum)
    head.chain = chain
    return count


def _clean(data: dict[str, Any], seq: int, subject: Subject) -> dict[str, Any]:
    """A line of the log without the subject; only what people wrote is looked at, not the words of the format."""
    created = data.get("created", [])
    mark = PURGED.format(created[-1] if created else f"record {seq}")
    wiped = "put" not in data["op"] and subject.id in created
    _clean_texts(data["op"], mark, subject, wiped)
    step, observation_id, writer, trust = data["stamp"]
    data["stamp"] = [step, *(mark if subject.holds(text) else text for text in (observation_id, writer)), trust]
    if "details" in data:
        data["details"] = _clean_details(data["details"], mark, subject, wiped)
    for one in data["op"].get("put", ()):
        _, entry, details = one
        wiped = entry["id"] == subject.id
        _clean_texts(entry, PURGED.format(entry["id"]), subject, wiped)
        _clean_texts(entry["stamp"], mark, subject, False)
        one[2] = _clean_details(details, mark, subject, wiped)
    return data


def _clean_texts(data: dict[str, Any], mark: str, subject: Subject, wiped: bool) -> None:
    for name in _SAID:
        if isinstance(data.get(name), str) and (wiped or subject.holds(data[name])):
            data[name] = mark


def _clean_details(details: dict[str, Any], mark: str, subject: Subject, wiped: bool) -> dict[str, Any]:
    if wiped:
        return {}
    said = {name: _scrubbed(details[name], mark, subject) for name in ("name", "metadata") if name in details}
    return {**details, **said}


def _scrubbed(data: Any, mark: str, subject: Subject) -> Any:
    """The same shape, with a mark in the place of every string that has to go."""
    if isinstance(data, str):
        return mark if subject.holds(data) else data
    if isinstance(data, list):
        return [_scrubbed(one, mark, subject) for one in cast("list[Any]", data)]
    if isinstance(data, dict):
        told = cast("dict[str, Any]", data)
        return {_scrubbed(name, mark, subject): _scrubbed(value, mark, subject) for name, value in told.items()}
    return data


def _strings(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        pairs = cast("dict[str, Any]", data).items()
        return [text for name, value in pairs for text in (name, *_strings(value))]
    if isinstance(data, list | tuple):
        return [text for one in cast("list[Any]", data) for text in _strings(one)]
    return []


def wipe(database: Database) -> None:
    """Write the file anew without free pages, and empty the log ahead of it. Raises StoreBusy if others read it."""
    database.rows("VACUUM")
    busy, _, _ = database.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
    if busy:
        raise StoreBusy(
            f"memory file {database.path}: what was purged is out of the file, but another process still reads the old "
            "pages of its log; call purge again when it is done"
        )


def count_bytes(database: Database, subject: Subject) -> int:
    """How often it stands in the bytes of the file and of the log ahead of it, case aside for ASCII."""
    data = [contents(str(database.path), wal).lower() for wal in (False, True)]
    return sum(whole.count(form) for whole in data for form in subject.forms())


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
