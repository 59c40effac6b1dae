"""AgentMemory: one apply for three stores, and one file that comes back whole."""

import json

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


def cost(text: str) -> int:
    return len(text.split())


def empty():
    return AgentMemory(TokenStore(10, cost), GraphStore(20, cost), Bm25Store(30, cost), Journal())


def busy():
    memory = empty()
    memory.apply(Write("key in box"), Stamp(step=0, observation_id="o0"))
    memory.apply(Write("Ana went home early", "archive"), Stamp(step=1, observation_id="o1"))
    memory.apply(Link("Ana", "has", "key"), Stamp(step=2))
    memory.apply(Relink("g1", "pen"), Stamp(step=3))
    memory.apply(Retrieve("Ana", "graph", hops=1), Stamp(step=4))
    memory.apply(Forget("t7"), Stamp(step=5))
    return memory


def test_ops_go_to_the_store_they_name_or_whose_id_they_name():
    memory = busy()
    assert [entry.id for entry in memory.entries()] == ["t1", "g2", "a1"]
    assert memory.apply(Overwrite("a1", "Ana came back")).created == ("a2",)
    assert memory.apply(Overwrite("t1", "key in bag")).created == ("t2",)
    assert memory.apply(Unlink("g2")).removed == ("g2",)
    assert memory.apply(Forget("a2")).removed == ("a2",)
    assert [entry.text for entry in memory.entries()] == ["key in bag"]
    assert memory.apply(Retrieve("bag", "token")).hits[0].id == "t2"


def test_it_knows_which_store_gave_an_id_also_once_the_entry_is_gone():
    memory = busy()
    assert {memory.store_of(entry.id) for entry in memory.entries()} == {"token", "graph", "archive"}
    memory.apply(Forget("t1"))
    assert memory.get("t1") is None and memory.store_of("t1") == "token"
    for id in ("x1", ""):
        with pytest.raises(KeyError):
            memory.store_of(id)


def test_budget_tokens_and_length_are_sums():
    memory = busy()
    assert memory.budget == 60
    assert memory.tokens_used == 3 + (3 + 3) + 4
    assert len(memory) == 3
    assert memory.get("a1").text == "Ana went home early"
    assert (memory.get("g1"), memory.get("x1"), memory.get("")) == (None, None, None)


def test_an_op_for_a_missing_store_is_refused():
    memory = AgentMemory(token=TokenStore(10, cost))
    for op in (Write("x", "archive"), Forget("a1"), Link("a", "b", "c"), Unlink("g1"), Retrieve("x")):
        assert memory.apply(op).refused is Refusal.NO_SUCH_STORE, op
    for op in (Forget("g1"), Overwrite("", "x"), Forget("x1")):
        assert memory.apply(op).refused is Refusal.UNKNOWN_ID, op
    assert memory.apply(Write("x", "graph")).refused is Refusal.NO_SUCH_STORE
    assert busy().apply(Write("x", "graph")).refused is Refusal.UNSUPPORTED


def test_a_memory_without_stores_is_an_error():
    with pytest.raises(ValueError, match="at least one store"):
        AgentMemory(journal=Journal())


def test_what_is_no_op_raises_and_is_not_logged():
    memory = empty()
    with pytest.raises(TypeError, match="apply takes a MemoryOp"):
        memory.apply("remember this")
    assert len(memory.journal) == 0


def test_entries_are_joined_once_until_a_store_changes():
    memory = busy()
    first = memory.entries()
    assert memory.entries() is first
    memory.apply(Write("pen"))
    assert [entry.id for entry in memory.entries()] == ["t1", "t2", "g2", "a1"]


def test_the_journal_has_every_op_but_keep_the_refused_too():
    memory = busy()
    memory.apply(Keep(), Stamp(step=6))
    assert [type(op).__name__ for op, _ in memory.journal] == ["Write", "Write", "Link", "Relink", "Retrieve", "Forget"]
    assert [stamp.step for _, stamp in memory.journal] == [0, 1, 2, 3, 4, 5]
    again = replay(memory.journal, empty())
    assert again.state_hash() == memory.state_hash()
    assert again.entries() == memory.entries()


def test_a_fork_goes_its_own_way_with_its_own_log():
    memory = busy()
    before = memory.state_dict()
    twin = memory.fork()
    assert twin.state_dict() == before
    twin.apply(Write("pen"))
    twin.apply(Forget("a1"))
    assert memory.state_dict() == before
    assert (len(memory.journal), len(twin.journal)) == (6, 8)
    assert twin.state_hash() != memory.state_hash()


def test_a_memory_without_journal_keeps_no_log():
    memory = AgentMemory(TokenStore(10, cost))
    memory.apply(Write("pen"))
    assert memory.journal is None
    assert memory.fork().journal is None


def test_a_saved_memory_comes_back_whole(tmp_path):
    memory, path = busy(), tmp_path / "notes.db"
    memory.save(path)
    loaded = AgentMemory.load(path, count_tokens=cost)
    assert loaded.state_dict() == memory.state_dict()
    assert loaded.state_hash() == memory.state_hash()
    assert isinstance(loaded.archive, Bm25Store)
    assert loaded.graph.history() == memory.graph.history()
    assert loaded.apply(Write("pen")) == memory.apply(Write("pen"))
    assert len(loaded.journal) == 7


def test_a_vector_archive_comes_back_with_an_embedder_and_asks_for_one(tmp_path):
    path = tmp_path / "notes.db"
    memory = AgentMemory(archive=VectorStore(10, cost, HashEmbedder()))
    memory.apply(Write("red key", "archive"))
    memory.save(path)
    loaded = AgentMemory.load(path, count_tokens=cost, embedder=HashEmbedder())
    assert loaded.apply(Retrieve("red key")).hits[0].id == "a1"
    assert (loaded.token, loaded.graph, loaded.journal) == (None, None, None)
    with pytest.raises(ValueError, match=r"notes.db has an archive searched by embedding: pass embedder"):
        AgentMemory.load(path, count_tokens=cost)


def test_saving_replaces_the_file_in_one_go_and_leaves_nothing_beside_it(tmp_path):
    memory, path = busy(), tmp_path / "notes.db"
    memory.save(path)
    memory.apply(Write("pen"))
    memory.save(str(path))
    assert AgentMemory.load(path, count_tokens=cost).state_hash() == memory.state_hash()
    good = path.read_bytes()
    memory.journal.append(Write("hat"), Stamp(observation_id=b"not JSON"))
    with pytest.raises(TypeError):
        memory.save(path)
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["notes.db"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: "\xff\x00", "cannot be read"),
        (lambda text: "[1, 2]", "no JSON object"),
        (lambda text: text.replace("memory_stores/1", "memory_stores/99"), "memory_stores/99"),
        (lambda text: text.replace('"text": "key in box"', '"text": null'), "Item.text = None"),
        (lambda text: text.replace('"token_store"', '"tape_store"'), "tape_store"),
        (lambda text: text.replace('"bm25_store"', '"tape_store"'), "archive kind = 'tape_store'"),
        (lambda text: json.dumps({"format": "memory_stores/1"}), "at least one store"),
        (lambda text: json.dumps({"format": "memory_stores/1", "token": 5}), "kind = None"),
        (lambda text: text.replace('"op": "Link"', '"op": "Lick"'), "Lick"),
        (lambda text: json.dumps({**json.loads(text), "journal": 5}), "journal = 5"),
    ],
)
def test_a_corrupt_file_is_named_with_the_way_out(tmp_path, spoil, reason):
    path = tmp_path / "notes.db"
    busy().save(path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=r"notes\.db") as error:
        AgentMemory.load(path, count_tokens=cost)
    assert reason in str(error.value)
    assert "restore a backup" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        AgentMemory.load(tmp_path / "none.db", count_tokens=cost)


def test_a_state_with_other_stores_is_refused_and_changes_nothing():
    memory = busy()
    before = memory.state_dict()
    with pytest.raises(ValueError, match="this memory has that store and the state has none"):
        memory.load_state_dict({**before, "archive": None})
    with pytest.raises(ValueError, match="graph_store"):
        memory.load_state_dict({**empty().state_dict(), "graph": {"kind": "heap"}})
    assert memory.state_dict() == before


def test_keep_changes_nothing_and_reports_nothing():
    memory = busy()
    assert memory.apply(Keep()) == OpResult()
