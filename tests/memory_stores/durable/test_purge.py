"""What was purged stands in no byte of any file, and what is left is a sound memory."""

from __future__ import annotations

import shutil

import pytest
from purging import SECRET, cost, everywhere, fill

from memory_stores import HashEmbedder, Link, Retrieve, Stamp, Write
from memory_stores.durable import Details, MemoryFile, StoreError


@pytest.fixture
def file(tmp_path):
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, embedder=HashEmbedder(16)) as opened:
        yield opened


def test_no_byte_of_a_subject_is_left(file, tmp_path):
    memory, other = file.space("a", token=50, graph=50), file.space("b")
    fill(memory)
    other.apply(Write(f"{SECRET} of b", "archive"))
    copies = tmp_path / "copies"
    shutil.copytree(tmp_path, copies, ignore=shutil.ignore_patterns("copies"))
    assert everywhere(copies, SECRET)
    report = file.purge(SECRET)
    assert report.left == 0
    shutil.rmtree(copies)
    assert everywhere(tmp_path, SECRET) == []
    assert {(space[0], id) for space, id in report.entries} == {
        ("a", "a52"),
        ("a", "g1"),
        ("a", "a53"),
        ("a", "a54"),
        ("b", "a1"),
    }
    assert report.versions >= 3 and report.records >= 8
    for space in file.spaces():
        assert not [hit for hit in file.space(space).search(SECRET, 100, by="words") if "88" in hit.text]
    assert {e.text for e in memory.entries()} >= {"nothing to see", "Ana keeps a cat", "Bob has a dog", "plain 3"}
    assert file.verify().ok
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost) as again:
        assert again.verify().ok and again.space("a").state_dict() == memory.state_dict()
        assert again.space("a").apply(Write("goes on", "archive")).done
    memory.refresh()
    assert memory.entries()[-1].text == "goes on"
    assert [record.seq for record in memory.log()] == list(range(1, memory.seq + 1))
    assert file.purge(SECRET).entries == ()


def test_another_copy_in_ram_follows(file, tmp_path):
    memory = file.space("a", token=50, graph=50)
    fill(memory)
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost) as again:
        twin = again.space("a")
        memory.purge(SECRET)
        twin.refresh()
        assert twin.state_dict() == memory.state_dict() and twin.head == memory.head
        assert not any("88-12" in str(record) for record in twin.log())


def test_an_id_stands_for_its_entry_alone(file, tmp_path):
    memory = file.space("a", token=50, graph=50)
    memory.apply_all([Write("x"), Write("text"), Write("a text with x in it"), Link("x", "token", "zebra")])
    memory.set_details("t1", Details(metadata={"why": "not for long"}))
    report = memory.purge("t1")
    assert report.entries == ((("a",), "t1"),) and report.versions == 1
    assert [e.text for e in memory.entries()] == ["text", "a text with x in it", "x token zebra"]
    assert memory.purge("g1").entries == ((("a",), "g1"),)
    assert everywhere(tmp_path, "zebra") == [] and everywhere(tmp_path, "not for long") == []
    assert file.verify().ok


@pytest.mark.parametrize("word", ["token", "text", "Write", "op", "user", "create", "created"])
def test_words_of_the_format_itself_do_no_harm(file, word):
    memory = file.space("a", token=50)
    memory.apply_all(
        [Write(f"say {word} twice"), Write("other"), Retrieve(word, "token")], Stamp(writer="rule"), key="k"
    )
    report = memory.purge(word)
    assert [id for _, id in report.entries] == ["t1"] and [e.text for e in memory.entries()] == ["other"]
    assert file.verify().ok


def test_what_cannot_be_purged_is_told(file):
    memory = file.space(("users", "ana"))
    with pytest.raises(StoreError, match="give a text or an id"):
        memory.purge(" ")
    with pytest.raises(StoreError, match="drop the space"):
        file.purge("Ana")
    assert memory.purge("nobody").entries == ()


def test_a_dropped_space_leaves_no_byte_once_the_file_is_wiped(file, tmp_path):
    file.space("a").apply(Write("a very private text", "archive"))
    file.drop("a")
    file.wipe()
    assert everywhere(tmp_path, "very private") == [] and file.verify().ok
