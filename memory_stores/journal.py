"""``Journal``: the append-only log of ops. Replayed on a fresh store it gives the same store, hash for hash."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from memory_stores.codec import op_from_dict, op_to_dict, stamp_from_dict, stamp_to_dict
from memory_stores.store import MemoryStore
from memory_stores.types import MemoryOp, Stamp

Record = tuple[MemoryOp, Stamp]
"""One op that was asked for, and who asked for it when."""

_Store = TypeVar("_Store", bound=MemoryStore)


class Journal:
    """Ops in the order they were asked for, the refused ones too.

    A fork shares the past, which never changes, so that it costs next to nothing however long the log is.

    Nothing is ever taken out: a log that rebuilds a memory must hold all that was written, so ``Forget``, ``Overwrite``
    and ``Unlink`` take a text from memory and leave it in the log, and in every file that the log is saved to. A memory
    without a journal keeps nothing of what it forgot but superseded edges, while there is room for them. Where a text
    must be gone for good, do without a journal, or keep the memory in a durable file and ``purge`` the text there.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._past: tuple[Record, ...] = tuple(records)
        self._recent: list[Record] = []

    def __len__(self) -> int:
        return len(self._past) + len(self._recent)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._settled())

    def append(self, op: MemoryOp, stamp: Stamp) -> None:
        """Add one op at the end. Nothing is ever taken out."""
        self._recent.append((op, stamp))

    def fork(self) -> Journal:
        """A log with the same past and a future of its own."""
        return Journal(self._settled())

    def _settled(self) -> tuple[Record, ...]:
        if self._recent:
            self._past += tuple(self._recent)
            self._recent = []
        return self._past

    def to_jsonl(self) -> str:
        """One JSON object a line: the op's name and fields, and its ``stamp``."""
        return "".join(json.dumps(record) + "\n" for record in self.to_list())

    @classmethod
    def from_jsonl(cls, text: str) -> Journal:
        """The journal that ``to_jsonl`` wrote. Raises ValueError that names the line."""
        records: list[Record] = []
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    records.append(_record(json.loads(line)))
                except ValueError as error:
                    raise ValueError(f"journal line {number}: {error}; drop that line or restore the file") from error
        return cls(records)

    def to_list(self) -> list[dict[str, Any]]:
        """The records as JSON-ready dictionaries."""
        return [{**op_to_dict(op), "stamp": stamp_to_dict(stamp)} for op, stamp in self]

    @classmethod
    def from_list(cls, records: Iterable[object]) -> Journal:
        """The journal that ``to_list`` wrote. Raises ValueError."""
        return cls(_record(record) for record in records)


def _record(data: object) -> Record:
    if not isinstance(data, dict):
        raise ValueError(f"journal record = {data!r}: it must be an object with an op and a stamp")
    fields = cast("dict[str, Any]", data).copy()
    stamp = fields.pop("stamp", None)
    if not isinstance(stamp, dict):
        raise ValueError(f"journal stamp = {stamp!r}: it must be an object")
    return op_from_dict(fields), stamp_from_dict(cast("dict[str, Any]", stamp))


def replay(journal: Iterable[Record], store: _Store) -> _Store:
    """Carry out every op of the journal on ``store``, which should be fresh, and return it.

    The result has the state hash of the store that the journal was written for, given the same budget and the
    same token count.
    """
    for op, stamp in journal:
        store.apply(op, stamp)
    return store
