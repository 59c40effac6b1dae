"""``LangGraphStore``: a memory file as the long-term store of LangGraph's agents.

    store = LangGraphStore.open("notes.db")
    graph = builder.compile(store=store)

An item is one entry of the archive of the space "langgraph", named by namespace and key; its value, its namespace and
when it was first put are the entry's metadata. A batch's reads see what was there before it, its puts are one commit.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from memory_stores.durable import Details, DurableMemory, MemoryFile, StoreError
from memory_stores.embed import Embedder
from memory_stores.types import Forget, MemoryOp, Write
from memrl.contracts.errors import DataError, InputError, MissingExtra
from memrl.serve.langgraph_values import matches, passes, text_of

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        Item,
        ListNamespacesOp,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        get_text_at_path,
        tokenize_path,
        validate_op_namespace,
    )
except ImportError as error:
    raise MissingExtra("LangGraphStore needs LangGraph: pip install 'memrl[langgraph]'") from error

SPACE = ("langgraph",)
BUDGET = 10_000_000
"""Tokens of all items' texts, three bytes each."""
NAMESPACE, KEY, VALUE, CREATED, UPDATED = "namespace", "key", "value", "created", "updated"
MINUTES, UNSEARCHED = "minutes", "unsearched"
NOTHING = "(nothing to search)"


class LangGraphStore(BaseStore):
    """Items by namespace and key, found by words, and by meaning too where the file has an embedder.

    Search brings the best first with scores in [0, 1]; what does not match the query at all follows without a score,
    as LangGraph's own stores do it. ``created_at`` stays when an item is put again. Time to live is kept, in minutes.

    Args:
        memory: the space that holds the items. Threads and processes may share it.
        fields: paths of a value that are searched where a put does not say; None for all of it.
        ttl: LangGraph's defaults for time to live.
        clock: seconds since 1970.
    """

    supports_ttl = True

    def __init__(
        self,
        memory: DurableMemory,
        *,
        fields: Sequence[str] | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._memory, self._fields, self._clock = memory, fields, clock
        self._file: MemoryFile | None = None
        self.ttl_config = ttl

    @classmethod
    def open(cls, path: str | Path, *, embedder: Embedder | None = None, **settings: Any) -> Self:
        """A store in a file, made if it is missing. Raises DataError where the file cannot be used."""
        try:
            file = MemoryFile(path, count_tokens=lambda text: -(-len(text.encode()) // 3), embedder=embedder)
            store = cls(file.space(SPACE, archive=BUDGET), **settings)
        except StoreError as error:
            raise DataError(str(error)) from error
        store._file = file
        return store

    def close(self) -> None:
        """Let go of the file that ``open`` opened; what was put is on disk already."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Results in the order of the ops. Raises InputError for a value that is no JSON, ValueError for a bad op."""
        asked = list(ops)
        for op in asked:
            validate_op_namespace(op)
        results: list[Result] = []
        puts: dict[str, PutOp] = {}
        for op in asked:
            match op:
                case GetOp():
                    results.append(self._get(op))
                case SearchOp():
                    results.append(self._search(op))
                case ListNamespacesOp():
                    results.append(self._namespaces(op))
                case PutOp():
                    puts[_name(op.namespace, op.key)] = op
                    results.append(None)
                case _:
                    raise ValueError(f"Unknown operation type: {type(op)}")
        self._put(puts)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """``batch`` in a thread of its own."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _get(self, op: GetOp) -> Item | None:
        self._memory.refresh()
        entry = self._memory.named(_name(op.namespace, op.key))
        details = None if entry is None else self._memory.details(entry.id)
        if entry is None or details is None:
            return None
        if op.refresh_ttl:
            self._refresh([(entry.id, details)])
        return Item(**self._shown(details))

    def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.limit < 0 or op.offset < 0:
            raise InputError(f"search limit = {op.limit}, offset = {op.offset}: they must be at least 0")
        if op.query is not None and not isinstance(op.query, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"search query = {op.query!r:.60}: it must be a text, or None")
        self._memory.refresh()
        end = op.offset + op.limit
        held = {
            id: details
            for id, details in self._items()
            if _within(details, op.namespace_prefix) and passes(_metadata(details)[VALUE], op.filter)
        }
        scores: dict[str, float | None] = dict.fromkeys(held)
        if op.query and op.query.strip() and held:
            best = self._scores(op.query, held, end)
            scores = {**best, **{id: None for id in held if id not in best}}
        chosen = list(scores)[op.offset : end]
        if op.refresh_ttl:
            self._refresh([(id, held[id]) for id in chosen])
        return [SearchItem(**self._shown(held[id]), score=scores[id]) for id in chosen]

    def _scores(self, query: str, held: Mapping[str, Details], most: int) -> dict[str, float | None]:
        """The best of some entries, best first; none that a put kept out of searches."""
        open_ = [id for id, details in held.items() if not _metadata(details).get(UNSEARCHED)]
        if not open_ or most < 1:
            return {}
        found = self._memory.search(query, most, where={"id": {"$in": frozenset(open_)}}, stores=["archive"])
        return {hit.id: hit.score for hit in found}

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        self._memory.refresh()
        found = {tuple(_metadata(details)[NAMESPACE]) for _, details in self._items()}
        for condition in op.match_conditions or ():
            found = {one for one in found if matches(one, condition.match_type, condition.path)}
        if op.max_depth is not None:
            found = {one[: op.max_depth] for one in found}
        return sorted(found)[op.offset : op.offset + op.limit]

    def _put(self, puts: Mapping[str, PutOp]) -> None:
        """All of them in one commit."""
        ops: list[MemoryOp] = []
        told: list[Details | None] = []
        self._memory.refresh()
        for name, op in puts.items():
            old = self._memory.named(name)
            if op.value is not None:
                known = None if old is None else self._memory.details(old.id)
                text, details = self._kept(name, op, known)
                ops.append(Write(text, "archive"))
                told.append(details)
            elif old is not None:
                ops.append(Forget(old.id))
                told.append(None)
        if not ops:
            return
        receipt = self._memory.apply_all(ops, details=told)
        refused = [one.refused for one in receipt.results if one.refused]
        if refused:
            raise InputError(f"put: {refused[0].value}; delete some items, or open the store with a larger space")

    def _kept(self, name: str, op: PutOp, known: Details | None) -> tuple[str, Details]:
        assert op.value is not None
        value = _plain(op)
        fields = self._fields if op.index is None else op.index or None
        text = NOTHING if op.index is False else text_of(value, fields, _texts_at)
        now = self._clock()
        created = now if known is None else _metadata(known)[CREATED]
        metadata: dict[str, Any] = {
            NAMESPACE: list(op.namespace), KEY: op.key, VALUE: value, CREATED: created, UPDATED: now,
            MINUTES: op.ttl, UNSEARCHED: op.index is False or not text.strip(),
        }  # fmt: skip
        seconds = None if op.ttl is None else op.ttl * 60
        return (text if text.strip() else NOTHING), Details(name=name, metadata=metadata, ttl=seconds)

    def _items(self) -> Iterator[tuple[str, Details]]:
        """Every item, a namespace after the other, each in the order in which its items were first put."""
        archive = self._memory.archive
        found: list[tuple[str, Details]] = []
        for entry in () if archive is None else archive.entries():
            details = self._memory.details(entry.id)
            if details is not None and details.metadata is not None and NAMESPACE in details.metadata:
                found.append((entry.id, details))
        found.sort(key=lambda one: _metadata(one[1])[CREATED])
        places: dict[tuple[str, ...], int] = {}
        for _, details in found:
            places.setdefault(tuple(_metadata(details)[NAMESPACE]), len(places))
        return iter(sorted(found, key=lambda one: places[tuple(_metadata(one[1])[NAMESPACE])]))

    def _shown(self, details: Details) -> dict[str, Any]:
        told = _metadata(details)
        return {
            "namespace": tuple(told[NAMESPACE]),
            "key": told[KEY],
            "value": deepcopy(told[VALUE]),
            "created_at": datetime.fromtimestamp(told[CREATED], UTC),
            "updated_at": datetime.fromtimestamp(told[UPDATED], UTC),
        }

    def _refresh(self, read: Sequence[tuple[str, Details]]) -> None:
        """What was read lives on for its whole time."""
        for id, details in read:
            minutes = _metadata(details)[MINUTES]
            if minutes is not None:
                self._memory.set_details(id, replace(details, expires_at=self._clock() + minutes * 60))


def _name(namespace: Sequence[str], key: str) -> str:
    return json.dumps([*namespace, key], ensure_ascii=False)


def _metadata(details: Details) -> Mapping[str, Any]:
    return details.metadata or {}


def _within(details: Details, prefix: Sequence[str]) -> bool:
    return tuple(_metadata(details)[NAMESPACE][: len(prefix)]) == tuple(prefix)


def _texts_at(value: Any, path: str) -> list[str]:
    return get_text_at_path(value, tokenize_path(path))


def _plain(op: PutOp) -> dict[str, Any]:
    """The value as JSON gives it back: a copy, tuples as lists. Raises InputError for what is no object of JSON."""
    if not isinstance(op.value, dict):
        told = f"put({op.namespace!r}, {op.key!r}): the value is a {type(op.value).__name__}; give a dict"
        raise InputError(told)
    try:
        json.dumps([op.value, op.key], ensure_ascii=False).encode()
        return json.loads(json.dumps(op.value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"put({op.namespace!r}, {op.key!r}): the value is no JSON ({error}); make it plain") from error
