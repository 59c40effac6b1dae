"""``purge``: no byte of a subject is left, in entries, earlier versions, the log, its keys, vectors or free pages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from memory_stores.codec import entry_to_dict
from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import StoreError
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.rows import (
    MASK,
    NO_CHAIN,
    Ask,
    Ended,
    Head,
    chained,
    checksum,
    entry_columns,
    metadata_text,
    read_live,
    read_log,
    read_past,
    text_of_body,
)
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.subject import ID, MARK, PURGED, TEXTS, Subject, stamped_by_nobody, told_by
from memory_stores.durable.types import Change
from memory_stores.durable.verify import replayed
from memory_stores.store import NO_STAMP
from memory_stores.types import Edge, Entry

_EDGE = ("subject", "relation", "object")


@dataclass(slots=True, kw_only=True)
class Scrub:
    """What a purge knows of a space before it changes a line of its log."""

    subject: Subject
    edges: dict[str, Edge] = field(default_factory=dict[str, Edge])
    """Every edge of which the file has a row, by id, spelled as the graph has it."""
    gone: frozenset[str] = frozenset()
    """Ids of which a row has to go."""
    kept: frozenset[str] = frozenset()
    """Ids of which rows stay."""
    lost: frozenset[tuple[str, ...]] = frozenset()
    """What is said in what goes and in nothing that stays: a search that says it would tell of it."""
    parents: dict[str, str] = field(default_factory=dict[str, str])
    """Edges by the edge that a Relink put in their place: subject and relation are taken from there."""

    def wiped(self, id: str, object: str) -> tuple[str, ...]:
        """Fields of an edge that go because entry ``subject.id`` does.

        What another edge took over from it stays for as long as that one does.
        """
        mine = id == self.subject.id
        if not mine and not (MARK.fullmatch(object) and id not in self.kept and id in self._line(self.subject.id)):
            return ()
        heirs = any(id in self._line(one) for one in self.kept if one.startswith("g"))
        return ("object",) if heirs else _EDGE

    def _line(self, id: str) -> list[str]:
        """Edges that this one came from, itself left out."""
        found: list[str] = []
        while (id := self.parents.get(id, "")) and id not in found:
            found.append(id)
        return found


def scrub_log(database: Database, head: Head, subject: Subject) -> int:
    """Take the words out of the log's lines, and chain it anew; returns how many lines.

    Changes ``head``, which the caller writes; inside a transaction.
    """
    rows = [(entry, held.details) for entry, held in read_live(database, head)]
    rows += [(ended.entry, ended.held.details) for ended in read_past(database, head)]
    going, staying = list[Entry](), list[Entry]()
    for entry, details in rows:
        (going if subject.means(entry, details) else staying).append(entry)
    told = Scrub(
        subject=subject,
        edges={entry.id: entry for entry, _ in rows if isinstance(entry, Edge)},
        gone=frozenset(entry.id for entry in going),
        kept=frozenset(entry.id for entry in staying),
        lost=_said(going) - _said(staying),
    )
    first = head.space << SHIFT
    lines = database.rows(
        "SELECT row, time, body, key, sum FROM log WHERE row > ? AND row <= ? ORDER BY row", (first, first + head.seq)
    )
    read_log(database, head)
    for _, _, body, _, _ in lines:
        data = json.loads(body)
        if data["op"].get("op") == "Relink" and data.get("created"):
            told.parents[data["created"][-1]] = data["op"]["id"]
    chain, count, keys = NO_CHAIN, 0, dict[str, str]()
    for row, time, body, key, sum in lines:
        clean, said = text_of_body(_clean(json.loads(body), row - first, told)), key
        if key is not None and subject.holds(key):
            said = keys.setdefault(key, PURGED.format(f"key of record {row - first}"))
        if clean != body or said != key:
            sum = checksum((row, time, clean, said))
            database.rows("UPDATE log SET body = ?, key = ?, sum = ? WHERE row = ?", (clean, said, sum, row))
            count += 1
        chain = chained(chain, sum)
    head.chain = chain
    return count


def _said(entries: Iterable[Entry]) -> frozenset[tuple[str, ...]]:
    return frozenset(part for entry in entries for part in told_by(entry.text))


def _clean(data: dict[str, Any], seq: int, told: Scrub) -> dict[str, Any]:
    """A line of the log without the subject; only what people wrote is looked at, not the words of the format."""
    created, subject, op = data.get("created", []), told.subject, data["op"]
    mark = PURGED.format(created[-1] if created else f"record {seq}")
    mine = "put" not in op and subject.id in created
    if created and op.get("op") in ("Link", "Relink"):
        _clean_edge(op, mark, told, created[-1])
    else:
        _clean_said(op, mark, told, mine)
    if op.get("op") == "Retrieve" and (subject.asks(op["query"]) or not told.lost.isdisjoint(told_by(op["query"]))):
        op["query"] = mark
    if not stamped_by_nobody(data):
        step, observation_id, writer, trust = data["stamp"]
        data["stamp"] = [step, *(mark if subject.holds(text) else text for text in (observation_id, writer)), trust]
    if "details" in data:
        data["details"] = _clean_details(data["details"], mark, subject, mine)
    for one in op.get("put", ()):
        _, entry, details = one
        if "object" in entry:
            _clean_edge(entry, PURGED.format(entry["id"]), told, entry["id"])
        else:
            _clean_said(entry, PURGED.format(entry["id"]), told, entry["id"] == subject.id)
        _clean_said(entry["stamp"], mark, told, False)
        one[2] = _clean_details(details, mark, subject, entry["id"] == subject.id)
    return data


def _clean_said(data: dict[str, Any], mark: str, told: Scrub, wiped: bool) -> None:
    """Strings of a table, each for itself; and those of an edge that was refused."""
    subject = told.subject
    for name in TEXTS:
        if isinstance(data.get(name), str) and (wiped or subject.holds(data[name])):
            data[name] = mark
    if isinstance(data.get("id"), str) and not ID.fullmatch(data["id"]) and subject.holds(data["id"]):
        data["id"] = mark
    if "ids" in data:
        data["ids"] = [mark if not ID.fullmatch(id) and subject.holds(id) else id for id in data["ids"]]
    for name in _phrase({name: data[name] for name in _EDGE if isinstance(data.get(name), str)}, subject):
        data[name] = mark


def _clean_edge(data: dict[str, Any], mark: str, told: Scrub, id: str) -> None:
    """An edge that was made, of which the graph may have spelled the names otherwise than the line does."""
    edge, subject = told.edges.get(id), told.subject
    here = [name for name in _EDGE if isinstance(data.get(name), str)]
    spelled = {name: getattr(edge, name) if edge is not None else data[name] for name in here}
    if edge is not None and subject.id.startswith("g"):
        # The edge that goes may be the one that a name was spelled by.
        data.update({name: spelled[name] for name in here if not MARK.fullmatch(data[name])})
    going = {name for name in here if subject.holds(data[name])} | set(told.wiped(id, data["object"]))
    going |= set(_phrase(data if edge is None else {name: getattr(edge, name) for name in _EDGE}, subject))
    data.update({name: mark for name in here if name in going})


def _phrase(said: dict[str, Any], subject: Subject) -> tuple[str, ...]:
    """Fields of an edge without which the subject is in none of them and not in its text."""
    fields = [name for name in _EDGE if name in said]
    single = tuple(name for name in fields if subject.holds(said[name]))
    if single or not subject.holds(" ".join(said[name] for name in fields)):
        return single
    return _EDGE if subject.holds(" ".join(said[name] for name in fields if name != "object")) else ("object",)


def _clean_details(details: dict[str, Any], mark: str, subject: Subject, wiped: bool) -> dict[str, Any]:
    if wiped:
        return {}
    clean = {
        **details,
        **{name: _scrubbed(details[name], mark, subject) for name in ("name", "metadata") if name in details},
    }
    if clean.get("metadata") and subject.holds(metadata_text(clean["metadata"])):
        # It stands across several strings, or in a word of JSON.
        clean["metadata"] = {}
    return clean


def _scrubbed(data: Any, mark: str, subject: Subject) -> Any:
    """The same shape, with a mark in the place of every string and number that has to go."""
    if isinstance(data, str):
        return mark if subject.holds(data) else data
    if isinstance(data, int | float) and not isinstance(data, bool):
        return mark if subject.holds(json.dumps(data)) else data
    if isinstance(data, list):
        return [_scrubbed(one, mark, subject) for one in cast("list[Any]", data)]
    if isinstance(data, dict):
        told = cast("dict[str, Any]", data)
        return {_scrubbed(name, mark, subject): _scrubbed(value, mark, subject) for name, value in told.items()}
    return data


def scrub_past(database: Database, head: Head, subject: Subject) -> int:
    """Take out ended versions; returns how many. Changes ``head``, which the caller writes; inside a transaction."""
    gone = [ended for ended in read_past(database, head) if subject.means(ended.entry, ended.held.details)]
    return _take_out(database, head, gone)


def _scrub_untold(database: Database, head: Head, changes: Changes) -> int:
    """Take out ended versions of which the log, as it is after the purge, tells otherwise; returns how many."""
    ended = changes.ended()
    return _take_out(
        database, head, [one for one in read_past(database, head) if ended.get(one.number) != _closed(one)]
    )


def _closed(one: Ended) -> int:
    return checksum((one.number, one.died, one.held.sum))


def _take_out(database: Database, head: Head, gone: Iterable[Ended]) -> int:
    numbers = [(one.number,) for one in gone]
    for one in gone:
        head.past -= 1
        head.past_sum = (head.past_sum - _closed(one)) & MASK
    database.many("DELETE FROM past WHERE number = ?", numbers)
    return len(numbers)


def _untold(database: Database, head: Head, changes: Changes) -> list[Entry]:
    """Held entries of which the log, as it is after the purge, tells otherwise: they are to be put in anew."""
    held = read_live(database, head)
    told = {row: columns[:-1] for row, columns in changes.puts.items()}
    return [
        entry
        for entry, known in held
        if told.get(known.row) != entry_columns(known.row, known.born, known.written_at, entry, known.details)
    ]


def _check_replay(memory: Mirror, head: Head) -> None:
    """Raises StoreError unless the log, as it is after the purge, leads to where the memory is."""
    if replace(memory.head, past=head.past, past_sum=head.past_sum) != head:
        raise StoreError(f"purge: the log of space {head.name} would not lead to what it holds; nothing was changed")


def drop_for_good(memory: Mirror, database: Database, subject: Subject, ids: tuple[str, ...], now: float) -> None:
    """Take entries out by a change, after which the log leads to what is held; inside the transaction of the purge.

    Entries that the log no longer tells of as they are go out as well, and are put in anew by the same change.
    Raises StoreError if the log would not lead there.
    """
    head, changes = memory.head, Changes()
    try:
        twin, told = replayed(database, head)
        anew = [entry for entry in _untold(database, head, told) if entry.id not in ids]
        put = tuple((memory.store_of(e.id), entry_to_dict(e), memory.details_of(e.id)) for e in anew)
        ask = Ask(Change(why="purge", drop=(*ids, *(entry.id for entry in anew)), put=put), NO_STAMP, now)
        twin.carry_out(ask, told)
    except (ValueError, KeyError, AssertionError) as error:
        raise StoreError(f"purge: the log of space {head.name} would not replay ({error})") from error
    memory.carry_out(ask, changes)
    changes.flush(database)
    scrub_past(database, head, subject)
    _scrub_untold(database, head, told)
    _check_replay(twin, head)
