"""20,000 random ops a store, against a model of plain dictionaries that shares no code with the store."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory_stores import (
    AgentMemory,
    Bm25Store,
    Forget,
    GraphStore,
    HashEmbedder,
    Journal,
    Keep,
    Link,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    TokenStore,
    Unlink,
    VectorStore,
    Write,
    replay,
)

RUNS, OPS = 100, 200
NAMES = ["Ana", "Bob", "New York", "York", "key"]
TEXTS = ["Ana has the key", "Bob", "key in York", "the New York key is with Ana and Bob", " ", "Ana likes Bob a lot"]


def cost(text):
    return len(text.split())


class ItemModel:
    def __init__(self, prefix, store, budget):
        self.prefix, self.store, self.budget, self.serial, self.held = prefix, store, budget, 0, {}

    def fork(self):
        twin = ItemModel(self.prefix, self.store, self.budget)
        twin.serial, twin.held = self.serial, dict(self.held)
        return twin

    def used(self):
        return sum(cost(text) for text, _, _ in self.held.values())

    def view(self):
        return [(id, *rest) for id, rest in self.held.items()]

    def expect(self, op, stamp):
        if isinstance(op, Write):
            return self.put(op.text, stamp, None) if op.store == self.store else Refusal.NO_SUCH_STORE
        if isinstance(op, Overwrite):
            return self.put(op.text, stamp, op.id) if op.id in self.held else Refusal.UNKNOWN_ID
        if isinstance(op, Forget):
            return ((), (op.id,)) if self.held.pop(op.id, None) else Refusal.UNKNOWN_ID
        return Refusal.UNSUPPORTED

    def put(self, text, stamp, old):
        if not text.strip():
            return Refusal.EMPTY_TEXT
        if stamp.observation_id and any(
            (text, stamp.observation_id) == (t, s.observation_id) for t, s, _ in self.held.values()
        ):
            return Refusal.DUPLICATE
        freed = cost(self.held[old][0]) if old else 0
        if self.used() - freed + cost(text) > self.budget:
            return Refusal.OVER_BUDGET
        self.held.pop(old, None)
        self.serial += 1
        id = f"{self.prefix}{self.serial}"
        self.held[id] = (text, stamp, old)
        return ((id,), (old,) if old else ())


class GraphModel:
    def __init__(self, budget):
        self.budget, self.serial, self.held, self.past = budget, 0, {}, []

    def fork(self):
        twin = GraphModel(self.budget)
        twin.serial, twin.held, twin.past = self.serial, dict(self.held), list(self.past)
        return twin

    def used(self):
        return sum(cost(" ".join(e[0])) for e in self.held.values()) + sum(cost(" ".join(e[1])) for e in self.past)

    def view(self):
        return [(id, " ".join(triple), *rest) for id, (triple, *rest) in self.held.items()]

    def expect(self, op, stamp):
        if isinstance(op, Link):
            return self.put((op.subject, op.relation, op.object), stamp, None)
        if isinstance(op, Relink):
            if op.id not in self.held:
                return Refusal.UNKNOWN_ID
            return self.put((*self.held[op.id][0][:2], op.object), stamp, op.id)
        if isinstance(op, Unlink):
            if op.id not in self.held:
                return Refusal.UNKNOWN_ID
            chain = self.held.pop(op.id)[2]
            for entry in reversed(list(self.past)):
                if entry[0] == chain:
                    self.past.remove(entry)
                    chain = entry[3]
            return ((), (op.id,))
        return Refusal.UNSUPPORTED

    def put(self, triple, stamp, old):
        if not all(part.strip() for part in triple):
            return Refusal.EMPTY_TEXT
        if triple in [held[0] for held in self.held.values()]:
            return Refusal.DUPLICATE
        others = sum(cost(" ".join(e[0])) for id, e in self.held.items() if id != old)
        if others + cost(" ".join(triple)) > self.budget:
            return Refusal.OVER_BUDGET
        if old:
            self.past.append((old, *self.held.pop(old), stamp.step))
        while self.used() + cost(" ".join(triple)) > self.budget:
            self.past.pop(0)
        self.serial += 1
        self.held[f"g{self.serial}"] = (triple, stamp, old)
        return ((f"g{self.serial}",), (old,) if old else ())


class MemoryModel:
    def __init__(self, **parts):
        self.parts = parts

    def fork(self):
        return MemoryModel(**{name: part.fork() for name, part in self.parts.items()})

    def used(self):
        return sum(part.used() for part in self.parts.values())

    def view(self):
        return [line for part in self.parts.values() for line in part.view()]

    def expect(self, op, stamp):
        if isinstance(op, Write):
            return self.ask(op.store, op, stamp)
        if isinstance(op, Link | Relink | Unlink):
            return self.ask("graph", op, stamp)
        name = {"t": "token", "a": "archive"}.get(op.id[:1])
        return self.ask(name, op, stamp) if name else Refusal.UNKNOWN_ID

    def ask(self, name, op, stamp):
        return self.parts[name].expect(op, stamp) if name in self.parts else Refusal.NO_SUCH_STORE


def tokens():
    return TokenStore(24, cost), ItemModel("t", "token", 24)


def graph():
    return GraphStore(30, cost), GraphModel(30)


def vectors():
    return VectorStore(40, cost, HashEmbedder(16)), ItemModel("a", "archive", 40)


def bm25():
    return Bm25Store(40, cost), ItemModel("a", "archive", 40)


def memory():
    parts = {"token": tokens(), "graph": graph(), "archive": bm25()}
    model = MemoryModel(**{name: part for name, (_, part) in parts.items()})
    return AgentMemory(**{name: store for name, (store, _) in parts.items()}, journal=Journal()), model


def random_op(rng, letters, model):
    ids = [line[0] for line in model.view()] if rng.random() < 0.8 else [f"{rng.choice(letters)}{rng.randint(0, 40)}"]
    id, text = rng.choice(ids or ["t1"]), rng.choice(TEXTS)
    kind = rng.choices(["write", "overwrite", "forget", "link", "relink", "unlink", "keep", "retrieve"], WEIGHTS)[0]
    match kind:
        case "write":
            return Write(text, rng.choice(["token", "archive", "graph"]))
        case "overwrite":
            return Overwrite(id, text)
        case "forget":
            return Forget(id)
        case "link":
            return Link(rng.choice(NAMES), rng.choice(["knows", "holds", " "]), rng.choice(NAMES))
        case "relink":
            return Relink(id, rng.choice(NAMES))
        case "unlink":
            return Unlink(id)
        case "keep":
            return Keep()
    return Retrieve(text, rng.choice(["token", "graph", "archive"]), rng.randint(0, 3), rng.randint(0, 2))


WEIGHTS = [20, 15, 10, 18, 18, 9, 4, 8]


def check_one(store, model, op, stamp):
    before = store.state_hash(), store.entries()
    result = store.apply(op, stamp)
    if isinstance(op, Keep):
        assert result == OpResult()
    elif isinstance(op, Retrieve):
        assert store.state_hash() == before[0]
        assert len(result.hits) <= max(op.k, 0)
        assert [store.get(hit.id).text for hit in result.hits] == [hit.text for hit in result.hits]
        assert all(store.get(hit.id).used_at == stamp.step for hit in result.hits)
    else:
        expected = model.expect(op, stamp)
        told = result.refused or (result.created, result.removed)
        assert told == expected, op
    if result.refused:
        assert (store.state_hash(), store.entries()) == before
    assert [(e.id, e.text, e.stamp, e.replaces) for e in store.entries()] == model.view()
    assert store.tokens_used == model.used() <= store.budget
    assert len(store) == len(model.view())


def snapshot(store):
    return json.dumps([store.state_dict(), store.state_hash()])


@pytest.mark.parametrize(
    ("make", "letters"), [(tokens, "t"), (graph, "g"), (vectors, "a"), (bm25, "a"), (memory, "tga")]
)
def test_random_ops_agree_with_a_plain_model(make, letters):
    seeds = []

    @settings(
        max_examples=RUNS, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 2**32 - 1))
    def run(seed):
        seeds.append(seed)
        rng = random.Random(seed)
        store, model = make()
        journal, fork_at = Journal(), rng.randrange(OPS)
        aside = aside_before = None
        for step in range(OPS):
            if step == fork_at:
                # Go on in the fork, so that it is the fork which must behave as the model does.
                aside, store = store, store.fork()
                aside_before = snapshot(aside)
            op = random_op(rng, letters, model)
            stamp = Stamp(
                step=step, observation_id=rng.choice(["", "o1", "o2", f"o{step}"]), trust=rng.choice([0.5, 1])
            )
            journal.append(op, stamp)
            check_one(store, model, op, stamp)
        assert snapshot(aside) == aside_before
        check_roads(make, store, journal)

    run()
    assert len(set(seeds)) * OPS >= 20_000


def check_roads(make, store, journal):
    """Replayed, read back from text, or loaded from JSON: the same store."""
    replayed = replay(Journal.from_jsonl(journal.to_jsonl()), make()[0])
    assert replayed.state_hash() == store.state_hash()
    assert replayed.entries() == store.entries()
    loaded = make()[0]
    loaded.load_state_dict(json.loads(json.dumps(store.state_dict())))
    assert snapshot(loaded) == snapshot(store)
    if isinstance(store, AgentMemory):
        assert replay(store.journal, make()[0]).state_hash() == store.state_hash()


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from("pqr"), st.sampled_from(NAMES)), max_size=20))
@settings(database=None, deadline=None)
def test_edges_in_any_order_hash_alike(triples):
    distinct = list(dict.fromkeys(triples))
    one, two = GraphStore(1000, cost), GraphStore(1000, cost)
    for triple in distinct:
        one.apply(Link(*triple))
    for triple in reversed(distinct):
        two.apply(Link(*triple))
    assert one.state_hash() == two.state_hash()
    assert len(one) == len(distinct)


def test_random_ops_reach_every_corner():
    """The agreement above would prove little if the ops never filled a store, superseded, or were refused."""
    rng, seen, refused, most, longest_past = random.Random(0), set(), set(), 0, 0
    store, model = memory()
    for step in range(2000):
        op = random_op(rng, "tga", model)
        stamp = Stamp(step=step, observation_id=rng.choice(["", "o1", "o2"]))
        check_one(store, model, op, stamp)
        seen.add(type(op))
        refused.add(store.fork().apply(op, stamp).refused)
        most, longest_past = max(most, len(store)), max(longest_past, len(store.graph.history()))
    assert len(seen) == 8
    assert most >= 20
    assert longest_past >= 3
    assert refused == {None, *Refusal} - {Refusal.NO_SUCH_STORE, Refusal.OUT_OF_DATE}
