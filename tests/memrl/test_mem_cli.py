"""``memrl mem``: each command on a small memory file, in words and as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from memory_stores.durable import MemoryFile
from memory_stores.types import Forget, Link, Overwrite, Relink, Retrieve, Stamp, Write
from memrl.cli import main as cli

FIRST = 2
"""Number of the first op that was asked for; op 1 made the space."""
SECRET = "The code of the safe is 88-12-45."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.db"
    with MemoryFile(path, count_tokens=lambda text: len(text.split()), clock=lambda: 1_800_000_000.0) as opened:
        memory = opened.space("default", token=16, graph=32, archive=64)
        memory.apply(Write("Ana is in Paris."), Stamp(step=1, observation_id="o1", writer="user"))
        memory.apply(Overwrite("t1", "Ana is in Rome.\x1b[2J"), Stamp(step=2, observation_id="o2", trust=0.5))
        memory.apply(Write("word " * 40), Stamp(step=3, observation_id="o3"))
        memory.apply(Link("Ana", "owns", "lantern"), Stamp(step=4, observation_id="o4"))
        memory.apply(Relink("g1", "kettle"), Stamp(step=5, observation_id="o5"))
        memory.apply(Write(SECRET, "archive"), Stamp(step=6, observation_id="o6"))
        memory.apply(Write("It rained.", "archive"), Stamp(step=7, observation_id="o7"))
        memory.apply(Forget("a2"), Stamp(step=8))
        memory.apply(Retrieve("safe", k=1), Stamp(step=9))
        opened.space(("users", "ben")).apply(Write("Ben has a dog.", "archive"), Stamp())
    return path


@pytest.fixture
def mem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*words: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["memrl", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert int(ended.value.code or 0) == code, said.err
        return said.err if code == 2 else said.out

    return call


@pytest.fixture
def told(mem):
    def call(*words: object, code: int = 0) -> Any:
        return json.loads(mem("mem", *words, "--json", code=code))

    return call


def test_spaces_are_listed_with_what_they_hold(mem, told, file: Path):
    assert [row["space"] for row in told("spaces", file)["spaces"]] == ["default", "users/ben"]
    assert "users/ben  1 entries" in mem("mem", "spaces", file)


def test_a_space_whose_word_holds_a_stroke_is_named_as_it_is_listed(told, tmp_path: Path):
    path = tmp_path / "odd.db"
    names = (("users", "a/b"), ("users", "a", "b"), ("users", "50%"))
    with MemoryFile(path, count_tokens=len) as opened:
        for number, name in enumerate(names):
            opened.space(name).apply(Write(f"{number}", "archive"))
    listed = [row["space"] for row in told("spaces", path)["spaces"]]
    assert sorted(listed) == ["users/50%25", "users/a%2Fb", "users/a/b"]
    asked = {"users/a%2Fb": "0", "users/a/b": "1", "users/50%": "2", "users/50%25": "2"}
    for space, text in asked.items():
        assert [entry["text"] for entry in told("show", path, "--space", space)["entries"]] == [text]


def test_what_is_held_now_and_earlier(mem, told, file: Path):
    now = [entry["id"] for entry in told("show", file)["entries"]]
    assert now == ["t2", "g2", "a1"]
    assert [entry["text"] for entry in told("show", file, "--as-of", FIRST)["entries"]] == ["Ana is in Paris."]
    assert "Ana is in Rome.\\x1b[2J" in mem("mem", "show", file), "nothing in memory steers the terminal"
    assert len(told("show", file, "--as-of", "2040-01-01T00:00+00:00")["entries"]) == 3
    assert "there was no memory yet" in mem("mem", "show", file, "--as-of", "2001-01-01T00:00+00:00", code=2)
    assert "moment 'noon'" in mem("mem", "show", file, "--as-of", "noon", code=2)


def test_the_log_has_everything_that_was_asked_for_refusals_too(told, file: Path):
    log = told("log", file)["log"]
    assert [one["refused"] for one in log if one["refused"]] == ["over_budget"]
    assert [one["op"] for one in log][-2:] == ["Forget a2", "Retrieve 1 from archive: safe"]
    assert [one["seq"] for one in told("log", file, "--since", log[-1]["seq"] - 1)["log"]] == [log[-1]["seq"]]


def test_search_finds_by_words_within_its_space(mem, told, file: Path):
    assert [hit["id"] for hit in told("search", file, "safe code")["hits"]] == ["a1"]
    assert told("search", file, "dog")["hits"] == []
    assert [hit["text"] for hit in told("search", file, "dog", "--space", "users/ben")["hits"]] == ["Ben has a dog."]
    assert "has no such space; it has default, users/ben" in mem("mem", "search", file, "x", "--space", "bob", code=2)


def test_history_and_why_go_back_to_the_observation(mem, told, file: Path):
    versions = told("history", file, "t2")["versions"]
    assert [(one["id"], one["died"] is None) for one in versions] == [("t1", False), ("t2", True)]
    lineage = told("why", file, "t2")["lineage"]
    assert [one["stamp"]["observation_id"] for one in lineage] == ["o1", "o2"]
    assert lineage[1]["made_by"]["op"].startswith("Overwrite t1")
    assert "from o2 at step 2" in mem("mem", "why", file, "t2") and "trust 0.5" in mem("mem", "why", file, "t2")
    assert "t99: no entry of that id or name" in mem("mem", "history", file, "t99", code=2)


def test_a_difference_tells_what_came_went_and_changed(mem, told, file: Path):
    last = told("log", file)["log"][-1]["seq"]
    found = told("diff", file, FIRST, last)
    assert {one["id"] for one in found["added"]} == {"g2", "a1"}
    assert [[one["id"] for one in pair] for pair in found["changed"]] == [["t1", "t2"]]
    assert "(no difference)" in mem("mem", "diff", file, last, last)


def test_verify_says_sound_and_ends_with_1_where_it_is_not(mem, told, file: Path):
    assert told("verify", file)["ok"] and "sound: 2 spaces" in mem("mem", "verify", file)
    data = bytearray(file.read_bytes())
    at = data.find(b"Ben has a dog")
    data[at] ^= 1
    file.write_bytes(bytes(data))
    assert not told("verify", file, code=1)["ok"]


def test_export_and_import_bring_everything_over(mem, told, file: Path, tmp_path: Path):
    mem("mem", "export", file, tmp_path / "out")
    mem("mem", "import", tmp_path / "new.db", tmp_path / "out")
    old, new = (told("show", path)["entries"] for path in (file, tmp_path / "new.db"))
    assert [one.get("text") for one in new] == [one.get("text") for one in old]


def test_a_dry_purge_looks_at_all_that_a_purge_does(mem, told, file: Path):
    with MemoryFile(file, count_tokens=lambda text: len(text.split())) as opened:
        opened.space("default").apply(Write("Plain.", "archive"), Stamp(step=9, writer="Zoe\u0308"))
    assert [one["id"] for one in told("purge", file, "zoë")["would_purge"]] == ["a3"]
    assert [one["id"] for one in told("purge", file, "zoë", "--yes")["entries"]] == ["a3"]
    assert told("purge", file, "zoë")["would_purge"] == []
    for more in ([], ["--yes"]):
        assert "give a text or an id" in mem("mem", "purge", file, " ", *more, code=2)


def test_an_import_of_nothing_leaves_no_file(mem, tmp_path: Path):
    assert "cannot be read" in mem("mem", "import", tmp_path / "new.db", tmp_path / "nowhere", code=2)
    assert not list(tmp_path.glob("new.db*"))


def test_purge_asks_first_and_leaves_no_byte(mem, told, file: Path):
    assert [one["id"] for one in told("purge", file, "88-12-45")["would_purge"]] == ["a1"]
    assert b"88-12-45" in file.read_bytes()
    report = told("purge", file, "88-12-45", "--yes")
    assert report["left"] == 0 and report["entries"] == [{"space": "default", "id": "a1"}]
    assert not any(b"88-12-45" in one.read_bytes() for one in file.parent.iterdir() if one.is_file())
    assert told("verify", file)["ok"] and told("search", file, "safe")["hits"] == []


@pytest.mark.parametrize("command", ["spaces", "show", "log", "verify", "purge"])
def test_a_file_that_is_missing_or_of_another_kind_is_one_line(mem, tmp_path: Path, command: str):
    more = ["x", "--yes"] if command == "purge" else []
    assert "there is no such file" in mem("mem", command, tmp_path / "none.db", *more, code=2)
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("this is no memory " * 400)
    assert mem("mem", command, tmp_path / "text.db", *more, code=2).count("\n") == 1


def test_inspect_tells_a_memory_file_op_by_op(mem, file: Path):
    said = mem("inspect", file, "--page")
    assert "space default" in said and "space users/ben" in said
    page = file.with_name("notes.db.html").read_text()
    [data] = page.split('id="data">')[1:]
    stories = json.loads(data.split("</script>")[0])["stories"]
    assert [one["name"] for one in stories] == ["default", "users/ben"]
    moments, lives = stories[0]["moments"], stories[0]["lives"]
    assert lives["g1"]["gone"] is not None and lives["g2"]["replaces"] == "g1"
    assert [m["born"] for m in moments if "t2" in m["born"]] == [["t2"]]
    assert lives["a1"]["uses"] == [len(moments) - 1] and moments[-1]["view"] == ["a1"]
