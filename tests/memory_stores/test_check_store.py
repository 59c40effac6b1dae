"""Every store keeps the promises of MemoryStore, and ``check_store`` notices one that does not."""

import pytest

from memory_stores import (
    AgentMemory,
    Bm25Store,
    Forget,
    GraphStore,
    HashEmbedder,
    Journal,
    OpResult,
    Retrieve,
    TokenStore,
    VectorStore,
    Write,
)
from memory_stores.testing import check_store


def cost(text: str) -> int:
    return len(text.split())


def everything() -> AgentMemory:
    return AgentMemory(TokenStore(20, cost), GraphStore(24, cost), Bm25Store(40, cost), Journal())


MAKERS = {
    "token": lambda: TokenStore(20, cost),
    "graph": lambda: GraphStore(20, cost),
    "vector": lambda: VectorStore(32, cost, HashEmbedder(32)),
    "bm25": lambda: Bm25Store(32, cost),
    "memory of all three": everything,
    "memory of a graph": lambda: AgentMemory(graph=GraphStore(24, cost)),
    "memory with vectors": lambda: AgentMemory(TokenStore(20, cost), None, VectorStore(32, cost, HashEmbedder(32))),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_store_keeps_every_promise(name):
    check_store(MAKERS[name])


class OverfullStore(TokenStore):
    @property
    def budget(self):
        return super().budget - 1


class SharingStore(TokenStore):
    def fork(self):
        return self


class ForgetfulStore(TokenStore):
    def apply(self, op, *stamp):
        return OpResult() if isinstance(op, Forget) else super().apply(op, *stamp)


class BoastfulStore(TokenStore):
    def _rank(self, query, k):
        return [(id, 2.0) for id, _ in super()._rank(query, k)]


class TimidStore(TokenStore):
    def apply(self, op, *stamp):
        return OpResult() if isinstance(op, Retrieve) else super().apply(op, *stamp)


class RootedStore(TokenStore):
    def state_hash(self):
        return super().state_hash() + str(self._serial)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (OverfullStore, "never hold more tokens than its budget"),
        (SharingStore, "must not reach its parent"),
        (ForgetfulStore, "Removing an entry must report its id"),
        (BoastfulStore, r"Scores must lie in \[0, 1\]"),
        (TimidStore, "A store must refuse Retrieve"),
        (RootedStore, "A detour must leave no trace in the hash"),
    ],
)
def test_a_broken_promise_is_named(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_store(lambda: broken(20, cost))


def test_a_store_that_takes_nothing_is_no_store():
    with pytest.raises(AssertionError, match="must take an entry"):
        check_store(lambda: TokenStore(0, cost))
    assert TokenStore(0, cost).apply(Write("a word")).refused
