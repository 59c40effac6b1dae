"""What users of memory stores have met elsewhere: each kind of fault with its right value."""

import json
import sys
import threading

import numpy as np
import pytest

from memory_stores import (
    AgentMemory,
    Bm25Store,
    Forget,
    GraphStore,
    HashEmbedder,
    Journal,
    Keep,
    Link,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    TokenStore,
    VectorStore,
    Write,
)


def cost(text: str) -> int:
    return len(text.split())


def memory(count=cost):
    return AgentMemory(TokenStore(400, count), GraphStore(400, count), Bm25Store(400, count), Journal())


def snapshot(store):
    return json.dumps([store.state_dict(), store.state_hash(), len(store), store.tokens_used])


BAD_STAMPS = [
    ("step", 1_795_807_630.5),
    ("step", 1.5),
    ("step", "3"),
    ("step", np.int64(3)),
    ("step", True),
    ("step", None),
    ("step", 2**63),
    ("observation_id", 7),
    ("observation_id", None),
    ("observation_id", b"o1"),
    ("observation_id", "\ud800"),
    ("writer", None),
    ("writer", "\udfff"),
    ("trust", None),
    ("trust", "high"),
    ("trust", float("nan")),
    ("trust", 1.01),
    ("trust", -0.01),
]
OPS = [
    Write("red key"),
    Write("red key", "archive"),
    Write("red key", "graph"),
    Overwrite("t1", "red key"),
    Forget("t1"),
    Forget("x1"),
    Link("Ana", "has", "key"),
    Relink("g1", "pen"),
    Retrieve("key", "token"),
]


@pytest.mark.parametrize(("field", "value"), BAD_STAMPS)
def test_a_stamp_that_could_not_be_loaded_again_is_refused_and_nothing_has_changed(field, value, tmp_path):
    store = memory()
    store.apply(Write("blue pen"), Stamp(step=1, observation_id="o1"))
    store.apply(Link("Ana", "has", "lamp"), Stamp(step=1))
    before = snapshot(store)
    for op in OPS:
        with pytest.raises(ValueError, match=rf"Stamp\.{field} = .*: it must be") as error:
            store.apply(op, Stamp(**{field: value}))
        assert "\n" not in str(error.value)
    assert snapshot(store) == before
    store.save(tmp_path / "notes.json")
    assert AgentMemory.load(tmp_path / "notes.json", count_tokens=cost).state_hash() == store.state_hash()


@pytest.mark.parametrize(
    ("op", "field"),
    [
        (Write(5), "Write.text"),
        (Write(None), "Write.text"),
        (Write(b"key"), "Write.text"),
        (Write("key", 3), "Write.store"),
        (Write("key", None), "Write.store"),
        (Overwrite("t1", 4), "Overwrite.text"),
        (Overwrite(1, "key"), "Overwrite.id"),
        (Forget(None), "Forget.id"),
        (Link("Ana", "has", 3), "Link.object"),
        (Relink("g1", ["pen"]), "Relink.object"),
        (Retrieve("key", k="4"), "Retrieve.k"),
        (Retrieve("key", k=1.5), "Retrieve.k"),
        (Retrieve("key", ids=["a1"]), "Retrieve.ids"),
    ],
)
def test_an_op_that_could_not_be_loaded_again_is_refused_and_nothing_has_changed(op, field):
    store = memory()
    store.apply(Write("blue pen"), Stamp(step=1))
    before = snapshot(store)
    for part in (store, store.token, store.graph, store.archive):
        with pytest.raises(ValueError, match=f"{field} = "):
            part.apply(op)
    assert snapshot(store) == before


@pytest.mark.parametrize("bad", [2.0, -1, None, "2", float("nan")])
def test_a_token_count_that_is_no_whole_number_is_refused_and_nothing_has_changed(bad):
    store = memory(lambda text: bad if "key" in text else 1)
    store.apply(Write("pen"))
    store.apply(Link("Ana", "has", "pen"))
    before = snapshot(store)
    for op in (Write("key"), Overwrite("t1", "key"), Write("key", "archive"), Link("Ana", "has", "key")):
        with pytest.raises(ValueError, match=r"count_tokens gave .*whole number of at least 0"):
            store.apply(op)
    with pytest.raises(ValueError, match="count_tokens gave"):
        store.apply(Relink("g1", "key"))
    assert snapshot(store) == before


def test_a_token_count_of_numpy_is_a_whole_number_and_comes_back(tmp_path):
    store = memory(lambda text: np.int64(3))
    store.apply(Write("pen"))
    store.save(tmp_path / "notes.json")
    assert AgentMemory.load(tmp_path / "notes.json", count_tokens=cost).tokens_used == 3


def test_half_a_character_is_refused_as_an_agents_mistake():
    store = memory()
    for op in (Write("key \ud83d"), Write("\udc00", "archive"), Link("Ana", "\ud800", "key"), Retrieve("\ud800")):
        assert store.apply(op).refused is Refusal.BAD_ARGUMENT
    assert len(store) == len(store.journal) == 0
    assert store.apply(Write("key \U0001f511")).done


class Broken(Bm25Store):
    """A search that names an item that is not there, after one that is."""

    def _rank(self, query, k):
        return [("a1", 1.0), ("a9", 1.0)]


def test_a_search_that_fails_has_counted_no_use():
    store = AgentMemory(archive=Broken(40, cost), journal=Journal())
    store.apply(Write("key", "archive"))
    before = snapshot(store)
    with pytest.raises(KeyError):
        store.apply(Retrieve("key"))
    assert snapshot(store) == before and store.get("a1").uses == 0


def in_threads(count, work):
    failures = []

    def guarded(n):
        try:
            work(n)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.fixture
def hurried():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_write_read_and_fork_one_memory_lose_nothing(hurried):
    store = memory()
    start, looked = threading.Barrier(6), []

    def work(n):
        start.wait()
        for i in range(60):
            if n < 4:
                store.apply(Write(f"note {n} {i}"), Stamp(step=i, observation_id=f"o{n}-{i}"))
                store.apply(Write(f"note {n} {i}", "archive"), Stamp(step=i, observation_id=f"o{n}-{i}"))
                store.apply(Link(f"n{n}", "wrote", f"e{i}"), Stamp(step=i))
            elif n == 4:
                looked.append((len(store.entries()), store.tokens_used <= store.budget, store.fork().state_hash()))
            else:
                store.apply(Retrieve("note", "token"))
                json.dumps(store.state_dict())

    in_threads(6, work)
    assert store.tokens_used == sum(entry.tokens for entry in store.entries()) <= store.budget
    # 3 tokens each: 133 of 400 fit into each store, whoever came first.
    assert [len(part) for part in (store.token, store.graph, store.archive)] == [133, 133, 133]
    assert all(fits for _, fits, _ in looked)
    again = memory()
    for op, stamp in store.journal:
        again.apply(op, stamp)
    assert again.state_hash() == store.state_hash()


def test_an_overwrite_race_has_one_winner(hurried):
    store = memory()
    first = store.apply(Write("start")).created[0]
    won, start = [], threading.Barrier(8)

    def work(n):
        start.wait()
        if store.apply(Overwrite(first, f"by {n}")).done:
            won.append(n)

    in_threads(8, work)
    assert [entry.text for entry in store.entries()] == [f"by {n}" for n in won] and len(won) == 1


class Rows:
    """Gives the rows that it was told to."""

    dim = 2

    def __init__(self, rows):
        self.rows, self.asked = rows, []

    def embed(self, texts):
        self.asked += texts
        return np.array([self.rows[text] for text in texts], dtype=np.float32)


def archive(rows):
    store = VectorStore(40, cost, Rows(rows))
    for text in rows:
        if text != "asked":
            store.apply(Write(text, "archive"))
    return store


def test_rows_of_any_length_are_ranked_by_angle():
    # Cosines to (1, 0): 0.6 for "far", whose dot product is 60, and 1 for "near", whose dot product is 0.01.
    store = archive({"far": [60, 80], "near": [0.01, 0], "across": [0, 3], "asked": [5, 0]})
    hits = store.apply(Retrieve("asked")).hits
    assert [hit.text for hit in hits] == ["near", "far", "across"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.8, 0.5], abs=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["asked", "held"])
def test_a_row_that_is_not_finite_is_an_error_and_never_an_empty_result(bad, where):
    store = archive({"held": [1, 0], "asked": [1, 0], where: [bad, 0]})
    with pytest.raises(ValueError, match="embedder gave a number that is not finite in row 0 of 1"):
        store.apply(Retrieve("asked"))


class Counted(HashEmbedder):
    """Knows what it was asked to embed."""

    def __init__(self, dim=16):
        super().__init__(dim)
        self.asked = []

    def embed(self, texts):
        self.asked += texts
        return super().embed(texts)


def test_vectors_are_kept_with_the_items_and_made_once(tmp_path):
    path, texts = tmp_path / "notes.json", ["red key", "blue pen", "green hat"]
    first = AgentMemory(archive=VectorStore(40, cost, Counted()))
    for text in texts:
        first.apply(Write(text, "archive"))
    first.apply(Retrieve("the key"))
    first.apply(Write("old lamp", "archive"))
    first.save(path)
    embedder = Counted()
    again = AgentMemory.load(path, count_tokens=cost, embedder=embedder)
    assert again.state_dict() == first.state_dict()
    assert again.apply(Retrieve("the key")) == first.apply(Retrieve("the key"))
    assert embedder.asked == ["the key", "old lamp"]
    other = Counted(8)  # another embedder's vectors are of no use to it
    AgentMemory.load(path, count_tokens=cost, embedder=other).apply(Retrieve("the key"))
    assert other.asked == ["the key", *texts, "old lamp"]


@pytest.mark.parametrize("spoil", [{"rows": "~~~"}, {"rows": 5}, {"of": ["a1"]}, {"of": None}, {"rows": "0" * 5}])
def test_spoilt_vectors_are_named_and_change_nothing(spoil):
    store = archive({})
    store = VectorStore(40, cost, HashEmbedder(16))
    for text in ("red key", "blue pen"):
        store.apply(Write(text, "archive"))
    store.apply(Retrieve("key"))
    state, before = store.state_dict(), snapshot(store)
    with pytest.raises(ValueError, match="state vectors cannot be read"):
        store.load_state_dict({**state, "vectors": {**state["vectors"], **spoil}})
    assert snapshot(store) == before


def test_keep_asks_for_nothing_and_is_not_logged():
    store = memory()
    assert store.apply(Keep(), Stamp(step=3)).done and len(store.journal) == 0
