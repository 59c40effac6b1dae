"""``ItemShelf``: texts under a budget of tokens. What the token store and both archives have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import RLock
from typing import Any, ClassVar, Self

from memory_stores.checks import check
from memory_stores.codec import check_entries, check_kind, entry_to_dict, item_from_dict, read_count, read_tables
from memory_stores.contents import KEPT, MASK, REFUSED, checked_budget, hash_text, item_digest, memoised
from memory_stores.store import NO_STAMP
from memory_stores.types import (
    CountTokens,
    Forget,
    Hit,
    Item,
    Keep,
    Link,
    MemoryOp,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    StoreName,
    Unlink,
    Write,
)


class ItemShelf(ABC):
    """Items in the order they were written, under a budget; a subclass says how a query ranks them.

    Keeps every promise of ``MemoryStore``. The same text from the same observation is held once (DUPLICATE).
    Threads may share one: each call is carried out whole before the next.
    A subclass that adds mutable state of its own must copy it in ``fork``; what is derived from the items and
    never changed in place (an index) may be shared.
    """

    kind: ClassVar[str]
    """Marks the store's state, so that another kind refuses it."""
    store: ClassVar[StoreName]
    prefix: ClassVar[str]
    """First letter of its ids."""

    def __init__(self, budget: int, count_tokens: CountTokens) -> None:
        """``budget`` in tokens of ``count_tokens``, which must be pure: it is cached. Raises ValueError below 0."""
        self._budget = checked_budget(type(self).__name__, budget)
        self._count = memoised(count_tokens)
        self._items: dict[str, Item] = {}
        self._sources: set[tuple[str, str]] = set()
        self._used = 0
        self._hash = 0
        self._unhashed: list[Item] = []
        """What came since the hash was last asked for: writing alone works out no digest."""
        self._serial = 0
        self._cached: tuple[Item, ...] | None = ()
        self._hash_text: str | None = None
        self._lock = RLock()

    @property
    def budget(self) -> int:
        return self._budget

    @property
    def tokens_used(self) -> int:
        return self._used

    def __len__(self) -> int:
        return len(self._items)

    def entries(self) -> tuple[Item, ...]:
        """The items, oldest first."""
        cached = self._cached
        if cached is None:
            with self._lock:
                cached = self._cached = tuple(self._items.values())
        return cached

    def newest(self, count: int) -> tuple[Item, ...]:
        """The last ``count`` of ``entries``, oldest first, without a look at the others."""
        with self._lock:
            return tuple(islice(reversed(self._items.values()), count))[::-1]

    def get(self, id: str) -> Item | None:
        return self._items.get(id)

    def cost(self, text: str) -> int:
        """Tokens that holding ``text`` would take."""
        return self._count(text)

    def apply(self, op: MemoryOp, stamp: Stamp = NO_STAMP) -> OpResult:
        """Carry out one op or refuse it.

        Raises TypeError on what is no memory op and ValueError on a field of the wrong type or a stamp out of range,
        with the store as it was.
        """
        refused = check(op, stamp)
        return self.do(op, stamp) if refused is None else refused

    def do(self, op: MemoryOp, stamp: Stamp) -> OpResult:
        """``apply`` for an op that was checked already."""
        with self._lock:
            return self._carry_out(op, stamp)

    def _carry_out(self, op: MemoryOp, stamp: Stamp) -> OpResult:
        match op:
            case Keep():
                return KEPT
            case Write():
                return self._put(op.text, stamp, None) if op.store == self.store else REFUSED[Refusal.NO_SUCH_STORE]
            case Overwrite():
                old = self._items.get(op.id)
                return self._put(op.text, stamp, old) if old else REFUSED[Refusal.UNKNOWN_ID]
            case Forget():
                return self._forget(op.id)
            case Retrieve():
                return self._retrieve(op, stamp)
            case Link() | Relink() | Unlink():
                return REFUSED[Refusal.UNSUPPORTED]

    def _put(self, text: str, stamp: Stamp, old: Item | None) -> OpResult:
        if not text or text.isspace():
            return REFUSED[Refusal.EMPTY_TEXT]
        source = (stamp.observation_id, text)
        if source in self._sources:
            return REFUSED[Refusal.DUPLICATE]
        tokens = self._count(text)
        if self._used - (old.tokens if old else 0) + tokens > self._budget:
            return REFUSED[Refusal.OVER_BUDGET]
        if old:
            self._drop(old)
        self._serial += 1
        id = f"{self.prefix}{self._serial}"
        item = Item(id=id, text=text, tokens=tokens, stamp=stamp, replaces=old.id if old else None)
        self._items[id] = item
        self._unhashed.append(item)
        if stamp.observation_id:
            self._sources.add(source)
        self._used += tokens
        self._contents_changed()
        return OpResult(created=(id,), removed=(old.id,) if old else ())

    def _forget(self, id: str) -> OpResult:
        old = self._items.get(id)
        if old is None:
            return REFUSED[Refusal.UNKNOWN_ID]
        self._drop(old)
        self._contents_changed()
        return OpResult(removed=(id,))

    def _drop(self, old: Item) -> None:
        del self._items[old.id]
        self._sources.discard((old.stamp.observation_id, old.text))
        self._used -= old.tokens
        self._hash = (self._settled() - item_digest(old.text, old.stamp)) & MASK

    def _retrieve(self, op: Retrieve, stamp: Stamp) -> OpResult:
        if op.store != self.store:
            return REFUSED[Refusal.NO_SUCH_STORE]
        if op.k < 1 or op.hops < 0:
            return REFUSED[Refusal.BAD_ARGUMENT]
        if not op.query or op.query.isspace():
            return REFUSED[Refusal.EMPTY_TEXT]
        if any(id not in self._items for id in op.ids):
            return REFUSED[Refusal.UNKNOWN_ID]
        ranked = [(id, 1.0) for id in op.ids] or (self._rank(op.query, op.k) if self._items else [])
        found = [(self._items[id], score) for id, score in ranked]
        for item, _ in found:
            held = self._items[item.id]  # may be asked for twice
            self._items[item.id] = replace(held, uses=held.uses + 1, used_at=stamp.step)
        if found:
            self._cached = None
        return OpResult(hits=tuple(self._hit(item, score) for item, score in found))

    def _hit(self, item: Item, score: float) -> Hit:
        return Hit(id=item.id, text=item.text, store=self.store, score=score, tokens=item.tokens, stamp=item.stamp)

    @abstractmethod
    def _rank(self, query: str, k: int) -> list[tuple[str, float]]:
        """Up to k pairs (id, score in [0, 1]), best first, ties to the older item. The shelf is not empty."""

    def _contents_changed(self) -> None:
        """Called after every change of the texts; a subclass extends it to let its index go stale."""
        self._cached = self._hash_text = None

    def fork(self) -> Self:
        twin = object.__new__(type(self))
        with self._lock:
            vars(twin).update(vars(self))
            twin._items = self._items.copy()
            twin._sources, twin._unhashed = self._sources.copy(), self._unhashed.copy()
        twin._lock = RLock()
        return twin

    def state_hash(self) -> str:
        text = self._hash_text
        if text is None:
            with self._lock:
                text = self._hash_text = hash_text(self._settled())
        return text

    def _settled(self) -> int:
        """The hash, with what came since."""
        if self._unhashed:
            self._hash = (self._hash + sum(item_digest(item.text, item.stamp) for item in self._unhashed)) & MASK
            self._unhashed.clear()
        return self._hash

    def state_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "kind": self.kind,
                "budget": self._budget,
                "serial": self._serial,
                "items": [entry_to_dict(item) for item in self._items.values()],
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become that store, its budget included; token counts are taken as they were. Raises ValueError."""
        check_kind(state, self.kind)
        budget, serial = read_count(state, "budget"), read_count(state, "serial")
        items = [item_from_dict(data) for data in read_tables(state, "items")]
        self._take(budget, serial, items)

    def _take(self, budget: int, serial: int, items: Sequence[Item]) -> None:
        """Become a store of these items, in this order. Raises ValueError, and changes nothing, if they do not fit."""
        check_entries(items, self.prefix, budget, serial)
        total = sum(item_digest(item.text, item.stamp) for item in items) & MASK
        with self._lock:
            self._budget, self._serial = budget, serial
            self._items = {item.id: item for item in items}
            self._sources = {(i.stamp.observation_id, i.text) for i in items if i.stamp.observation_id}
            self._used = sum(item.tokens for item in items)
            self._hash, self._unhashed = total, []
            self._contents_changed()
