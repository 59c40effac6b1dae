"""What ``memrl mem`` tells of a memory file: each as JSON-ready data and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from memory_stores.codec import entry_to_dict
from memory_stores.durable import DurableMemory, LoggedOp, MemoryDiff, MemoryFile, PurgeReport, VerifyReport, Version
from memory_stores.durable.types import SpaceName
from memory_stores.memory import AgentMemory
from memory_stores.types import Entry
from memrl.contracts.errors import DataError
from memrl.reporting.escaped import escaped
from memrl.reporting.pages.of_log import clock, said


class Told(NamedTuple):
    """One thing in both forms."""

    data: dict[str, Any]
    lines: list[str]


@contextmanager
def opened(path: Path, read_only: bool = True) -> Iterator[MemoryFile]:
    """The file; whatever the store has to say is one line. To look needs neither its tokenizer nor its embedder."""
    if not path.is_file() and read_only:
        raise DataError(f"memory file {path}: there is no such file")
    try:
        with MemoryFile(path, count_tokens=lambda text: len(text.split()), read_only=read_only) as file:
            yield file
    except ValueError as error:
        raise DataError(str(error)) from error


@contextmanager
def looked_into(path: Path, space: str) -> Iterator[DurableMemory]:
    """One space of the file, to read. Raises DataError, naming those that there are."""
    with opened(path) as file:
        named = {_named(one): one for one in file.spaces()}
        # As it is listed; or just joined, where that can mean one only.
        meant = [named[space]] if space in named else [one for one in named.values() if "/".join(one) == space]
        if len(meant) != 1:
            raise DataError(f"--space {space}: {path} has no such space; it has {', '.join(named) or 'none'}")
        yield file.space(meant[0])


def _named(space: SpaceName) -> str:
    """Its words parted by "/"; one that stands within a word is written %2F, and % as %25."""
    return "/".join(word.replace("%", "%25").replace("/", "%2F") for word in space)


def moment(text: str) -> int | datetime:
    """A number of the log, or a time; one without a zone is local. Raises DataError."""
    if text.isdecimal():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"moment {text!r}: give an op's number, or a time such as 2026-11-27T18:00+00:00") from error
    return found if found.tzinfo is not None else found.astimezone()


def spaces(file: MemoryFile) -> Told:
    """Every space and what it holds."""
    held = [(name, file.space(name)) for name in file.spaces()]
    rows = [
        {"space": _named(name), "entries": len(one), "tokens": one.tokens_used, "budget": one.budget, "ops": one.seq}
        for name, one in held
    ]
    line = "{space}  {entries} entries, {tokens} of {budget} tokens, {ops} ops"
    return Told({"spaces": rows}, [escaped(line.format(**row)) for row in rows] or ["(no space yet)"])


def holdings(memory: AgentMemory) -> Told:
    """What is held."""
    lines = [f"{len(memory)} entries, {memory.tokens_used} of {memory.budget} tokens"]
    return Told(
        {"entries": [entry_to_dict(entry) for entry in memory.entries()]}, lines + list(map(_line, memory.entries()))
    )


def log(memory: DurableMemory, since: int) -> Told:
    """Every op after number ``since``."""
    records = memory.log(since)
    lines = []
    for one in records:
        came = f"refused: {one.refused}" if one.refused else f"made {', '.join(one.created)}" if one.created else ""
        lines.append(f"{one.seq:>6}  {clock(one.time)}  {escaped(said(one))}  {came}".rstrip())
    return Told({"log": [_record(one) for one in records]}, lines or ["(nothing was asked for)"])


def search(memory: DurableMemory, query: str, k: int) -> Told:
    """Entries that have the query's words, the best first."""
    hits = memory.search(query, k)
    data = [
        {"id": hit.id, "text": hit.text, "score": hit.score, "store": hit.store, "tokens": hit.tokens} for hit in hits
    ]
    lines = [f"{hit.score:.3f}  {hit.id:>6}  {escaped(hit.text)}" for hit in hits]
    return Told({"hits": data}, lines or ["(nothing found)"])


def history(memory: DurableMemory, entry: str) -> Told:
    """Every version of one entry, the oldest first."""
    found = _versions(memory, entry)
    lines = [
        f"{one.entry.id:>6}  op {one.born} to {'now' if one.died is None else f'op {one.died}'}  "
        f"{clock(one.written_at)}  {escaped(one.entry.text)}"
        for one in found
    ]
    return Told({"versions": [_version(one) for one in found]}, lines)


def lineage(memory: DurableMemory, entry: str) -> Told:
    """Where each version comes from: its observation, and the op that made it."""
    found = _versions(memory, entry)
    made = {one.seq: one for one in memory.log()}
    data, lines = [], []
    for one in found:
        op, stamp = made.get(one.born), one.entry.stamp
        data.append({**_version(one), "made_by": None if op is None else _record(op)})
        source = escaped(stamp.observation_id) or "nobody named"
        lines.append(f"{one.entry.id:>6}  {escaped(one.entry.text)}")
        lines.append(f"        from {source} at step {stamp.step}, by {escaped(stamp.writer)}, trust {stamp.trust:g}")
        if op is not None:
            lines.append(f"        op {op.seq}, {clock(op.time)}: {escaped(said(op))}")
    return Told({"lineage": data}, lines)


def difference(found: MemoryDiff) -> Told:
    """What came, what went, what took another's place."""
    data = {
        "added": [entry_to_dict(one) for one in found.added],
        "removed": [entry_to_dict(one) for one in found.removed],
        "changed": [[entry_to_dict(one) for one in pair] for pair in found.changed],
    }
    lines = [f"+ {_line(one)}" for one in found.added] + [f"- {_line(one)}" for one in found.removed]
    lines += [f"~ {_line(old)}  =>  {_line(new).lstrip()}" for old, new in found.changed]
    return Told(data, lines or ["(no difference)"])


def verdict(found: VerifyReport) -> Told:
    """Whether the file is sound."""
    state = "sound" if found.ok else f"{len(found.problems)} problems"
    line = f"{state}: {found.spaces} spaces, {found.entries} entries, {found.records} ops; SQLite {found.sqlite}"
    data = {
        "ok": found.ok, "problems": list(found.problems), "spaces": found.spaces, "entries": found.entries,
        "records": found.records, "sqlite": found.sqlite,
    }  # fmt: skip
    return Told(data, [line, *(f"  {escaped(problem)}" for problem in found.problems)])


def would_go(file: MemoryFile, subject: str) -> Told:
    """What a purge would take out of what is held."""
    found = [("/".join(name), entry) for name, entries in file.would_purge(subject).items() for entry in entries]
    data = [{"space": name, "id": entry.id, "text": entry.text} for name, entry in found]
    lines = [f"would go: {escaped(name)}  {_line(entry)}" for name, entry in found]
    last = f"{len(found)} held entries; earlier versions and the log are cleaned too. Say --yes to do it"
    return Told({"would_purge": data}, [*lines, last])


def purged(report: PurgeReport) -> Told:
    """What a purge took out."""
    entries = [{"space": "/".join(name), "id": id} for name, id in report.entries]
    data = {"entries": entries, "versions": report.versions, "records": report.records, "left": report.left}
    line = f"purged {len(entries)} entries, {report.versions} earlier versions, {report.records} lines of the log"
    return Told(data, [f"{line}; {report.left} traces left"])


def _versions(memory: DurableMemory, entry: str) -> Sequence[Version]:
    found = memory.history(entry)
    if not found:
        raise DataError(f"{entry}: no entry of that id or name was ever held in space {'/'.join(memory.name)}")
    return found


def _line(entry: Entry) -> str:
    return f"{entry.id:>6}  {escaped(entry.text)}  ({entry.tokens} tokens; step {entry.stamp.step})"


def _record(record: LoggedOp) -> dict[str, Any]:
    return {
        "seq": record.seq, "time": record.time, "op": said(record), "created": list(record.created),
        "removed": list(record.removed), "refused": record.refused, "writer": record.stamp.writer,
        "observation": record.stamp.observation_id, "step": record.stamp.step, "trust": record.stamp.trust,
    }  # fmt: skip


def _version(version: Version) -> dict[str, Any]:
    return {
        **entry_to_dict(version.entry), "born": version.born, "died": version.died, "written_at": version.written_at,
    }  # fmt: skip
