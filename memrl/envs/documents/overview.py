"""What ``memrl data`` tells and does: which sets there are, how large a file is, an official form as a stream file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ConfigError, DataError
from memrl.envs.documents import hub, jsonl
from memrl.envs.documents.catalogue import KNOWN, KnownSet
from memrl.envs.documents.records import Stream
from memrl.envs.documents.sources import data_folders, find_official, find_set, load_set


def sizes(streams: Sequence[Stream]) -> dict[str, int]:
    """How many streams, units and questions."""
    return {
        "streams": len(streams),
        "units": sum(len(stream.units) for stream in streams),
        "questions": sum(len(stream.questions) for stream in streams),
    }


def overview() -> list[dict[str, Any]]:
    """One row a set, known or found in the data folder: name, where, form, licence, origin, about, sizes, problem.

    ``where`` is None for a set that is not at hand, and sizes are then None too, as they are where ``problem`` says
    what is wrong with its files.
    """
    found = {
        path.stem
        for root in data_folders()
        if (root / "streams").is_dir()
        for path in (root / "streams").iterdir()
        if path.is_dir() or path.suffix == ".jsonl"
    }
    return [_row(name) for name in (*KNOWN, *sorted(found - set(KNOWN)))]


def _row(name: str) -> dict[str, Any]:
    known = KNOWN.get(name, KnownSet(about="", licence=""))
    ours, official = find_set(name), find_official(name)
    where = ours or official
    row: dict[str, Any] = {
        "name": name,
        "where": None if where is None else str(where),
        "form": "streams" if ours else "official" if official else "",
        "licence": known.licence,
        "about": known.about,
        "origin": known.origin,
        "hub": known.hub.id if known.hub else None,
        **dict.fromkeys(("streams", "units", "questions"), None),
        "problem": None,
    }
    if where is None:
        return row
    try:
        loaded = load_set(name)
        streams = (*loaded.train, *(loaded.valid or ()))
        return {**row, **sizes(streams), "licence": known.licence or ", ".join(sorted({s.licence for s in streams}))}
    except DataError as error:
        return {**row, "problem": str(error)}


def prepared(name: str, source: Path | None, split: str | None) -> tuple[tuple[Stream, ...], str]:
    """The streams of a known set from its official form, and where that was: ``source``, the data folder, or the hub.

    Raises:
        ConfigError: the set is not known, or has no official form to read.
        DataError: the files are at fault, or nothing is at hand and the hub cannot be reached.
        MissingExtra: only the hub is left, and ``datasets`` is not installed.
    """
    known = KNOWN.get(name)
    if known is None or known.load is None:
        readable = ", ".join(one for one, it in KNOWN.items() if it.load is not None)
        raise ConfigError("memrl data prepare NAME", name, f"choose from {readable}")
    if source is not None and not source.exists():
        raise DataError(f"--from {source}: no such file or folder; take it from {known.origin}")
    path = source or (find_official(name) if split is None else None)
    if path is not None:
        return known.load(path), str(path)
    if known.hub is None:
        raise DataError(
            f"set {name!r}: no official files at hand; take them from {known.origin} and name them with --from"
        )
    taken = split or known.hub.split
    rows = hub.rows(known.hub.id, taken, known.hub.config)
    place = f"{known.hub.id}, split {taken}"
    return known.hub.from_rows(rows, place), place


def save_new(streams: Sequence[Stream], out: Path) -> None:
    """Write a stream file where there is none. Raises ConfigError where there is."""
    if out.exists():
        raise ConfigError("--out", str(out), "it exists already: name another file, or remove it")
    jsonl.save(streams, out)
