"""Files of stream records, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from memrl.contracts.errors import DataError
from memrl.envs.documents.check import faults_of
from memrl.envs.documents.records import Stream, record_of, stream_of


class FileFault(NamedTuple):
    """One fault of a file, as one line: ``FILE:LINE (ID): FIELD: PROBLEM``."""

    file: str
    line: int
    """From 1; 0 for the whole file."""
    id: str
    """Of the stream, where it has one."""
    field: str
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        named = f" ({self.id})" if self.id else ""
        return f"{place}{named}: {self.field}: {self.problem}"


def faults(path: Path) -> list[FileFault]:
    """Everything that is wrong with a file, in its order; empty for a good one. A missing file is one fault."""
    return [found for found in _read(path) if isinstance(found, FileFault)]


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file. Raises DataError at its first fault: file, line, stream, field."""
    streams: list[Stream] = []
    for found in _read(path):
        if isinstance(found, FileFault):
            raise DataError(f"{found}; `memrl data check {path}` lists all faults")
        streams.append(found)
    return tuple(streams)


def save(streams: Iterable[Stream], path: Path) -> None:
    """Write a file that ``load`` reads back to equal streams. Raises DataError where it cannot be written."""
    lines = [json.dumps(record_of(stream), ensure_ascii=False) + "\n" for stream in streams]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def _read(path: Path) -> Iterator[Stream | FileFault]:
    """Streams and faults in the order of the file; a record with faults gives them in place of its stream."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        yield FileFault(str(path), 0, "", "file", f"cannot be read: {reason}")
        return
    seen: dict[str, int] = {}
    # Not splitlines(): a text may hold line separators that are no ends of a JSON line.
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        yield FileFault(str(path), 0, "", "file", "empty: there is no record in it")
    for number, line in lines:
        raw = _decoded(line)
        if isinstance(raw, ValueError):
            yield FileFault(str(path), number, "", "record", f"not one JSON object a line ({raw})")
            if number == lines[0][0]:
                return  # Of another format: every line would say the same.
            continue
        said = raw.get("id") if isinstance(raw, dict) else None
        id = said if isinstance(said, str) else ""
        try:
            found = [FileFault(str(path), number, id, *fault) for fault in faults_of(raw)]
        except RecursionError:
            found = [FileFault(str(path), number, id, "record", "lists within lists without end")]
        if id and id in seen:
            found.append(FileFault(str(path), number, id, "id", f"the stream of line {seen[id]} has this id too"))
        seen.setdefault(id, number)
        yield from found or [stream_of(raw)]


def _decoded(line: str) -> Any:
    """What a line holds, or the error that says why it holds nothing."""
    try:
        return json.loads(line)
    except RecursionError:
        return ValueError("lists within lists without end")
    except ValueError as error:
        return ValueError(" ".join(str(error).split()))
