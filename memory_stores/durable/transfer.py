"""Export and import: a folder with ``manifest.json`` and one JSON-lines file a space, everything but the vectors.

A line is ``{"kind": "space" | "log" | "entry" | "past", ...}`` with the columns of its row. Row numbers are written
without the space's own number, so that an import into another file, exported again, gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from memory_stores.durable.database import Database
from memory_stores.durable.errors import Conflict, StoreError
from memory_stores.durable.rows import (
    ENTRY,
    ENTRY_SQL,
    HEAD,
    MASK,
    NO_CHAIN,
    Head,
    chained,
    checksum,
    read_heads,
    read_live,
    read_log,
    read_past,
    write_head,
)
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.verify import problems_of

FORMAT = "memory_stores export 1"
_LOG = ("row", "time", "body", "key")
_TOLD = tuple(name for name in HEAD if name not in ("space", "chain", "live_sum", "past_sum"))
"""What a space says of itself; sums hang on row numbers and are worked out anew."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode

Columns = tuple[Any, ...]


def export(database: Database, folder: Path) -> dict[str, Any]:
    """Write every space into a new folder; returns the manifest. Raises StoreError if the folder holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"export folder {folder} is not empty: name a new one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        spaces: list[dict[str, Any]] = []
        with database.reading():
            heads = sorted(read_heads(database), key=lambda head: head.name)
            for number, head in enumerate(heads, start=1):
                text = "".join(_encode(line) + "\n" for line in _lines(database, head)).encode()
                path = folder / _file_name(number)
                path.write_bytes(text)
                told = {"file": path.name, "name": json.loads(head.name), "entries": head.live, "ops": head.seq}
                spaces.append({**told, "sha256": sha256(text).hexdigest()})
        manifest = {"format": FORMAT, "spaces": spaces}
        (folder / "manifest.json").write_text(_encode(manifest) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"export folder {folder} cannot be written ({error.strerror}): name another") from error
    return manifest


def _file_name(number: int) -> str:
    return f"space-{number:06d}.jsonl"


def _lines(database: Database, head: Head) -> Iterator[dict[str, Any]]:
    # Read once with every check, then as they stand.
    for read in (read_live, read_past, read_log):
        read(database, head)
    first = head.space << SHIFT
    span = (first, first + (1 << SHIFT) - 1)
    yield {"kind": "space", **{name: getattr(head, name) for name in _TOLD}}
    for row in database.rows("SELECT row, time, body, key FROM log WHERE row BETWEEN ? AND ? ORDER BY row", span):
        yield {"kind": "log", **dict(zip(_LOG, _less(row, first), strict=True))}
    for row in database.rows(f"SELECT {ENTRY_SQL} FROM entries WHERE row BETWEEN ? AND ? ORDER BY row", span):
        yield {"kind": "entry", **dict(zip(ENTRY, _less(row, first), strict=True))}
    sql = f"SELECT number, died, {ENTRY_SQL} FROM past WHERE number BETWEEN ? AND ? ORDER BY number"
    for number, died, *row in database.rows(sql, span):
        told = dict(zip(ENTRY, _less(tuple(row), first), strict=True))
        yield {"kind": "past", "number": number - first, "died": died, **told}


def _less(row: Columns, first: int) -> Columns:
    return (row[0] - first, *row[1:])


def load(database: Database, folder: Path) -> list[list[str]]:
    """Bring every space of an export into the file, in one transaction; returns their names.

    Raises StoreError on an export that is damaged or no export, Conflict if the file has a space of one of the names.
    """
    loaded: list[list[str]] = []
    with database.writing():
        held = {head.name for head in read_heads(database)}
        for told, text in _checked_files(folder):
            try:
                name = _bring(database, text, held)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if isinstance(error, StoreError):
                    raise
                raise _bad(folder, f"{told}: {type(error).__name__} {error}") from error
            loaded.append(name)
    return loaded


def _checked_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the files of an export. Names come from counting, never from the manifest."""
    try:
        manifest: Any = json.loads((folder / "manifest.json").read_bytes())
        spaces = cast("Sequence[Any]", manifest["spaces"])
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r}")
        for number, space in enumerate(spaces, start=1):
            data = (folder / _file_name(number)).read_bytes()
            first: Any = json.loads(data.split(b"\n", 1)[0])
            said = {"file": _file_name(number), "name": json.loads(first["name"]), "entries": first["live"]}
            if space != {**said, "ops": first["seq"], "sha256": sha256(data).hexdigest()}:
                raise ValueError(f"{_file_name(number)} is not as its manifest says")
            yield _file_name(number), data.decode()
    except OSError as error:
        raise StoreError(f"export {folder} cannot be read ({error.strerror}): name the folder of an export") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad(folder, str(error)) from error


def _bad(folder: Path, what: str) -> StoreError:
    return StoreError(f"export {folder} is damaged ({what}): export again")


def _bring(database: Database, text: str, held: set[str]) -> list[str]:
    # Not splitlines(): a text may hold line separators that are no ends of a JSON line.
    lines = [json.loads(line) for line in text.split("\n") if line]
    told = lines[0]
    if told["kind"] != "space" or told["name"] in held:
        raise Conflict(
            f"memory file {database.path} has a space {told['name']}: drop it first, or load into a new file"
        )
    held.add(told["name"])
    rows = database.rows("SELECT value FROM meta WHERE key = 'spaces'")
    space = 1 + (int(rows[0][0]) if rows else 0)
    database.rows("INSERT OR REPLACE INTO meta VALUES ('spaces', ?)", (space,))
    head, first = Head(space=space, **{name: told[name] for name in _TOLD}), space << SHIFT
    head.chain = NO_CHAIN
    kinds: dict[str, list[dict[str, Any]]] = {"log": [], "entry": [], "past": []}
    for line in lines[1:]:
        kinds[line["kind"]].append(line)
    log = [(first + line["row"], *(line[name] for name in _LOG[1:])) for line in kinds["log"]]
    for columns in log:
        head.chain = chained(head.chain, checksum(columns))
    database.many("INSERT INTO log VALUES (?, ?, ?, ?, ?)", [(*columns, checksum(columns)) for columns in log])
    entries = [_entry(line, first) for line in kinds["entry"]]
    past: list[Columns] = []
    for line in kinds["past"]:
        row = _entry(line, first)
        number = first + line["number"]
        past.append((number, line["died"], checksum((number, line["died"], row[-1])), *row))
    marks = ", ".join("?" * (len(ENTRY) + 1))
    database.many(f"INSERT INTO entries VALUES ({marks})", entries)
    database.many(f"INSERT INTO past VALUES (?, ?, ?, {marks})", past)
    head.live_sum = sum(row[-1] for row in entries) & MASK
    head.past_sum = sum(row[2] for row in past) & MASK
    write_head(database, head)
    # What was brought must add up, and must be what its own log leads to.
    for problem in problems_of(database, head):
        raise ValueError(problem)
    return cast("list[str]", json.loads(head.name))


def _entry(line: dict[str, Any], first: int) -> Columns:
    columns = (first + line["row"], *(line[name] for name in ENTRY[1:]))
    return (*columns, checksum(columns))
