"""What is known of entries in arrays, grown in place with the memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memory_stores import AgentMemory, Bm25Store, Forget, HashEmbedder, Overwrite, Retrieve, Stamp, Write
from memrl.contracts.texts import TextTable
from memrl.controllers.entry_index import EntryIndex, Indices, readable

WORDS = [
    "lamp", "rope", "kettle", "attic", "cellar", "barn", "shed", "garden", "red", "blue", "old", "new", "left", "right",
]  # fmt: skip


def text(n: int) -> str:
    rng = np.random.default_rng(n)
    return f"{n} " + " ".join(rng.choice(WORDS, 6))


def full(count: int) -> AgentMemory:
    memory = AgentMemory(archive=Bm25Store(10**6, lambda text: len(text.split())))
    for n in range(count):
        memory.apply(Write(text(n), "archive"), Stamp(step=n, trust=0.5 + n % 2 / 2))
    return memory


@pytest.fixture
def table(tmp_path: Path) -> TextTable:
    made = TextTable(HashEmbedder(64))
    made.keep_tokens("the test", tmp_path)
    return made


def same(grown: EntryIndex, fresh: EntryIndex, asked: str) -> None:
    """Two indices of equal memories say the same of a query."""
    one, other = (index.vocabulary.facts([asked])[0] for index in (grown, fresh))
    n = len(fresh)
    assert len(grown) == n and [e.id for e in grown.entries[:n]] == [e.id for e in fresh.entries[:n]]
    for name in ("costs", "steps", "trusts", "lengths"):
        assert np.array_equal(getattr(grown, name), getattr(fresh, name)), name
    np.testing.assert_array_equal(grown.bm25(one), fresh.bm25(other))
    np.testing.assert_allclose(grown.cosine(one), fresh.cosine(other), atol=1e-6)


def test_a_memory_that_grows_or_changes_is_known_as_a_new_one_would_be(table: TextTable) -> None:
    indices, memory = Indices(table), full(12)
    first = indices.of(memory)
    steps = [
        Write("one more", "archive"), Retrieve("lamp", ids=("a3",)), Overwrite("a4", "in its place"), Forget("a1"),
        Write("and another", "archive"), Forget("a14"),
    ]  # fmt: skip
    for op in steps:
        assert memory.apply(op, Stamp(step=20)).done
        fresh = Indices(table)
        same(indices.of(memory), fresh.of(memory), "the old lamp and another")
        assert indices.keys.of(memory) == fresh.keys.of(memory)
    assert len(first) == 12 and len(first.cosine(first.vocabulary.facts(["lamp"])[0])) == 12
    assert [entry.id for entry in readable(memory)][-1] == "a15"


def test_the_last_entries_of_a_store_are_those_of_all(table: TextTable) -> None:
    archive = full(9).archive
    assert archive is not None
    for count in (0, 1, 4, 9, 20):
        assert archive.newest(count) == archive.entries()[len(archive) - min(count, 9) :]
