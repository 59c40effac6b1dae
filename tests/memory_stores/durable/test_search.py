"""Search finds what a plain reading of everything finds, whatever was written, filtered, forgotten or reopened."""

from __future__ import annotations

import random

import numpy as np
import pytest

from memory_stores import Forget, HashEmbedder, Link, Overwrite, Relink, Retrieve, Stamp, VectorStore, Write
from memory_stores.durable import Details, EmbedderMismatch, MemoryFile, StoreError


def cost(text):
    return len(text.split())


WORDS = ["lamp", "key", "attic", "Ana", "Bob", "garden", "blue", "red", "old", "door"]


def sentence(rng):
    return " ".join(rng.choices(WORDS, k=4))


@pytest.fixture
def open_file(tmp_path):
    files = []

    def opened(**options):
        files.append(MemoryFile(tmp_path / "notes.db", count_tokens=cost, clock=lambda: 1000.0, **options))
        return files[-1]

    yield opened
    for file in files:
        file.close()


def plain_ranking(memory, embedder, query, k, holds=lambda entry: True):
    """By hand: every cosine, rounded, the older first among equals."""
    q = embedder.embed([query])[0]
    entries = [entry for entry in memory.rows() if memory.peek(entry.id) is not None and holds(entry)]
    entries.sort(key=lambda entry: memory.known(entry.id).row)
    cosines = [round(float(embedder.embed([entry.text])[0] @ q), 6) for entry in entries]
    order = sorted(range(len(entries)), key=lambda i: (-cosines[i], i))[:k]
    return [(entries[i].id, pytest.approx((1 + cosines[i]) / 2)) for i in order]


def change_at_random(rng, memory, step):
    ids = [entry.id for entry in memory.entries()] or ["a1"]
    op = rng.choice(
        [
            Write(sentence(rng), rng.choice(["token", "archive", "archive"])),
            Write(sentence(rng), "archive"),
            Overwrite(rng.choice(ids), sentence(rng)),
            Forget(rng.choice(ids)),
            Link(rng.choice(WORDS), "near", sentence(rng)),
            Relink(rng.choice(ids), sentence(rng)),
        ]
    )
    details = Details(metadata={"n": step % 5}) if isinstance(op, Write) else None
    memory.apply_all([op], Stamp(step=step, trust=step % 3 / 2), details=details)


@pytest.mark.parametrize("kind", ["bm25", "vector"])
def test_vectors_are_ranked_as_by_hand_on_random_states(open_file, kind):
    rng, embedder = random.Random(3), HashEmbedder(24)
    memory = open_file(embedder=embedder).space("a", token=200, graph=200, archive=400, archive_kind=kind)
    for step in range(160):
        change_at_random(rng, memory, step)
        if step % 4 == 0 and len(memory) > 5:
            query, k = sentence(rng), rng.randint(1, 8)
            found = memory.search(query, k, by="vectors")
            assert [(hit.id, hit.score) for hit in found] == plain_ranking(memory, embedder, query, k)
            where = {"n": {"$in": [1, 2]}, "trust": {"$gt": 0.0}}
            found = memory.search(query, k, by="vectors", where=where, stores=["archive"])
            kept = plain_ranking(
                memory,
                embedder,
                query,
                k,
                lambda e: (
                    e.id[0] == "a" and (memory.details_of(e.id).metadata or {}).get("n") in (1, 2) and e.stamp.trust > 0
                ),
            )
            assert [(hit.id, hit.score) for hit in found] == kept
        if step % 50 == 20:
            memory.undo(3)
    # A fresh copy, which reads vectors from the file, ranks alike; so does one that has to make them all again.
    query = sentence(rng)
    found = memory.search(query, 20)
    again = open_file(embedder=embedder)
    assert again.space("a").search(query, 20) == found
    assert again.rebuild_index() == len(memory) and again.space("a").search(query, 20) == found
    assert again.verify().ok


def test_an_archive_of_vectors_retrieves_as_the_store_in_ram_does(open_file):
    rng, embedder = random.Random(5), HashEmbedder(16)
    memory = open_file(embedder=embedder).space("a", archive=300, archive_kind="vector")
    plain = VectorStore(300, cost, embedder)
    for step in range(150):
        ids = [entry.id for entry in plain.entries()] or ["a1"]
        op = rng.choice(
            [
                Write(sentence(rng), "archive"),
                Write(sentence(rng), "archive"),
                Overwrite(rng.choice(ids), sentence(rng)),
                Forget(rng.choice(ids)),
                Retrieve(sentence(rng), k=rng.randint(1, 6)),
            ]
        )
        assert memory.apply(op, Stamp(step=step)) == plain.apply(op, Stamp(step=step))
        if step == 70:
            twin = memory.fork()
            asked = Retrieve("Ana lamp", k=5)
            expected = twin.apply(asked)
            memory.apply(Write("Ana lamp Ana lamp", "archive")), plain.apply(Write("Ana lamp Ana lamp", "archive"))
            assert twin.apply(asked) == expected
            twin.apply(Write("Ana lamp Ana lamp Ana", "archive"))
            assert twin.apply(asked).hits[0].text != "Ana lamp Ana lamp"


def test_words_find_case_accents_and_scripts_without_spaces(open_file):
    memory = open_file().space("a", archive=10**6)
    texts = ["Invoice INV2091 was paid", "The naïve café", "我住在北京的房子里", "東京タワー", "Ana_Maria said no"]
    memory.apply_all([Write(text, "archive") for text in texts])
    asked = {"inv2091": 0, "naive cafe": 1, "NAÏVE": 1, "nai\u0308ve": 1, "北京": 2, "住": 2, "タワー": 3, "maria": 4}
    for query, place in asked.items():
        assert memory.search(query)[0].text == texts[place], query
    # The second shares one character with it, and comes after.
    assert [hit.text for hit in memory.search("北京")] == [texts[2], texts[3]]
    assert memory.search("zebra") == () and memory.search("!?") == () and memory.search('" OR (') == ()
    assert memory.search("INV-2091")[0].text == texts[0]


def test_words_follow_every_change(open_file):
    file = open_file()
    memory = file.space("a", token=50, graph=50)
    memory.apply_all([Write("red lamp", "archive"), Write("red key"), Link("Ana", "has", "red shoes")])
    assert {hit.id for hit in memory.search("red")} == {"a1", "t1", "g1"}
    memory.apply_all([Forget("t1"), Relink("g1", "green shoes"), Overwrite("a1", "blue lamp"), Write("red door")])
    assert [hit.id for hit in memory.search("red")] == ["t2"]
    other = open_file().space("a")
    other.apply(Write("red roof", "archive"))
    assert [hit.id for hit in memory.search("red")] == ["t2", "a3"]
    memory.undo(2)
    assert [hit.id for hit in memory.search("red")] == []
    assert [hit.id for hit in memory.search("red", stores=["graph"])] == []
    scores = [hit.score for hit in memory.search("green lamp shoes")]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores) and len(scores) == 2


def test_words_that_most_texts_have_come_after_those_that_tell(open_file):
    memory = open_file().space("a")
    memory.apply_all([Write(f"the lamp {n}", "archive") for n in range(6)])
    memory.apply_all([Write("the key of the door", "archive"), Write("a door", "archive")])
    found = memory.search("the door", 4)
    assert [hit.text for hit in found] == ["a door", "the key of the door", "the lamp 0", "the lamp 1"]
    assert [hit.score > 0 for hit in found] == [True, True, False, False]


def test_equal_scores_go_to_the_older(open_file):
    memory = open_file(embedder=HashEmbedder(16)).space("a")
    memory.apply_all([Write("same words", "archive"), Write("same words", "archive"), Write("same words", "archive")])
    for by in ("words", "vectors", "both"):
        hits = memory.search("same words", 2, by=by)
        assert [hit.id for hit in hits] == ["a1", "a2"] and all(0 <= hit.score <= 1 for hit in hits)
    assert memory.search("same words", 1, by="both")[0].score == 1.0


def test_a_filter_leaves_k_hits_wherever_there_are_k(open_file):
    memory = open_file(embedder=HashEmbedder(16)).space("a", archive=10**6)
    many = [Write(f"lamp {n}", "archive") for n in range(3000)]
    memory.apply_all(many, details=[Details(metadata={"user": n % 600, "deep": {"n": n}}) for n in range(3000)])
    for by in ("words", "vectors"):
        assert len(memory.search("lamp", 5, by=by, where={"user": 599})) == 5
        assert {hit.metadata["user"] for hit in memory.search("lamp", 9, by=by, where={"user": 7})} == {7}
        assert [hit.text for hit in memory.search("lamp", by=by, where={"metadata.deep.n": 2999})] == ["lamp 2999"]


FILTERS = [
    ({"topic": "a"}, [0]),
    ({"topic": {"$ne": "a"}}, [1, 2, 3]),
    ({"n": {"$gt": 1}}, [1]),
    ({"n": {"$gte": 1, "$lt": 2}}, [0]),
    ({"n": {"$lte": 2}, "topic": {"$in": ["b", "c"]}}, [1]),
    ({"n": None}, [2, 3]),
    ({"n": {"$lt": "x"}}, []),
    ({"step": 2}, [1]),
    ({"metadata.step": 9}, [2]),
    ({"trust": {"$lt": 0.5}}, [3]),
    ({"writer": "rule", "store": "archive"}, [2]),
    ({"time": 50.0}, [0]),
    ({"time": {"$gte": 100}}, [1, 2, 3]),
    ({"name": "x"}, [3]),
    ({"tags": {"$eq": ["p", "q"]}}, [3]),
]


@pytest.mark.parametrize(("where", "expected"), FILTERS)
def test_filters(open_file, where, expected):
    memory = open_file().space("a")
    memory.apply_all(
        [Write(f"lamp {n}", "archive") for n in range(4)],
        [Stamp(step=1), Stamp(step=2), Stamp(step=3, writer="rule"), Stamp(step=4, trust=0.2)],
        details=[
            Details(metadata={"topic": "a", "n": 1}, event_time=50.0),
            Details(metadata={"topic": "b", "n": 2}),
            Details(metadata={"topic": "c", "step": 9}),
            Details(metadata={"tags": ["p", "q"]}, name="x"),
        ],
    )
    assert sorted(hit.id for hit in memory.search("lamp", where=where)) == [f"a{n + 1}" for n in expected]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ({"query": " "}, "give some words"),
        ({"query": "x", "k": 0}, "k = 0"),
        ({"query": "x", "where": {"n": {"$near": 1}}}, r"'\$near' is no such operator; take one of \$eq"),
        ({"query": "x", "where": {"n": {"$in": "abc"}}}, "takes a list"),
        ({"query": "x", "stores": ["maps"]}, "take of token, graph, archive"),
        ({"query": "x", "by": "magic"}, "'words', 'vectors' or 'both'"),
        ({"query": [1.0, 2.0]}, r"shape \(2,\): it must be 16"),
        ({"query": [0.0] * 16}, "not all 0"),
        ({"query": [float("nan")] * 16}, "finite"),
        ({"query": [1.0] * 16, "by": "words"}, "searched by 'vectors'"),
    ],
)
def test_bad_questions_are_told(open_file, ask, says):
    memory = open_file(embedder=HashEmbedder(16)).space("a")
    memory.apply(Write("lamp", "archive"))
    with pytest.raises(StoreError, match=says):
        memory.search(**ask)


def test_a_search_leaves_no_mark(open_file):
    memory = open_file(embedder=HashEmbedder(16)).space("a", archive_kind="vector")
    memory.apply(Write("lamp", "archive"))
    before = memory.state_dict(), memory.seq
    [hit] = memory.search("lamp")
    assert (memory.state_dict(), memory.seq) == before and (hit.written_at, hit.name) == (1000.0, None)
    assert memory.search(HashEmbedder(16).embed(["lamp"])[0])[0].score == pytest.approx(1.0)


def test_no_hit_ever_comes_from_another_space(open_file):
    file = open_file(embedder=HashEmbedder(16))
    for user in range(30):
        file.space(("user", str(user))).apply_all([Write(f"lamp of {user}", "archive"), Write("lamp", "archive")])
    rng = random.Random(0)
    for _ in range(300):
        user = rng.randrange(30)
        hits = file.space(("user", str(user))).search("lamp of", 5, by=rng.choice(["words", "vectors", "both"]))
        assert len(hits) == 2 and {hit.text for hit in hits} == {f"lamp of {user}", "lamp"}


def test_another_embedder_is_refused_with_the_way_out(open_file):
    class Other(HashEmbedder):
        def embed(self, texts):
            return -np.roll(super().embed(texts), 1, axis=1)

    memory = open_file(embedder=HashEmbedder(16)).space("a", archive_kind="vector")
    memory.apply(Write("lamp", "archive"))
    assert memory.search("lamp")
    for embedder, dim in ((HashEmbedder(8), 8), (Other(16), 16)):
        with pytest.raises(
            EmbedderMismatch, match=rf"of hash-16 \(16 numbers\), not of hash-\d+ \({dim}.*rebuild_index"
        ):
            open_file(embedder=embedder)
    file = open_file()
    with pytest.raises(StoreError, match="embedder=MiniLM"):
        file.space("a").search("lamp", by="vectors")
    assert file.space("a").search("lamp")[0].text == "lamp"
    assert file.rebuild_index(Other(16)) == 1
    assert file.space("a").search("lamp", by="vectors")[0].score == pytest.approx(1.0)
    with pytest.raises(EmbedderMismatch):
        open_file(embedder=HashEmbedder(16))
    assert open_file(embedder=Other(16)).space("a").search("lamp")[0].text == "lamp"


def test_an_index_that_others_rebuilt_is_not_mixed_with_ones_own(open_file):
    file, other = open_file(embedder=HashEmbedder(16)), open_file()
    memory = file.space("a", archive_kind="vector")
    memory.apply_all([Write("lamp", "archive"), Write("key", "archive")])
    assert memory.search("lamp", by="vectors")[0].text == "lamp"
    assert other.rebuild_index(HashEmbedder(24)) == 2
    memory.apply(Write("door", "archive"))
    with pytest.raises(EmbedderMismatch):
        memory.search("door", by="vectors")
    assert [hit.text for hit in memory.search("door", by="words")] == ["door"]
    held = other.space("a")
    assert held.search("door", 1, by="vectors")[0].text == "door"
    assert other.rebuild_index(HashEmbedder(32)) == 3
    assert held.search("door", 1, by="vectors")[0].text == "door" and len(held.search(np.ones(32))) == 3


def test_a_file_opened_to_read_is_searched(open_file):
    open_file().space("a").apply(Write("lamp", "archive"))
    memory = open_file(read_only=True, embedder=HashEmbedder(16)).space("a")
    assert (
        [hit.text for hit in memory.search("lamp")] == ["lamp"] == [h.text for h in memory.search("lamp", by="vectors")]
    )
