"""VectorStore and Bm25Store: exact ranking, ties, and an index that is only a cache."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memory_stores import (
    AgentMemory,
    Bm25Store,
    Forget,
    HashEmbedder,
    Overwrite,
    Refusal,
    Retrieve,
    Stamp,
    VectorStore,
    Write,
)


def cost(text: str) -> int:
    return len(text.split())


class Compass:
    """Embeds a number of degrees as the unit vector in that direction, and remembers its batches."""

    dim = 2

    def __init__(self):
        self.batches = []

    def embed(self, texts):
        self.batches.append(list(texts))
        angles = np.radians([float(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def filled(store, *texts):
    for step, text in enumerate(texts):
        assert store.apply(Write(text, "archive"), Stamp(step=step, observation_id=f"o{step}")).done
    return store


def found(store, query, k=4):
    return [(hit.id, hit.score) for hit in store.apply(Retrieve(query, k=k), Stamp(step=9)).hits]


def test_the_score_of_a_vector_is_its_cosine_moved_into_zero_to_one():
    store = filled(VectorStore(9, cost, Compass()), "180", "60", "90", "0")
    hits = found(store, "0")
    assert [id for id, _ in hits] == ["a4", "a2", "a3", "a1"]
    # cos 0, 60, 90, 180 degrees = 1, 1/2, 0, -1
    assert [score for _, score in hits] == pytest.approx([1.0, 0.75, 0.5, 0.0], abs=1e-6)


def test_vector_ties_go_to_the_older_item_even_at_the_edge_of_k():
    store = filled(VectorStore(9, cost, Compass()), "10", "350", "10", "350", "10")
    assert [id for id, _ in found(store, "0", k=3)] == ["a1", "a2", "a3"]


def test_vectors_are_embedded_in_one_batch_and_once_for_all_forks():
    compass = Compass()
    store = filled(VectorStore(9, cost, compass), "0", "90", "0")
    assert compass.batches == []
    found(store, "45")
    assert compass.batches == [["45"], ["0", "90"]]
    twin = store.fork()
    filled(twin, "180")
    found(twin, "45")
    store.apply(Write("180", "archive"))
    found(store, "90")
    assert compass.batches == [["45"], ["0", "90"], ["180"]]


def test_the_vector_index_follows_every_change():
    store = filled(VectorStore(9, cost, Compass()), "0", "90")
    assert [id for id, _ in found(store, "0", k=1)] == ["a1"]
    store.apply(Overwrite("a1", "180"))
    assert [id for id, _ in found(store, "0", k=1)] == ["a2"]
    store.apply(Forget("a2"))
    assert [id for id, _ in found(store, "0")] == ["a3"]
    store.apply(Forget("a3"))
    assert found(store, "0") == []


def test_a_fork_searches_its_own_items():
    store = filled(VectorStore(9, cost, Compass()), "0", "90")
    found(store, "0")
    twin = store.fork()
    twin.apply(Forget("a1"))
    assert [id for id, _ in found(twin, "0")] == ["a2"]
    assert [id for id, _ in found(store, "0")] == ["a1", "a2"]


def test_thousands_of_vectors_are_ranked_as_numpy_ranks_them():
    embedder = HashEmbedder(32)
    texts = [f"item {n} of colour {n % 7} in room {n % 31}" for n in range(3000)]
    store = filled(VectorStore(100_000, cost, embedder), *texts)
    query = "colour 3 in room 17"
    cosines = embedder.embed(texts) @ embedder.embed([query])[0]
    best = sorted(range(3000), key=lambda n: (-round(float(cosines[n]), 6), n))[:10]
    assert [id for id, _ in found(store, query, k=10)] == [f"a{n + 1}" for n in best]


def test_an_embedder_of_the_wrong_shape_is_an_error():
    class Flat(Compass):
        def embed(self, texts):
            return super().embed(texts)[:, :1]

    store = filled(VectorStore(9, cost, Flat()), "0")
    with pytest.raises(ValueError, match=r"embedder gave shape \(1, 1\): it must be \(1, 2\)"):
        store.apply(Retrieve("0"))


def test_bm25_agrees_with_the_number_worked_by_hand():
    store = filled(Bm25Store(9, cost), "ana key", "bob lamp")
    # Two texts of equal length, "key" in one: idf = ln(1 + 1.5 / 1.5) = ln 2, term part = 1 / (1 + 1.5) = 0.4.
    raw = 0.4 * math.log(2)
    ((id, score),) = found(store, "KEY?")
    assert id == "a1"
    assert score == pytest.approx(raw / (1 + raw), abs=1e-6)


def test_bm25_prefers_the_rare_word_and_gives_ties_to_the_older():
    store = filled(Bm25Store(40, cost), "the red key", "the red hat", "the red key", "the old pen")
    assert [id for id, _ in found(store, "the key")][:2] == ["a1", "a3"]
    assert found(store, "the old key", k=1)[0][0] == "a4"


def test_bm25_finds_nothing_for_unknown_words_or_wordless_texts():
    store = filled(Bm25Store(40, cost), "!!!")
    assert found(store, "key") == []
    assert found(filled(store, "red key"), "lamp") == []
    assert [id for id, _ in found(store, "key")] == ["a2"]


def test_archives_take_no_text_for_another_store():
    for store in (Bm25Store(9, cost), VectorStore(9, cost, Compass())):
        assert store.apply(Write("0")).refused is Refusal.NO_SUCH_STORE
        assert store.apply(Retrieve("0", "token")).refused is Refusal.NO_SUCH_STORE


def test_an_archive_refuses_the_state_of_the_other_kind():
    with pytest.raises(ValueError, match="loads only the state of a 'bm25_store'"):
        Bm25Store(9, cost).load_state_dict(VectorStore(9, cost, Compass()).state_dict())


class NewestFirst(Bm25Store):
    """Somebody's own archive: what came last is found first."""

    kind = "newest_first"

    def _rank(self, query, k):
        return [(item.id, 1.0) for item in reversed(self.entries())][:k]


def test_an_archive_of_a_kind_of_your_own_comes_back_from_a_file(tmp_path):
    path = tmp_path / "notes.json"
    memory = AgentMemory(archive=filled(NewestFirst(9, cost), "red", "blue"))
    memory.save(path)
    with pytest.raises(ValueError, match=r"archive kind = 'newest_first': .*pass an empty one as archive="):
        AgentMemory.load(path, count_tokens=cost)
    loaded = AgentMemory.load(path, count_tokens=cost, archive=NewestFirst(0, cost))
    assert isinstance(loaded.archive, NewestFirst) and loaded.archive.budget == 9
    assert loaded.state_hash() == memory.state_hash() and found(loaded.archive, "red", k=1) == [("a2", 1.0)]
    # A file with another kind keeps its own.
    AgentMemory(archive=filled(Bm25Store(9, cost), "red", "blue")).save(path)
    other = AgentMemory.load(path, count_tokens=cost, archive=NewestFirst(0, cost))
    assert type(other.archive) is Bm25Store and [id for id, _ in found(other.archive, "red")] == ["a1"]


def test_words_are_searched_without_starting_jax(tmp_path: Path):
    """JAX takes three quarters of a GPU's memory when it starts, and bm25s starts it where it finds it."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("")
    (tmp_path / "jax" / "lax.py").write_text("def top_k(values, k):\n    return values[:k], [0]\n")
    code = (
        "import sys; {first}from memory_stores.bm25_store import _library; _library(); import bm25s.selection as found;"
        "assert found.JAX_IS_AVAILABLE is {there}; assert ('jax' in sys.modules) is {there}"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    for first, there in (("", False), ("import jax; ", True)):  # whoever uses it already keeps it
        command = [sys.executable, "-c", code.format(first=first, there=there)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})
