"""A durable memory keeps every promise of a store, in one process and across reopening."""

from __future__ import annotations

import gc
import itertools
import json
import re
from pathlib import Path

import pytest

from memory_stores import (
    Forget,
    HashEmbedder,
    Keep,
    Link,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    Unlink,
    Write,
)
from memory_stores.durable import Conflict, CorruptStore, Details, MemoryFile, ReadOnly, StoreError
from memory_stores.durable.origin import PROBE
from memory_stores.testing import check_store


def cost(text):
    return len(text.split())


@pytest.fixture
def open_file(tmp_path):
    files = []

    def opened(name="notes.db", **options):
        files.append(MemoryFile(tmp_path / name, count_tokens=cost, **options))
        return files[-1]

    yield opened
    for file in files:
        file.close()


SHAPES = {
    "bm25": {"token": 20, "graph": 24, "archive": 40},
    "vector": {"token": 20, "archive": 32, "archive_kind": "vector"},
    "graph": {"graph": 24, "archive": 0},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_promise_of_a_store(open_file, shape):
    file, names = open_file(embedder=HashEmbedder(32)), itertools.count()
    check_store(lambda: file.space(f"s{next(names)}", **SHAPES[shape]))
    assert file.spaces()
    reopened = open_file(embedder=HashEmbedder(32))
    for name in file.spaces():
        assert reopened.space(name).state_dict() == file.space(name).state_dict()


def fill(memory):
    memory.apply(Write("the key is under the mat"), Stamp(step=1, observation_id="o1", trust=0.5))
    memory.apply(Write("Ana has a lantern", "archive"), Stamp(step=2))
    memory.apply(Link("Ana", "in", "Paris"), Stamp(step=3))
    memory.apply(Relink("g1", "Berlin"), Stamp(step=4))
    memory.apply(Overwrite("t1", "the key is gone"), Stamp(step=5))
    memory.apply(Retrieve("lantern"), Stamp(step=6))
    memory.apply(Write(" "), Stamp(step=7))


def test_a_reopened_file_is_the_memory_that_was_written(open_file):
    memory = open_file().space("a", token=20, graph=24, archive=40)
    fill(memory)
    again = open_file().space("a")
    assert again.state_dict() == memory.state_dict() and again.state_hash() == memory.state_hash()
    assert again.head == memory.head and again.seq == 8
    assert [e.text for e in again.entries()] == ["the key is gone", "Ana in Berlin", "Ana has a lantern"]
    assert again.get("a1").uses == 1 and again.graph.history()[0].invalid_at == 4


def test_two_openers_see_each_other(open_file):
    one, two = open_file().space("a", token=20, graph=24, archive=40), open_file().space("a")
    fill(one)
    assert two.refresh() == 8 and two.state_dict() == one.state_dict()
    assert two.apply(Forget("t2")).removed == ("t2",)
    # The next op of the first sees that t2 is gone, and its own id comes after.
    assert one.apply(Forget("t2")).refused is Refusal.UNKNOWN_ID
    assert one.apply(Write("new")).created == ("t3",)
    two.refresh()
    assert two.head == one.head


def test_a_copy_far_behind_is_read_anew(open_file, monkeypatch):
    monkeypatch.setattr("memory_stores.durable.stored.TAIL", 2)
    one, two = open_file().space("a", token=20, graph=24, archive=40), open_file().space("a")
    fill(one)
    two.refresh()
    assert two.state_dict() == one.state_dict() and two.head == one.head


def test_keep_asks_for_nothing(open_file):
    memory = open_file().space("a")
    assert memory.apply(Keep()) == OpResult() and memory.seq == 1


def test_a_key_is_done_once(open_file):
    one, two = open_file().space("a", token=20), open_file().space("a")
    ops = [Write("x"), Write(" "), Retrieve("x", "token")]
    first = one.apply_all(ops, Stamp(step=1), key="k")
    for memory in (one, two, open_file().space("a")):
        again = memory.apply_all(ops, Stamp(step=2), key="k")
        assert again.repeated and (again.seq, again.results) == (first.seq, first.results)
    assert not first.repeated and not first.done and one.seq == 4 and len(one) == 1
    with pytest.raises(Conflict, match="key 'k' was used for other ops"):
        two.apply_all([Write("y")], key="k")


def test_expect_is_compare_and_set(open_file):
    one, two = open_file().space("a", token=20), open_file().space("a")
    one.apply_all([Write("x")], expect=1)
    with pytest.raises(Conflict, match="expected at op 1 is at op 2"):
        two.apply_all([Write("y")], expect=1)
    assert two.apply_all([Write("y")], expect=two.seq).seq == 3


def test_a_batch_that_fails_leaves_file_and_memory_as_they_were(open_file):
    memory = open_file().space("a", token=20)
    memory.apply(Write("x"))
    before = memory.state_dict()
    with pytest.raises(StoreError, match="half a character"):
        memory.apply_all([Forget("t1"), Write("fine")], details=[None, Details(metadata={"x": "\ud800"})])
    with pytest.raises(ValueError, match=r"Stamp\.step = 'x'"):
        memory.apply_all([Forget("t1"), Write("fine")], Stamp(step="x"))
    assert memory.state_dict() == before and open_file().space("a").state_dict() == before
    with pytest.raises(TypeError, match="MemoryOp"):
        memory.apply("write")
    assert memory.apply(Write("y")).created == ("t2",)


def test_a_text_that_is_no_unicode_is_refused_and_the_log_says_so(open_file):
    memory = open_file().space("a", token=20)
    receipt = memory.apply_all([Write("x"), Write("\ud800"), Write("y")], key="k")
    assert receipt.results[1].refused is Refusal.BAD_ARGUMENT and len(memory) == 2
    assert memory.log()[2].refused == "bad_argument" and memory.log()[2].op == Keep()
    assert (
        open_file().space("a").apply_all([Write("x"), Write("\ud800"), Write("y")], key="k").results == receipt.results
    )
    assert open_file().verify().ok


def test_a_late_report_is_refused_and_the_newer_edge_stays(open_file):
    file = open_file()
    memory = file.space("a", graph=40)
    memory.apply(Link("Ana", "in", "Paris"), Stamp(step=1))
    memory.apply(Relink("g1", "Berlin"), Stamp(step=9))
    before = memory.state_dict()
    assert memory.apply(Relink("g2", "Rome"), Stamp(step=5)).refused is Refusal.OUT_OF_DATE
    assert memory.state_dict() == before == open_file().space("a").state_dict()
    assert memory.log()[-1].refused == "out_of_date" and file.verify().ok
    memory.undo(1)
    assert [edge.object for edge in memory.graph.entries()] == ["Paris"] and file.verify().ok


def test_names_are_keys(open_file):
    memory = open_file().space("a", token=20, graph=20)
    memory.apply_all([Write("blue", "archive")], details=Details(name="colour", metadata={"by": "Ana"}))
    receipt = memory.apply_all([Write("green", "archive")], details=Details(name="colour"))
    assert receipt.results[0] == OpResult(created=("a2",), removed=("a1",))
    assert memory.named("colour").text == "green" and memory.details("a2").metadata is None
    memory.apply_all([Write("red", "token")], details=Details(name="colour"))
    assert [e.id for e in memory.entries()] == ["t1"] and memory.named("colour").id == "t1"
    memory.apply(Overwrite("t1", "pink"))
    assert memory.named("colour").text == "pink"
    memory.apply_all([Link("Ana", "in", "Rome")], details=Details(name="where"))
    receipt = memory.apply_all([Link("Ana", "in", "Oslo")], details=Details(name="where", metadata={"n": 1}))
    assert receipt.results[0] == OpResult(created=("g2",), removed=("g1",))
    again = open_file().space("a")
    assert again.named("where").text == "Ana in Oslo" and again.details("g2").metadata == {"n": 1}
    assert again.head == memory.head


def test_the_same_text_under_its_name_changes_the_details_alone(open_file):
    memory, stamp = open_file().space("a"), Stamp(observation_id="o1")
    memory.apply_all([Write("blue", "archive")], stamp, details=Details(name="colour"))
    memory.apply_all([Write("blue", "archive")], stamp, details=Details(name="colour", metadata={"n": 2}))
    assert memory.details("a1").metadata == {"n": 2} and len(memory) == 1
    memory.set_details("a1", Details(metadata={"n": 3}))
    assert memory.named("colour") is None and open_file().space("a").details("a1").metadata == {"n": 3}


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Details(name=""),
        lambda: Details(ttl=0),
        lambda: Details(ttl=float("nan")),
        lambda: Details(ttl=1, expires_at=2),
        lambda: Details(event_time="yesterday"),
    ],
)
def test_details_that_no_file_can_keep(bad):
    with pytest.raises(StoreError, match="details"):
        bad()


def test_details_belong_to_ops_that_write(open_file):
    memory = open_file().space("a")
    with pytest.raises(StoreError, match="must be JSON"):
        memory.apply_all([Write("x", "archive")], details=Details(metadata={"x": {1, 2}}))
    with pytest.raises(StoreError, match="belong to an op that writes"):
        memory.apply_all([Forget("a1")], details=Details(name="x"))
    with pytest.raises(StoreError, match="one for each op"):
        memory.apply_all([Keep()], details=[None, None])
    assert memory.seq == 1


def test_what_has_expired_is_never_returned(open_file):
    now = [100.0]
    file = open_file(clock=lambda: now[0])
    memory = file.space("a", token=20, graph=20)
    memory.apply_all(
        [Write("short"), Write("long"), Link("a", "b", "c")], details=[Details(ttl=5), None, Details(ttl=9)]
    )
    other = open_file(clock=lambda: now[0]).space("a")
    reader = open_file(clock=lambda: now[0], read_only=True).space("a")
    now[0] = 104.9
    assert len(memory) == len(other) == len(reader) == 3
    now[0] = 105.0
    for seen in (reader, memory, other):
        assert [e.text for e in seen.entries()] == ["long", "a b c"] and seen.get("t1") is None
        assert seen.tokens_used == 4 and seen.token.tokens_used == 1
    now[0] = 200.0
    assert [e.text for e in reader.entries()] == ["long"] and reader.refresh() == 5
    assert other.apply(Forget("t1")).refused is Refusal.UNKNOWN_ID
    memory.refresh()
    assert memory.head == other.head and memory.seq == 7


def test_budgets_are_kept_in_the_file_and_changed_only_if_they_fit(open_file):
    file = open_file()
    memory = file.space("a", token=5, graph=10)
    memory.apply_all([Write("one two three"), Link("a", "b", "c"), Relink("g1", "d")])
    assert file.space("a") is memory and memory.token.budget == 5 and memory.archive.budget == 100_000
    with pytest.raises(Conflict, match=r"budget token = 2: it holds 3 tokens under 5"):
        file.space("a", token=2)
    with pytest.raises(Conflict, match=r"budget graph = 5: it holds 6 tokens"):
        file.space("a", graph=5)
    file.space("a", token=3, archive=0)
    again = open_file().space("a")
    assert again.token.budget == 3 and again.archive is None and again.graph.history()
    assert again.apply(Write("more")).refused is Refusal.OVER_BUDGET
    open_file().space("a", token=9, archive=4, archive_kind="bm25")
    again.refresh()
    assert again.apply(Write("more")).done and again.archive.budget == 4
    for bad in ({"token": -1}, {"token": 1.5}, {"archive_kind": "maps"}):
        with pytest.raises(StoreError, match=r"space (budget|archive_kind)"):
            file.space("a", **bad)
    with pytest.raises(StoreError, match="all budgets"):
        file.space("none", archive=0)


def test_spaces_keep_to_themselves(open_file):
    file = open_file()
    ana, bob = file.space(("users", "ana")), file.space(("users", "bob"))
    ana.apply(Write("secret of Ana", "archive"))
    bob.apply(Write("secret of Bob", "archive"))
    assert [h.text for h in bob.apply(Retrieve("secret")).hits] == ["secret of Bob"]
    assert file.spaces() == [("users", "ana"), ("users", "bob")] and file.spaces(("users", "ana")) == [("users", "ana")]
    assert file.spaces("users") == file.spaces() and file.spaces(("use",)) == []
    twin = file.copy(("users", "ana"), "twin")
    assert twin.entries() == ana.entries() and twin.state_hash() == ana.state_hash()
    twin.apply(Forget("a1"))
    assert len(ana) == 1 and open_file().space("twin").apply(Write("x", "archive")).created == ("a2",)
    assert file.drop(("users", "ana")) and not file.drop(("users", "ana"))
    with pytest.raises(StoreError, match="was dropped"):
        ana.apply(Write("x", "archive"))
    fresh = file.space(("users", "ana"))
    assert len(fresh) == 0 and fresh.seq == 1 and [e.text for e in bob.entries()] == ["secret of Bob"]
    for bad in ("", (), ("a", ""), (1,)):
        with pytest.raises(StoreError, match="space name"):
            file.space(bad)


def test_a_file_opened_to_read_is_left_alone(open_file):
    fill(open_file().space("a", token=20, graph=24, archive=40))
    file = open_file(read_only=True)
    memory = file.space("a")
    assert len(memory) == 3
    with pytest.raises(ReadOnly, match="read_only=True"):
        memory.apply(Write("x"))
    with pytest.raises(ReadOnly, match="has no space"):
        file.space("b")
    assert len(memory) == 3


def test_unlink_takes_the_history_along(open_file):
    memory = open_file().space("a", graph=30)
    memory.apply_all([Link("a", "b", "c"), Relink("g1", "d"), Relink("g2", "e"), Link("x", "y", "z")])
    memory.apply(Unlink("g3"))
    again = open_file().space("a")
    assert again.state_dict() == memory.state_dict() and again.head == memory.head and len(again.rows()) == 1


def test_history_that_gives_way_is_gone_from_the_file(open_file):
    memory = open_file().space("a", graph=6, archive=0)
    memory.apply_all([Link("a", "b", "c"), Relink("g1", "d"), Relink("g2", "e")])
    assert [e.id for e in memory.rows()] == ["g2", "g3"]
    again = open_file().space("a")
    assert again.state_dict() == memory.state_dict() and again.head == memory.head


def test_forks_have_no_file(open_file):
    memory = open_file().space("a", token=20, graph=24, archive=40)
    fill(memory)
    twin = memory.fork()
    assert twin.state_dict() == memory.state_dict()
    twin.apply(Write("only here"))
    json.dumps(twin.state_dict())
    assert len(memory) == 3 and len(open_file().space("a")) == 3 and memory.seq == 8


def test_vectors_are_embedded_once_and_kept(open_file):
    class Counting(HashEmbedder):
        def __init__(self, dim):
            super().__init__(dim)
            self.texts = []

        def embed(self, texts):
            self.texts.extend(texts)
            return super().embed(texts)

    embedder = Counting(32)
    memory = open_file(embedder=embedder).space("a", archive_kind="vector")
    memory.apply_all([Write(f"lantern {i} in attic", "archive") for i in range(5)])
    first = memory.apply(Retrieve("lantern 3 attic", k=2))
    memory.apply(Write("a new one", "archive"))
    memory.apply(Retrieve("lantern 3 attic", k=2))
    embedder.texts.clear()
    again = open_file(embedder=embedder).space("a")
    assert [h.id for h in again.apply(Retrieve("lantern 3 attic", k=2)).hits] == [h.id for h in first.hits]
    assert sorted(embedder.texts) == [PROBE, "lantern 3 attic"]
    blind = open_file().space("a")
    assert len(blind) == 6
    with pytest.raises(StoreError, match="embedder=MiniLM"):
        blind.apply(Retrieve("lantern"))
    assert len(blind) == 6 and blind.seq == again.seq


def test_a_changed_row_is_no_data(open_file, tmp_path):
    import apsw

    memory = open_file().space("a", token=20)
    memory.apply_all([Write("x"), Write("y")])
    connection = apsw.Connection(str(tmp_path / "notes.db"))
    connection.execute("UPDATE entries SET text = 'z' WHERE id = 't1'")
    with pytest.raises(CorruptStore, match="entry 't1'"):
        open_file().space("a")
    connection.execute("DELETE FROM entries WHERE id = 't1'")
    with pytest.raises(CorruptStore, match="1 rows, 2 expected"):
        open_file().space("a")
    connection.execute("UPDATE spaces SET live = 1")
    with pytest.raises(CorruptStore, match="the row of a space"):
        open_file().space("a")


def test_copies_that_nobody_holds_leave_memory(open_file, monkeypatch):
    monkeypatch.setattr("memory_stores.durable.file.KEPT", 2)
    file = open_file()
    held = file.space("held")
    held.apply(Write("x", "archive"))
    for n in range(5):
        file.space(f"s{n}").apply(Write(f"of {n}", "archive"))
    gc.collect()
    assert len(file._alive) == 3 and file.space("held") is held
    assert [e.text for e in file.space("s0").entries()] == ["of 0"]


def test_the_page_does_what_it_says(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "durable.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n(.*?)^```", page, flags=re.S | re.M)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block.replace("file.verify().ok", "sound = file.verify().ok"), names)
    memory = names["memory"]
    assert names["sound"] and [e.text for e in memory.as_of(2).entries()] == ["The key is under the mat."]
    assert [v.entry.object for v in memory.history("g2")] == ["Paris", "Paris", "Berlin"]
    assert len(memory.archive) == 0 and [hit.text for hit in memory.as_of(memory.seq - 1).apply(Retrieve("tea")).hits]
    names["file"].close()
