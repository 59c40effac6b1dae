"""Calls that make no sense: one line of StoreError, and the memory goes on as it was."""

from __future__ import annotations

import numpy as np
import pytest

from memory_stores import HashEmbedder, Write
from memory_stores.durable import Details, MemoryFile, StoreError


def cost(text):
    return len(text.split())


@pytest.fixture(params=["words", "embedder"])
def file(request, tmp_path):
    embedder = HashEmbedder(16) if request.param == "embedder" else None
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, embedder=embedder) as opened:
        opened.space("a").apply_all([Write("kk of one", "archive"), Write("two", "archive")])
        yield opened


NO_QUERIES = [None, 5, 0.5, True, "", " ", b"kk", [], ["kk"], [1.0, "x"], [[1.0], [1.0, 2.0]], {}, {"a": 1}]
NO_QUERIES += [np.zeros(16), np.full(16, np.nan), np.zeros((2, 16)), [1.0], [1.0] * 7, object()]


@pytest.mark.parametrize("query", NO_QUERIES, ids=lambda query: str(query)[:20].replace("\n", " "))
def test_a_query_that_is_none_changes_nothing(file, query):
    memory = file.space("a")
    for by in (None, "vectors"):
        with pytest.raises(StoreError) as error:
            memory.search(query, by=by)
        assert "\n" not in str(error.value)
        assert [hit.id for hit in memory.search("kk", 1)] == ["a1"]
    assert memory.apply(Write("goes on", "archive")).done and file.verify().ok


class Failing(HashEmbedder):
    """Fails at texts of the memory, as a model does that ran out of room."""

    fails = True

    def embed(self, texts):
        if self.fails and "kk" in texts:
            raise StoreError("no room")
        return super().embed(texts)


def test_an_embedder_that_failed_once_is_asked_again(tmp_path):
    embedder = Failing(16)
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, embedder=embedder) as file:
        memory = file.space("a")
        memory.apply(Write("kk", "archive"))
        with pytest.raises(StoreError, match="no room"):
            memory.search("one")
        assert [hit.id for hit in memory.search("kk", by="words")] == ["a1"]
        embedder.fails = False
        assert [hit.id for hit in memory.search("kk", by="vectors")] == ["a1"]
        assert file.verify().ok


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"k": "a"}, "search k = 'a'"),
        ({"k": 1.5}, "search k = 1.5"),
        ({"k": True}, "search k = True"),
        ({"k": None}, "search k = None"),
        ({"k": 0}, "search k = 0"),
        ({"where": 5}, "where = 5"),
        ({"where": 0}, "where = 0"),
        ({"where": [1]}, r"where = \[1\]"),
        ({"where": "x"}, "where = 'x'"),
        ({"where": {5: 1}}, "where = {5: 1}"),
        ({"where": {"step": {"$in": 5}}}, r"\$in takes a list"),
        ({"stores": 5}, "search stores = 5"),
        ({"stores": [["archive"]]}, r"search stores = \[\["),
        ({"by": 5}, "search by = 5"),
    ],
)
def test_a_search_asked_for_wrongly(file, told, says):
    with pytest.raises(StoreError, match=says) as error:
        file.space("a").search("kk", **told)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda file: file.space(5), "space name = 5"),
        (lambda file: file.space(None), "space name = None"),
        (lambda file: file.space(("a", 5)), r"space name = \('a', 5\)"),
        (lambda file: file.spaces(5), "space name = 5"),
        (lambda file: file.drop(5), "space name = 5"),
        (lambda file: file.copy("a", 5), "space name = 5"),
        (lambda file: file.space("a").log("x"), r"log\(since='x'\)"),
        (lambda file: file.space("a").undo("x"), r"undo\('x'\)"),
        (lambda file: file.space("a").apply_all([], key=5), "apply_all key = 5"),
        (lambda file: Details(name=5), "details.name = 5"),
        (lambda file: Details(name=""), "details.name = ''"),
        (lambda file: Details(metadata=5), "details.metadata = 5"),
        (lambda file: Details(metadata=[1]), r"details.metadata = \[1\]"),
    ],
)
def test_calls_of_the_wrong_type(file, call, says):
    with pytest.raises(StoreError, match=says) as error:
        call(file)
    assert "\n" not in str(error.value) and file.verify().ok


@pytest.mark.parametrize("details", [Details(), Details(metadata={}), [Details()], None])
def test_empty_details_replay_as_they_were_logged(file, details):
    file.space("a").apply_all([Write("three", "archive")], details=details)
    assert file.verify().problems == ()
