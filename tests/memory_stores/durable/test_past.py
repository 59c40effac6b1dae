"""The past of a memory file: the log, versions, as it was, what changed, taken back, brought together."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from memory_stores import Forget, Link, Overwrite, Relink, Retrieve, Stamp, Unlink, Write
from memory_stores.durable import Conflict, Details, MemoryFile, StoreError


def cost(text):
    return len(text.split())


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path, clock):
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, clock=clock) as opened:
        yield opened


def random_op(rng, memory):
    ids = [entry.id for entry in memory.entries()] or ["t1"]
    id, word = rng.choice(ids), rng.choice(["ana", "bob", "key"])
    return rng.choice(
        [
            Write(f"{word} {rng.random():.3f}", rng.choice(["token", "archive"])),
            Overwrite(id, f"{word} again {rng.random():.3f}"),
            Forget(id),
            Link(word, "knows", rng.choice(["x", "y", "z"])),
            Relink(id, f"{word}{rng.randint(0, 9)}"),
            Unlink(id),
            Retrieve("ana bob", rng.choice(["token", "archive", "graph"]), 2),
        ]
    )


def test_every_moment_comes_back_as_it_was(file):
    rng, memory = random.Random(0), file.space("a", token=30, graph=20, archive=40)
    states = {memory.seq: memory.state_dict()}
    for step in range(250):
        memory.apply(random_op(rng, memory), Stamp(step=step, observation_id=rng.choice(["", f"o{step}"])))
        if rng.random() < 0.1 and memory.seq > 20:
            memory.undo(rng.randint(1, 3))
        states[memory.seq] = memory.state_dict()
    assert len(states) > 200
    for seq, state in rng.sample(sorted(states.items()), 40):
        assert memory.as_of(seq).state_dict() == state, seq
    assert file.verify().ok


def test_as_of_a_clock_time(file, clock):
    memory = file.space("a", token=30)
    for word in ("one", "two", "three"):
        clock.now += 10
        memory.apply(Write(word))
    assert [e.text for e in memory.as_of(datetime.fromtimestamp(1025, UTC)).entries()] == ["one", "two"]
    assert len(memory.as_of(datetime.fromtimestamp(1000, UTC))) == 0
    for bad in (-1, 5, True, datetime(2026, 1, 1)):
        with pytest.raises(StoreError, match="as_of"):
            memory.as_of(bad)


def test_history_goes_back_to_the_first_version(file, clock):
    memory = file.space("a", token=30, graph=30)
    memory.apply_all([Write("blue", "archive")], Stamp(step=1), details=Details(name="colour", event_time=5.0))
    clock.now = 2000.0
    memory.apply_all([Write("green", "archive")], Stamp(step=2), details=Details(name="colour"))
    memory.apply(Forget("a2"))
    told = [(v.entry.text, v.born, v.died, v.written_at, v.details.event_time) for v in memory.history("colour")]
    assert told == [("blue", 2, 3, 1000.0, 5.0), ("green", 3, 4, 2000.0, None)]
    assert memory.history("a2") == memory.history("colour") and memory.history("a1") == memory.history("a2")[:1]
    assert memory.history("nobody") == ()
    memory.apply_all([Link("Ana", "in", "Rome"), Relink("g1", "Oslo")])
    assert [(v.entry.text, v.entry.invalid_at, v.died) for v in memory.history("g2")] == [
        ("Ana in Rome", None, 6),
        ("Ana in Rome", 0, None),
        ("Ana in Oslo", None, None),
    ]


def test_the_log_tells_what_was_asked_and_what_came_of_it(file):
    memory = file.space("a", token=3)
    memory.apply_all([Write("one two"), Write("too long"), Retrieve("two", "token")], Stamp(step=4, writer="rule"))
    first, second, third = memory.log(since=1)
    assert (first.op, first.created, first.tokens, first.stamp.writer) == (Write("one two"), ("t1",), 2, "rule")
    assert second.refused == "over_budget" and third.hits == (("t1", 1.0),)
    assert [record.seq for record in memory.log()] == [1, 2, 3, 4] and memory.log(4) == ()
    with pytest.raises(StoreError, match="since=9"):
        memory.log(9)


def test_diff_says_what_came_went_and_changed(file):
    memory = file.space("a", token=30)
    memory.apply_all([Write("stays"), Write("goes"), Write("old")])
    then = memory.seq
    memory.apply_all([Forget("t2"), Overwrite("t3", "new"), Write("more"), Write("never"), Forget("t6")])
    diff = memory.diff(then, memory.seq)
    assert [e.text for e in diff.added] == ["more"] and [e.text for e in diff.removed] == ["goes"]
    assert [(a.text, b.text) for a, b in diff.changed] == [("old", "new")]
    back = memory.diff(memory.seq, then)
    assert {e.text for e in back.removed} == {"more", "new"} and {e.text for e in back.added} == {"goes", "old"}


def test_undo_takes_back_and_the_log_keeps_both(file):
    memory = file.space("a", token=30, graph=30)
    memory.apply_all([Write("one"), Overwrite("t1", "two"), Link("a", "b", "c"), Relink("g1", "d")])
    hashes = [memory.as_of(seq).state_hash() for seq in range(1, memory.seq + 1)]
    memory.apply_all([Retrieve("two", "token"), Write(" ")])
    assert set(memory.undo().results[0].removed) == {"g1", "g2"} and memory.state_hash() == hashes[3]
    memory.undo(2)
    assert memory.state_hash() == hashes[1] and [e.text for e in memory.entries()] == ["one"]
    assert memory.get("t1").uses == 0
    memory.undo()
    assert len(memory) == 0
    with pytest.raises(Conflict, match="0 changes to take back"):
        memory.undo()
    with pytest.raises(StoreError, match="at least 1"):
        memory.undo(0)
    # Ids are never given twice, and the past is all there.
    assert memory.apply(Write("next")).created == ("t3",) and memory.as_of(5).state_hash() == hashes[4]
    assert file.verify().ok


def test_undo_brings_details_back(file):
    memory = file.space("a")
    memory.apply_all([Write("blue", "archive")], details=Details(name="colour", metadata={"n": 1}))
    memory.apply_all([Write("red", "archive")], details=Details(name="colour"))
    memory.undo()
    assert memory.named("colour").text == "blue" and memory.details("a1").metadata == {"n": 1}
    memory.set_details("a1", Details())
    memory.undo()
    assert memory.named("colour").text == "blue"


def test_undo_does_not_wake_the_expired(file, clock):
    memory = file.space("a", token=30)
    memory.apply(Write("stays"))
    memory.apply_all([Write("short")], details=Details(ttl=5))
    clock.now += 10
    assert [e.text for e in memory.entries()] == ["stays"]
    memory.undo()
    assert [e.text for e in memory.entries()] == ["stays"]
    memory.undo()
    assert len(memory) == 0 and file.verify().ok


def test_twins_are_brought_together(file):
    memory = file.space("a", token=30, graph=30)
    memory.apply_all([Write("both"), Write("forgotten there"), Link("a", "b", "c")])
    base, twin = memory.fork(), memory.fork()
    twin.apply(Write("learned there"), Stamp(step=9, trust=0.5))
    twin.apply(Link("x", "y", "z"))
    twin.apply(Forget("t2"))
    memory.apply(Write("learned here"))
    receipt = memory.merge(twin)
    assert receipt.done and {e.text for e in memory.entries()} == {
        "both", "forgotten there", "a b c", "learned here", "learned there", "x y z"
    }  # fmt: skip
    assert next(e for e in memory.entries() if e.text == "learned there").stamp == Stamp(step=9, trust=0.5)
    assert memory.merge(twin).results == ()
    memory.merge(twin, base)
    assert "forgotten there" not in {e.text for e in memory.entries()} and len(memory) == 5
