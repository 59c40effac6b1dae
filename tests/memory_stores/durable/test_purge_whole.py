"""Purges of everything that people may have said, in any form; what a purge would take; what it leaves."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from purging import SECRET, cost, everywhere, fill

from memory_stores import HashEmbedder, Link, Relink, Stamp, Write
from memory_stores.durable import Details, MemoryFile, StoreError
from memory_stores.durable.subject import Subject
from memory_stores.durable.traces import traces


@pytest.fixture
def file(tmp_path):
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, embedder=HashEmbedder(16)) as opened:
        yield opened


@pytest.mark.parametrize(
    "details",
    [
        Details(),
        Details(metadata={}),
        Details(name="n"),
        Details(metadata={"a": 1}),
        Details(event_time=1),
        Details(ttl=9),
    ],
)
def test_an_entry_with_any_details_is_purged_by_its_id(file, tmp_path, details):
    memory = file.space("a")
    memory.apply_all([Write("kk", "archive"), Write("other", "archive")], details=[details, None])
    assert memory.purge("a1").entries == ((("a",), "a1"),) and file.verify().problems == ()
    file.export(tmp_path / "out")
    with MemoryFile(tmp_path / "twin.db", count_tokens=cost) as twin:
        twin.load(tmp_path / "out")
        assert [entry.text for entry in twin.space("a").entries()] == ["other"] and twin.verify().ok


def test_an_id_stands_for_its_entry_when_it_is_purged_again(file):
    memory = file.space("a")
    memory.apply_all([Write("kk", "archive"), Write("take the a1 to Leeds", "archive")])
    assert memory.purge("a1").entries == ((("a",), "a1"),)
    assert memory.purge("a1").entries == () and memory.would_purge("a1") == ()
    assert [entry.text for entry in memory.entries()] == ["take the a1 to Leeds"]
    assert [id for _, id in file.purge("a1").entries] == ["a2"], "the file takes every subject for a text"


@pytest.mark.parametrize("number", [5551234, 5551234.5, -5551234, [5551234], {"deep": [{"x": 5551234}]}])
def test_numbers_in_metadata_go_too(file, tmp_path, number):
    memory = file.space("a")
    memory.apply_all([Write("call", "archive")], details=Details(metadata={"phone": number, "ok": True}))
    memory.apply_all([Write("kept", "archive")], details=Details(metadata={"phone": 77}))
    report = file.purge("5551234")
    assert report.left == 0 and [id for _, id in report.entries] == ["a1"]
    assert everywhere(tmp_path, "5551234") == [] and file.verify().ok
    assert memory.details("a2").metadata == {"phone": 77}


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_text_goes_however_unicode_writes_it(file, tmp_path, kept, asked):
    memory, text = file.space("a", graph=50), normalize(kept, "Zoë's café")
    memory.apply_all([Write(f"at {text.upper()} again", "archive"), Link("Ana", "knows", text)], key=text)
    memory.apply_all([Write("x", "archive")], details=Details(name=text, metadata={text: text}))
    memory.apply(Write("Zoe's cafe has no accents", "archive"), Stamp(writer=text))
    memory.apply(Write("Zoe's cafe has none either", "archive"))
    report = file.purge(normalize(asked, "zoë's CAFÉ"))
    assert report.left == 0 and [id for _, id in report.entries] == ["g1", "a1", "a2", "a3"]
    for form in ("NFC", "NFD"):
        assert everywhere(tmp_path, normalize(form, "Zoë's café")) == []
    assert file.verify().ok and [entry.id for entry in memory.entries()] == ["a4"]


def test_an_edge_that_another_was_made_of_is_purged_by_its_id(file, tmp_path):
    memory = file.space("a", graph=90)
    memory.apply_all([Link("Ana", "keeps", "zebra"), Link("ANA", "has", "cats"), Relink("g1", "box")])
    assert memory.get("g2").subject == "Ana", "spelled as it was first"
    written = memory.history("g3")[-1].written_at
    memory.purge("g1")
    assert file.verify().problems == () and everywhere(tmp_path, "zebra") == []
    assert [edge.text for edge in memory.entries()] == ["Ana has cats", "Ana keeps box"]
    assert memory.written_at("g3") == written
    memory.purge("g3")
    assert file.verify().ok and everywhere(tmp_path, "keeps") == [], "nobody has it of g1 any more"
    assert [edge.text for edge in memory.entries()] == ["Ana has cats"]


def test_a_phrase_across_an_edge_goes_from_the_log_too(file):
    memory = file.space("a", graph=90)
    memory.apply_all([Link("Ana", "keeps", "zebra"), Relink("g1", "box"), Link("Ana", "keeps", " ")])
    assert file.purge("keeps box").left == 0 and memory.entries() == ()
    assert file.purge("ana keeps").left == 0 and not any("keeps" in str(record) for record in memory.log())
    assert file.verify().ok


@pytest.mark.parametrize(
    "word", ["entries", "INTEGER PRIMARY", "sqlite", "create table", "spaces", "observation", "put"]
)
def test_words_of_sqlite_and_of_the_format_are_no_traces(file, word):
    memory = file.space("a")
    memory.apply_all([Write("plain", "archive"), Write(f"with {word} in it", "archive")])
    memory.set_details("a1", Details(name="n"))
    report = file.purge(word)
    assert report.left == 0 and [id for _, id in report.entries] == ["a2"] and file.verify().ok


def test_what_is_left_in_another_space_is_counted(file):
    memory, other = file.space("a"), file.space("b")
    for one in (memory, other):
        one.apply(Write(f"{SECRET} é", "archive"))
    assert memory.purge(f"{SECRET} É").left >= 2
    assert other.purge(f"{SECRET} É").left == 0


def test_bytes_that_no_row_accounts_for_are_counted(tmp_path):
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost) as file:
        file.space("a").apply(Write("a very private text", "archive"))
        file.drop("a")
        assert traces(file._database, Subject(part="VERY private")) > 0, "in the log ahead of the file"
        file.wipe()
        assert traces(file._database, Subject(part="VERY private")) == 0


def test_a_dry_run_says_what_a_purge_takes(file, tmp_path):
    memory = file.space("a", token=50, graph=50)
    fill(memory)
    file.space("b").apply(Write("plain", "archive"))
    before = [(tmp_path / name).read_bytes() for name in ("notes.db", "notes.db-wal")]
    found = file.would_purge(SECRET)
    assert [(tmp_path / name).read_bytes() for name in ("notes.db", "notes.db-wal")] == before
    assert list(found) == [("a",)] and [entry.id for entry in found["a",]] == ["g1", "a52", "a53", "a54"]
    assert memory.would_purge(SECRET) == found["a",]
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost, read_only=True) as looking:
        assert looking.would_purge(SECRET) == found
    assert {id for _, id in file.purge(SECRET).entries} == {entry.id for entry in found["a",]}
    assert file.would_purge(SECRET) == {}


@pytest.mark.parametrize("subject", ["", " ", 5, None, b"x", ["x"]])
def test_a_subject_that_is_no_text_is_one_line(file, subject):
    memory = file.space("a")
    for call in (memory.purge, memory.would_purge, file.purge, file.would_purge):
        with pytest.raises(StoreError, match="give a text or an id") as error:
            call(subject)
        assert "\n" not in str(error.value)


def test_a_space_that_is_named_so_stops_the_purge_before_it_begins(file):
    first, _ = file.space("a"), file.space(("users", "ána"))
    first.apply(Write("a\u0301na", "archive"))
    for call in (file.purge, file.would_purge):
        with pytest.raises(StoreError, match="drop the space"):
            call("Ána")
    assert len(first) == 1
