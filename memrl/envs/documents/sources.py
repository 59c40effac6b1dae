"""What ``env.options.data`` names: a known set, a file or folder of stream records, or an official form.

timeqa               MEMRL_DATA/streams/timeqa/{train,valid}.jsonl
my/streams           its train.jsonl and valid.jsonl, or all its *.jsonl together
my/streams.jsonl     one file
squad:dev-v2.0.json  an official form, read by its loader
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from memrl.contracts.errors import DataError
from memrl.envs.documents import jsonl
from memrl.envs.documents.catalogue import KNOWN
from memrl.envs.documents.records import Stream

TRAIN, VALID = "train.jsonl", "valid.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSet:
    """Streams under one name."""

    name: str
    train: tuple[Stream, ...]
    """All streams, where the set has no split of its own."""
    valid: tuple[Stream, ...] | None = None
    """None for a set without a split of its own."""


def data_folders() -> list[Path]:
    """Where sets are looked for: ``MEMRL_DATA``, else ``../shared/data`` beside the working folder or the checkout."""
    named = os.environ.get("MEMRL_DATA")
    if named:
        return [Path(named).expanduser()]
    checkout = Path(__file__).resolve().parents[3]
    return [Path("../shared/data"), checkout.parent / "shared" / "data"]


def find_set(name: str) -> Path | None:
    """The folder or file of a set in the stream format; None where it is not at hand."""
    for root in data_folders():
        for path in (root / "streams" / name, root / "streams" / f"{name}.jsonl", root / f"{name}.jsonl"):
            if path.exists():
                return path
    return None


def find_official(name: str) -> Path | None:
    """The folder where a known set lies in its official form; None where it is not at hand."""
    folders = KNOWN[name].folders if name in KNOWN else ()
    return next((root / one for root in data_folders() for one in folders if (root / one).is_dir()), None)


def _loader(form: str) -> Callable[[Path], tuple[Stream, ...]] | None:
    return KNOWN[form].load if form in KNOWN else None


def load_set(entry: str) -> StreamSet:
    """The set that one entry of ``env.options.data`` names.

    Raises:
        DataError: there is none, or a file of it is at fault; the message says where and the way out.
    """
    form, _, place = entry.partition(":")
    if place and (load := _loader(form)) is not None:
        return StreamSet(name=form, train=load(Path(place).expanduser()))
    path = Path(entry).expanduser()
    named = entry not in (".", "..") and path.name == entry and not path.suffix
    found = find_set(entry) if named else None
    if found is None and named and (official := find_official(entry)) is not None and (load := _loader(entry)):
        return StreamSet(name=entry, train=load(official))
    if found is None and path.exists():
        found = path
    if found is not None:
        return _read(entry if named else path.resolve().stem, found)
    way_out = (
        "`memrl data list` says which sets are known; `memrl data prepare` writes one; MEMRL_DATA names the folder"
    )
    raise DataError(f"env.options.data = {entry!r}: no such set, file or folder; {way_out}")


def _read(name: str, path: Path) -> StreamSet:
    if path.is_file():
        if path.suffix != ".jsonl":
            forms = ", ".join(name for name in KNOWN if _loader(name))
            way_out = f"name its form before it, as in 'squad:{path}', one of {forms}"
            raise DataError(f"env.options.data = {str(path)!r}: not a .jsonl file of stream records; {way_out}")
        return StreamSet(name=name, train=jsonl.load(path))
    if (path / TRAIN).is_file() and (path / VALID).is_file():
        return StreamSet(name=name, train=jsonl.load(path / TRAIN), valid=jsonl.load(path / VALID))
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise DataError(f"env.options.data = {str(path)!r}: no *.jsonl file of stream records in that folder")
    return StreamSet(name=name, train=tuple(stream for file in files for stream in jsonl.load(file)))
