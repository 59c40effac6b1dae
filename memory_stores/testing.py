"""``check_store``: every promise of ``MemoryStore`` as a check, for the stores here and for one of your own.

    from memory_stores.testing import check_store

    def test_my_store_keeps_its_promises():
        check_store(lambda: MyStore(budget=64))

Each check makes fresh stores, so ``make`` must give an empty one every time, with room for at least four texts of
four short words. A broken promise raises AssertionError with a sentence that says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

from memory_stores.store import MemoryStore
from memory_stores.types import (
    Edge,
    Entry,
    Forget,
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

Make = Callable[[], MemoryStore]
Add = Callable[[int], MemoryOp]
"""The op that adds the n-th entry of a kind."""

ENOUGH = 100_000
"""No store under test takes this many entries."""
STORES: tuple[StoreName, ...] = ("token", "graph", "archive")


def check_store(make: Make) -> None:
    """Check every promise of ``MemoryStore`` on stores from ``make``. Raises AssertionError on the first broken one."""
    try:
        _is_a_memory_store(make)
        adds = _ways_to_add(make)
        assert adds, "A fresh store must take an entry: it refused Write to the token store and archive, and Link."
        for add in adds:
            for promise in _PROMISES:
                promise(make, add)
    except AssertionError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        raise AssertionError(f"The store raised {type(error).__name__} when it was looked at: {told}.") from error


def _ways_to_add(make: Make) -> list[Add]:
    ways: list[Add] = [
        lambda n: Write(f"lantern {n} in attic", "token"),
        lambda n: Write(f"lantern {n} in attic", "archive"),
        lambda n: Link(f"lantern {n}", "in", "attic"),
    ]
    return [way for way in ways if make().apply(way(0)).done]


def _stamp(n: int) -> Stamp:
    return Stamp(step=n, observation_id=f"o{n}", writer="check", trust=0.5)


def _with(make: Make, add: Add, count: int) -> MemoryStore:
    store = make()
    for n in range(count):
        done = store.apply(add(n), _stamp(n)).done
        assert done, f"A fresh store must have room for {count} texts of four short words; it refused {add(n)}."
    return store


def _change(entry: Entry, n: int) -> MemoryOp:
    return Relink(entry.id, f"cellar {n}") if isinstance(entry, Edge) else Overwrite(entry.id, f"lantern {n} in cellar")


def _remove(entry: Entry) -> MemoryOp:
    return Unlink(entry.id) if isinstance(entry, Edge) else Forget(entry.id)


def _snapshot(store: MemoryStore) -> str:
    # A journal also tells what was asked for in vain; it is no part of the contents.
    state = {key: value for key, value in store.state_dict().items() if key != "journal"}
    return json.dumps([state, store.state_hash(), store.tokens_used, len(store)])


def _is_a_memory_store(make: Make) -> None:
    store = cast("object", make())
    assert isinstance(store, MemoryStore), f"{type(store).__name__} must have every method of MemoryStore."
    assert make() is not store, "make() must give another store each time."
    assert len(store) == 0 and store.entries() == (), "A fresh store must be empty."
    assert store.tokens_used == 0, "A fresh store must hold no tokens."
    assert store.state_hash() == make().state_hash(), "Two fresh stores must have the same hash."


def _never_exceeds_its_budget(make: Make, add: Add) -> None:
    store, result = make(), OpResult()
    for n in range(ENOUGH):
        result = store.apply(add(n), _stamp(n))
        assert store.tokens_used <= store.budget, "A store must never hold more tokens than its budget."
        if not result.done:
            break
    assert result.refused is Refusal.OVER_BUDGET, "A full store must refuse another entry as OVER_BUDGET."
    before = _snapshot(store)
    store.apply(add(ENOUGH), _stamp(ENOUGH))
    assert _snapshot(store) == before, "An entry refused for its size must leave the store as it was."


def _counts_what_it_holds(make: Make, add: Add) -> None:
    store = _with(make, add, 3)
    entries = store.entries()
    assert len(store) == len(entries) == 3, "len must count the live entries."
    assert store.tokens_used == sum(e.tokens for e in entries), "tokens_used must add up the entries' tokens."
    for entry in entries:
        assert store.get(entry.id) == entry, "get must find each live entry by its id."
    assert len({entry.id for entry in entries}) == 3, "Ids must differ."
    assert store.get("no such id") is None, "get must answer None for an unknown id."


def _reports_what_it_did(make: Make, add: Add) -> None:
    store = _with(make, add, 2)
    result = store.apply(add(2), _stamp(7))
    assert len(result.created) == 1, "Adding an entry must report one created id."
    entry = store.get(result.created[0])
    assert entry is not None, "A created id must name a live entry."
    assert entry.stamp == _stamp(7), "An entry must keep the stamp of the op that wrote it."
    assert entry.valid_at == 7, "An entry must be valid from its stamp's step."
    gone = store.apply(_remove(entry), _stamp(8))
    assert gone.removed == (entry.id,), "Removing an entry must report its id."
    assert store.get(entry.id) is None, "A removed entry must be gone."


def _gives_ids_of_its_store(make: Make, add: Add) -> None:
    op = add(0)
    letter = op.store[0] if isinstance(op, Write) else "g"
    [entry] = _with(make, add, 1).entries()
    assert entry.id.startswith(letter), (
        f"Ids must begin with the store's letter, here {letter!r}; it gave {entry.id!r}."
    )


def _keeps_entries_in_order(make: Make, add: Add) -> None:
    store = _with(make, add, 3)
    first, second, third = store.entries()
    result = store.apply(_change(first, 9), _stamp(9))
    assert result.done, "Changing an entry for a text of the same length must be carried out."
    assert result.removed == (first.id,), "Changing an entry must report the id that it took the place of."
    entries = store.entries()
    assert [e.id for e in entries[:2]] == [second.id, third.id], "Untouched entries must keep their order."
    assert (entries[2].id,) == result.created, "The newest edit must come last."
    assert entries[2].replaces == first.id, "A successor must name what it replaced."


def _never_uses_an_id_twice(make: Make, add: Add) -> None:
    store = _with(make, add, 2)
    seen = {entry.id for entry in store.entries()}
    for n in range(2, 12):
        last = store.entries()[-1]
        store.apply(_remove(last), _stamp(n))
        created = store.apply(add(n), _stamp(n)).created
        assert not seen.intersection(created), "An id must never be used twice."
        seen.update(created)


def _does_nothing_on_keep(make: Make, add: Add) -> None:
    store = _with(make, add, 2)
    before = _snapshot(store)
    result = store.apply(Keep(), _stamp(5))
    assert result == OpResult(), "Keep must be carried out and report nothing."
    assert _snapshot(store) == before, "Keep must leave the store as it was."


def _stays_as_it_was_when_it_refuses(make: Make, add: Add) -> None:
    store = _with(make, add, 2)
    entry = store.entries()[0]
    bad: list[MemoryOp] = [Forget("no such id"), Overwrite("no such id", "x"), Unlink("no such id")]
    bad += [Relink("no such id", "x"), Write(" ", "token"), Write("", "archive"), Link("a", " ", "b")]
    bad += [Relink(entry.id, " "), Overwrite(entry.id, "")]
    bad += [Retrieve("lantern", name, k) for name in STORES for k in (0, -1)]
    bad += [Retrieve("lantern", name, ids=(entry.id, "no such id")) for name in STORES]
    before = _snapshot(store)
    for op in bad:
        result = store.apply(op, _stamp(6))
        assert not result.done, f"A store must refuse {op}."
        assert result == OpResult(refused=result.refused), f"A refusal must report nothing else ({op})."
        assert _snapshot(store) == before, f"A refused op must leave the store as it was ({op})."


def _forks_share_nothing(make: Make, add: Add) -> None:
    parent = _with(make, add, 2)
    before = _snapshot(parent)
    child, twin = parent.fork(), parent.fork()
    assert isinstance(parent, type(child)), "A fork must be a store of its parent's kind, or of one that its parent is."
    assert _snapshot(child) == before, "A fork must begin as its parent is."
    assert child.budget == parent.budget, "A fork must have its parent's budget."
    child.apply(add(5), _stamp(5))
    child.apply(_change(child.entries()[0], 6), _stamp(6))
    child.apply(_remove(child.entries()[0]), _stamp(7))
    assert _snapshot(parent) == before, "What happens to a fork must not reach its parent."
    assert _snapshot(twin) == before, "What happens to a fork must not reach its siblings."
    after = _snapshot(child)
    parent.apply(add(8), _stamp(8))
    parent.apply(_remove(parent.entries()[0]), _stamp(9))
    assert _snapshot(child) == after, "What happens to a parent must not reach its forks."


def _hashes_contents_alone(make: Make, add: Add) -> None:
    straight, backward = make(), make()
    for n in (0, 1):
        straight.apply(add(n), _stamp(n))
        backward.apply(add(1 - n), _stamp(1 - n))
    assert straight.state_hash() == backward.state_hash(), "Equal contents must hash alike, whatever their order."
    detour = straight.fork()
    detour.apply(add(2), _stamp(2))
    assert detour.state_hash() != straight.state_hash(), "Different contents must hash differently."
    detour.apply(_remove(detour.entries()[-1]), _stamp(3))
    assert detour.state_hash() == straight.state_hash(), "A detour must leave no trace in the hash."
    other = make()
    other.apply(add(0), _stamp(0))
    other.apply(add(1), _stamp(4))
    assert other.state_hash() != straight.state_hash(), "The same text from elsewhere must hash differently."


def _retrieves_in_order(make: Make, add: Add) -> None:
    store = _with(make, add, 4)
    before, order = store.state_hash(), [e.id for e in store.entries()]
    for name in STORES:
        for hops in (0, 1):
            result = store.apply(Retrieve("lantern 1 attic", name, 2, hops), _stamp(20))
            scores = [hit.score for hit in result.hits]
            assert len(scores) <= 2, "Retrieve must bring at most k hits."
            assert scores == sorted(scores, reverse=True), "Hits must come best first."
            assert all(0 <= score <= 1 for score in scores), "Scores must lie in [0, 1]."
            for hit in result.hits:
                entry = store.get(hit.id)
                assert entry is not None and entry.text == hit.text, "A hit must show a live entry."
                assert hit.store == name, "A hit must name the store that it came from."
                assert entry.used_at == 20 and entry.uses >= 1, "A hit must count as a use of its entry."
    assert any(entry.uses for entry in store.entries()), "A query for an entry's own words must find something."
    assert store.state_hash() == before, "Retrieve must not change the hash."
    assert [e.id for e in store.entries()] == order, "Retrieve must not change the order."


def _comes_back_from_its_state(make: Make, add: Add) -> None:
    store = _with(make, add, 3)
    store.apply(_change(store.entries()[0], 5), _stamp(5))
    state = json.loads(json.dumps(store.state_dict()))
    loaded = make()
    loaded.apply(add(9), _stamp(9))
    loaded.load_state_dict(state)
    assert _snapshot(loaded) == _snapshot(store), "A loaded store must be the one its state was taken from."
    assert loaded.entries() == store.entries(), "A loaded store must hold the same entries in the same order."
    ops: list[MemoryOp] = [_remove(store.entries()[0]), add(7), _change(store.entries()[1], 8)]
    for op in ops:
        assert loaded.apply(op, _stamp(7)) == store.apply(op, _stamp(7)), (
            "A loaded store must go on as the first would."
        )
    assert _snapshot(loaded) == _snapshot(store), "A loaded store must go on as the first would."


def _turns_away_a_foreign_state(make: Make, add: Add) -> None:
    store = _with(make, add, 2)
    before = _snapshot(store)
    for foreign in ({}, {"kind": "no such kind"}, {**store.state_dict(), "kind": "no such kind"}):
        try:
            store.load_state_dict(foreign)
        except ValueError:
            assert _snapshot(store) == before, "A state of another kind must leave the store as it was."
        else:
            raise AssertionError("A state of another kind must raise ValueError.")


_PROMISES: tuple[Callable[[Make, Add], None], ...] = (
    _never_exceeds_its_budget,
    _counts_what_it_holds,
    _reports_what_it_did,
    _gives_ids_of_its_store,
    _keeps_entries_in_order,
    _never_uses_an_id_twice,
    _does_nothing_on_keep,
    _stays_as_it_was_when_it_refuses,
    _forks_share_nothing,
    _hashes_contents_alone,
    _retrieves_in_order,
    _comes_back_from_its_state,
    _turns_away_a_foreign_state,
)
