"""LangGraphStore beside LangGraph's own InMemoryStore: the same calls, the same answers."""

import asyncio
from datetime import timedelta

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import GetOp, InvalidNamespaceError, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore
from typing_extensions import TypedDict

from memory_stores import HashEmbedder
from memory_stores.durable import MemoryFile
from memrl.contracts.errors import DataError, InputError
from memrl.serve.langgraph_store import LangGraphStore

ANA, BEN = ("users", "ana", "facts"), ("users", "ben", "facts")
VALUES = {
    "k1": {"text": "The red key is in the box.", "n": 1, "tags": ["a", "b"], "at": {"room": "attic", "floor": 3}},
    "k2": {"text": "The blue pen is in the bag.", "n": 5, "tags": ["a"], "at": {"room": "cellar", "floor": 0}},
    "k3": {"text": "Nothing else.", "n": 9, "tags": [], "at": {"room": "attic", "floor": 2}},
}


@pytest.fixture
def store(tmp_path):
    with LangGraphStore.open(tmp_path / "notes.db") as made:
        yield made


@pytest.fixture(params=["ours", "theirs"])
def either(request, tmp_path):
    """Ours and LangGraph's own: what they have in common is one test for both."""
    if request.param == "theirs":
        yield InMemoryStore()
        return
    with LangGraphStore.open(tmp_path / "notes.db") as made:
        yield made


def filled(store):
    for key, value in VALUES.items():
        store.put(ANA, key, value)
    store.put(BEN, "k1", {"text": "Ben has a red hat.", "n": 1})
    store.put(("docs",), "guide", {"text": "How to find a key."})
    return store


def keys(items):
    return [(item.namespace[1] if len(item.namespace) > 1 else item.namespace[0], item.key) for item in items]


def test_an_item_is_put_got_and_deleted(either):
    store = filled(either)
    item = store.get(ANA, "k1")
    assert (item.namespace, item.key, item.value) == (ANA, "k1", VALUES["k1"])
    assert item.created_at == item.created_at.astimezone(
        item.created_at.tzinfo
    ) and item.created_at.utcoffset() == timedelta(0)
    assert store.get(ANA, "k9") is None and store.get(("users", "ana"), "k1") is None
    store.put(ANA, "k1", {"text": "new"})
    assert store.get(ANA, "k1").value == {"text": "new"}
    store.delete(ANA, "k1")
    store.delete(ANA, "k9")
    assert store.get(ANA, "k1") is None and store.get(BEN, "k1") is not None


def test_searching_goes_by_prefix_and_pages(either):
    store = filled(either)
    everyones = [("ana", "k1"), ("ana", "k2"), ("ana", "k3"), ("ben", "k1")]
    assert keys(store.search(("users",))) == everyones
    assert keys(store.search(("users",), limit=2)) == everyones[:2]
    assert keys(store.search(("users",), limit=2, offset=2)) == everyones[2:]
    assert keys(store.search(("users",), limit=2, offset=9)) == []
    assert keys(store.search(("users", "ana"))) == everyones[:3]
    assert keys(store.search(("user",))) == [] and keys(store.search(("users", "an"))) == []
    assert len(store.search(())) == 5
    store.put(ANA, "k1", {"text": "again"})  # an item that is put again keeps its place
    assert keys(store.search(("users",))) == everyones


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"n": 1}, ["k1"]),
        ({"n": {"$gt": 1}}, ["k2", "k3"]),
        ({"n": {"$gte": 5, "$lt": 9}}, ["k2"]),
        ({"n": {"$lte": 5}}, ["k1", "k2"]),
        ({"n": {"$ne": 5}}, ["k1", "k3"]),
        ({"n": {"$eq": 5}}, ["k2"]),
        ({"tags": ["a"]}, ["k2"]),
        ({"tags": []}, ["k3"]),
        ({"at": {"room": "attic"}}, ["k1", "k3"]),
        ({"at": {"room": "attic", "floor": {"$gt": 2}}}, ["k1"]),
        ({"at": "attic"}, []),
        ({"nothing": None}, ["k1", "k2", "k3"]),
        ({"nothing": 1}, []),
        ({"n": 1, "at": {"room": "cellar"}}, []),
        ({}, ["k1", "k2", "k3"]),
    ],
)
def test_filters(either, asked, expected):
    found = filled(either).search(ANA, filter=asked)
    assert [item.key for item in found] == expected


def test_an_unknown_operator_is_an_error_in_both(either):
    with pytest.raises(ValueError, match="perator"):
        filled(either).search(ANA, filter={"n": {"$near": 1}})


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"prefix": ("users",)}, {"suffix": ("facts",)}, {"prefix": ("users", "*", "facts")}, {"max_depth": 1},
        {"suffix": ("*", "facts")}, {"prefix": ("users",), "suffix": ("x",)}, {"max_depth": 2}, {"limit": 1},
        {"limit": 1, "offset": 1}, {"prefix": ("users", "ana", "facts", "more")},
    ],
)  # fmt: skip
def test_namespaces_are_listed_alike(store, asked):
    assert filled(store).list_namespaces(**asked) == filled(InMemoryStore()).list_namespaces(**asked)


def test_a_batch_reads_what_was_there_before_it_and_its_last_put_counts(either):
    store = filled(either)
    ops = [
        PutOp(ANA, "k9", {"text": "first"}), GetOp(ANA, "k9"), PutOp(ANA, "k9", {"text": "last"}),
        SearchOp(ANA, filter={"n": {"$gt": 4}}), PutOp(ANA, "k2", None), GetOp(ANA, "k2"),
        ListNamespacesOp(match_conditions=(MatchCondition("prefix", ("docs",)),)),
    ]  # fmt: skip
    put, got, again, found, gone, held, spaces = store.batch(ops)
    assert (put, got, again, gone) == (None, None, None, None)
    assert [item.key for item in found] == ["k2", "k3"] and held.value == VALUES["k2"] and spaces == [("docs",)]
    assert store.get(ANA, "k9").value == {"text": "last"} and store.get(ANA, "k2") is None
    assert store.batch([]) == []


def test_names_that_run_together_are_different_items(either):
    pairs = [(("a", "b"), "c"), (("a",), "b"), (("a b",), "c"), (('a", "b',), "c"), (("a",), 'b", "c')]
    for n, (namespace, key) in enumerate(pairs):
        either.put(namespace, key, {"n": n})
    assert [either.get(namespace, key).value["n"] for namespace, key in pairs] == list(range(len(pairs)))


@pytest.mark.parametrize("namespace", [(), ("a.b",), ("",), ("langgraph", "x"), (5,), ("a\x00b",)])
def test_a_bad_namespace_is_refused_in_both(either, namespace):
    with pytest.raises(InvalidNamespaceError):
        either.put(namespace, "k", {"a": 1})
    if namespace and namespace[0] != "langgraph":
        with pytest.raises(InvalidNamespaceError):
            LangGraphStore.batch(either, [GetOp(namespace, "k")])


def test_async_calls_answer_alike(either):
    async def use():
        await either.aput(ANA, "k1", VALUES["k1"])
        got = await either.aget(ANA, "k1")
        found = await either.asearch(("users",))
        spaces = await either.alist_namespaces()
        await either.adelete(ANA, "k1")
        return got.value, [item.key for item in found], spaces, await either.aget(ANA, "k1")

    assert asyncio.run(use()) == (VALUES["k1"], ["k1"], [ANA], None)


def test_a_query_brings_the_best_first_and_the_rest_after_it(store):
    found = filled(store).search(("users",), query="red key", limit=10)
    assert keys(found)[:2] == [("ana", "k1"), ("ben", "k1")] and len(found) == 4
    assert 1 >= found[0].score > found[1].score >= 0 and [item.score for item in found[2:]] == [None, None]
    assert keys(store.search(("users",), query="red key", limit=1, offset=1)) == [("ben", "k1")]
    filtered = store.search(("users",), query="red key", filter={"n": {"$gt": 1}}, limit=10)
    assert keys(filtered) == [("ana", "k2"), ("ana", "k3")]


def test_meaning_is_searched_where_the_file_has_an_embedder(tmp_path):
    with LangGraphStore.open(tmp_path / "notes.db", embedder=HashEmbedder(64)) as store:
        found = filled(store).search(ANA, query="red key in the box", limit=3)
        assert found[0].key == "k1" and all(0 <= item.score <= 1 for item in found if item.score)


def test_what_is_searched_can_be_chosen(tmp_path):
    with LangGraphStore.open(tmp_path / "notes.db", fields=["title"]) as store:
        store.put(("docs",), "a", {"title": "keys", "body": "lamps"})
        store.put(("docs",), "b", {"title": "lamps", "body": "keys"}, index=["body"])
        store.put(("docs",), "c", {"title": "keys"}, index=False)
        store.put(("docs",), "d", {"title": "x", "parts": [{"t": "keys"}, {"t": "y"}]}, index=["parts[*].t"])
        scored = {item.key: item.score is not None for item in store.search(("docs",), query="keys")}
        assert scored == {"a": True, "b": True, "d": True, "c": False}
        assert [i.key for i in store.search(("docs",), query="nothing to search") if i.score is not None] == []


def test_created_at_stays_and_updated_at_moves(tmp_path):
    now = [1000.0]
    with LangGraphStore.open(tmp_path / "notes.db", clock=lambda: now[0]) as store:
        store.put(ANA, "k", {"n": 1})
        now[0] = 2000.0
        store.put(ANA, "k", {"n": 2})
        item = store.get(ANA, "k")
        assert (item.created_at.timestamp(), item.updated_at.timestamp(), item.value) == (1000.0, 2000.0, {"n": 2})
        store.delete(ANA, "k")
        store.put(ANA, "k", {"n": 3})
        assert store.get(ANA, "k").created_at.timestamp() == 2000.0


def test_time_to_live_ends_and_is_refreshed_by_reading(tmp_path):
    now = [1000.0]
    with MemoryFile(tmp_path / "notes.db", count_tokens=len, clock=lambda: now[0]) as file:
        store = LangGraphStore(file.space("langgraph"), clock=lambda: now[0], ttl={"default_ttl": 10})
        store.put(ANA, "short", {"n": 1}, ttl=1)
        store.put(ANA, "default", {"n": 1})
        store.put(ANA, "for ever", {"n": 1}, ttl=None)
        now[0] += 50
        assert store.get(ANA, "short") is not None  # read: a minute from now
        now[0] += 50
        assert store.get(ANA, "short", refresh_ttl=False) is not None
        now[0] += 11
        assert store.get(ANA, "short") is None
        now[0] += 600
        assert [item.key for item in store.search(ANA)] == ["for ever"]


def test_values_are_copies_and_must_be_json(store):
    value = {"list": [1, (2, 3)]}
    store.put(ANA, "k", value)
    value["list"].append(4)
    store.get(ANA, "k").value["list"].append(5)
    assert store.get(ANA, "k").value == {"list": [1, [2, 3]]}
    for bad in ({"x": object()}, {"x": float("nan")}, {"x": "\ud800"}):
        with pytest.raises(InputError, match="the value is no JSON"):
            store.put(ANA, "bad", bad)
    assert store.get(ANA, "bad") is None
    store.put(ANA, "empty", {})
    assert store.get(ANA, "empty").value == {}


def test_items_outlive_the_process_and_two_stores_share_a_file(tmp_path):
    path = tmp_path / "notes.db"
    with LangGraphStore.open(path) as one, LangGraphStore.open(path) as other:
        filled(one)
        assert len(other.search(())) == 5
        other.put(ANA, "k1", {"text": "from the other"})
        assert one.get(ANA, "k1").value == {"text": "from the other"}
    with LangGraphStore.open(path) as again:
        assert len(again.search(())) == 5
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder"):
        LangGraphStore.open(tmp_path / "folder")


def test_a_compiled_graph_remembers_through_it(store):
    class State(TypedDict):
        said: str
        found: list

    def remember(state, *, store):
        store.put(("facts",), state["said"], {"text": state["said"]})
        return {}

    def recall(state, *, store):
        return {"found": [item.value["text"] for item in store.search(("facts",), query=state["said"], limit=1)]}

    from langgraph.store.base import BaseStore

    remember.__annotations__ = recall.__annotations__ = {"state": State, "store": BaseStore}
    builder = StateGraph(State)
    builder.add_node("remember", remember)
    builder.add_node("recall", recall)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", "recall")
    builder.add_edge("recall", END)
    graph = builder.compile(store=store)
    graph.invoke({"said": "The lamp is blue.", "found": []})
    assert graph.invoke({"said": "The key is red.", "found": []})["found"] == ["The key is red."]
    assert len(store.search(("facts",))) == 2


def test_a_value_that_is_no_dict_is_refused_before_it_is_kept(store):
    with pytest.raises(InputError, match="the value is a str; give a dict"):
        store.put(ANA, "bad", "a string")
    with pytest.raises(InputError, match="search query = 5: it must be a text, or None"):
        store.search(ANA, query=5)
    store.put(ANA, "ok", {"n": 1})
    assert [item.key for item in store.search(ANA, filter={"n": 1})] == ["ok"]
