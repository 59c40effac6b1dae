"""Random ops on every backend against a memory of plain dictionaries, with reopening, forks, undo and batches."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from oracle import Oracle, check, compare, cost, random_op

from memory_stores import AgentMemory, Bm25Store, GraphStore, HashEmbedder, Keep, TokenStore, VectorStore
from memory_stores.durable import MemoryFile

BUDGETS = {"token": 24, "graph": 30, "archive": 40}


def in_ram(kind):
    archive = VectorStore(40, cost, HashEmbedder(16)) if kind == "vector" else Bm25Store(40, cost)
    return AgentMemory(TokenStore(24, cost), GraphStore(30, cost), archive)


BACKENDS = {
    "token": (lambda: AgentMemory(token=TokenStore(24, cost)), {"token": 24}),
    "graph": (lambda: AgentMemory(graph=GraphStore(30, cost)), {"graph": 30}),
    "bm25": (lambda: in_ram("bm25"), BUDGETS),
    "vector": (lambda: in_ram("vector"), BUDGETS),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_200_000_ops_agree_in_ram(name):
    make, budgets = BACKENDS[name]
    for seed in range(200):
        rng, memory, oracle = random.Random(seed), make(), Oracle(**budgets)
        for step in range(1000):
            if step == 500:
                memory, oracle = memory.fork(), oracle.fork()
            check(memory, oracle, *random_op(rng, oracle))


def play(path, seed, steps, kind):
    """Ops on a durable memory, one space for each seed, in batches, with another opener and a copy that follows."""
    rng, oracle = random.Random(seed), Oracle(**BUDGETS)
    embedder = HashEmbedder(16)
    with (
        MemoryFile(path, count_tokens=cost, embedder=embedder) as file,
        MemoryFile(path, count_tokens=cost, embedder=embedder) as other,
    ):
        memory = file.space(f"s{seed}", **BUDGETS, archive_kind=kind)
        follower = other.space(f"s{seed}")
        done = 0
        while done < steps:
            # Both write, in turns; each has to take over what the other did.
            if rng.random() < 0.1:
                memory, follower = follower, memory
            if rng.random() < 0.5:
                op, stamp = random_op(rng, oracle)
                if op == Keep():  # asks for nothing, and so looks at nothing
                    memory.refresh()
                check(memory, oracle, op, stamp)
                done += 1
                continue
            pairs = [random_op(rng, oracle) for _ in range(rng.randint(1, 40))]
            receipt = memory.apply_all([op for op, _ in pairs], [stamp for _, stamp in pairs], key=f"{done}")
            told = [result.refused or (result.created, result.removed) for result in receipt.results]
            for (op, stamp), one in zip(pairs, told, strict=True):
                if type(op).__name__ != "Retrieve":
                    assert one == oracle.do(op, stamp), op
            done += len(pairs)
            compare(memory, oracle)
        follower.refresh()
        compare(follower, oracle)
        assert follower.head == memory.head
    with MemoryFile(path, count_tokens=cost, embedder=embedder) as file:
        compare(file.space(f"s{seed}"), oracle)
        return file.verify()


@pytest.mark.parametrize("kind", ["bm25", "vector"])
def test_a_file_agrees(tmp_path, kind):
    for seed in range(2):
        report = play(tmp_path / "notes.db", seed, 400, kind)
    assert report.ok and report.spaces == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bm25", "vector"])
def test_200_000_ops_of_a_file_agree(tmp_path, kind):
    for seed in range(100):
        report = play(tmp_path / "notes.db", seed, 1000, kind)
    assert report.ok and report.records >= 90_000


class Machine(RuleBasedStateMachine):
    """Hypothesis chooses what happens, and finds the shortest story that goes wrong."""

    @initialize(seed=st.integers(0, 2**32))
    def open(self, seed):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "notes.db"
        self.rng, self.oracle, self.saved = random.Random(seed), Oracle(**BUDGETS), []
        self.reopen()

    @rule()
    def reopen(self):
        if hasattr(self, "file"):
            self.file.close()
        self.file = MemoryFile(self.path, count_tokens=cost, embedder=HashEmbedder(16))
        self.memory = self.file.space("a", **BUDGETS)

    @rule(count=st.integers(1, 12))
    def do(self, count):
        for _ in range(count):
            check(self.memory, self.oracle, *random_op(self.rng, self.oracle))

    @rule()
    def remember_this_moment(self):
        self.saved.append((self.memory.seq, self.memory.state_dict()))

    @rule(data=st.data())
    def look_back(self, data):
        if self.saved:
            seq, state = data.draw(st.sampled_from(self.saved))
            assert self.memory.as_of(seq).state_dict() == state

    @rule()
    def fork_and_forget_the_fork(self):
        twin, oracle = self.memory.fork(), self.oracle.fork()
        for _ in range(5):
            check(twin, oracle, *random_op(self.rng, oracle))

    @rule()
    def do_and_undo(self):
        before, seq = self.memory.state_hash(), self.memory.seq
        for _ in range(3):
            self.memory.apply(*random_op(self.rng, self.oracle))
        changes = [r for r in self.memory.log(seq) if r.refused is None and (r.created or r.removed)]
        if changes:
            self.memory.undo(len(changes))
        assert self.memory.state_hash() == before
        # What came back stands last and ids have moved on, so that the story goes on from a state that was loaded.
        self.memory.load_state_dict(self.memory.as_of(seq).state_dict())

    @rule()
    def rebuild(self):
        found = self.memory.search("Ana key", 5)
        self.file.rebuild_index()
        self.memory = self.file.space("a")
        assert self.memory.search("Ana key", 5) == found

    @rule()
    def verify(self):
        assert self.file.verify().ok

    @invariant()
    def agrees(self):
        if hasattr(self, "memory"):
            compare(self.memory, self.oracle)

    def teardown(self):
        if hasattr(self, "file"):
            assert self.file.verify().ok
            self.file.close()
            self.folder.cleanup()


Machine.TestCase.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
TestMachine = Machine.TestCase
