"""``save`` destroys nothing: not the file that a memory lives in, however it is spelled, and nothing that is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import agent_of

from memory_stores.durable import MemoryFile
from memory_stores.types import Write
from memrl.agent.homes import load
from memrl.agent.ram import RamHome
from memrl.agent.targets import check_free, put, state_of
from memrl.agent.wrapping import wrap
from memrl.contracts.errors import InputError


def texts(agent) -> list[str]:
    return [one.text for one in agent.all()]


def in_a_file(path: Path):
    agent = agent_of(memory=path)
    agent.observe("Ana put the lantern in the attic.")
    agent.user("ben").observe("Ben likes tea.")
    return agent


@pytest.mark.parametrize("spelled", ["absolute", "dot", "through a folder", "symlink", "hard link", "none"])
@pytest.mark.parametrize("wrapped", ["absolute", "relative"])
def test_to_save_to_ones_own_file_does_nothing(tmp_path: Path, monkeypatch, spelled: str, wrapped: str):
    monkeypatch.chdir(tmp_path)
    own = Path("notes.db") if wrapped == "relative" else tmp_path / "notes.db"
    agent = in_a_file(own)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "notes.db")
    os.link(tmp_path / "notes.db", tmp_path / "hard.db")
    path = {
        "absolute": tmp_path / "notes.db",
        "dot": "./notes.db",
        "through a folder": tmp_path / "sub" / ".." / "notes.db",
        "symlink": "link.db",
        "hard link": "hard.db",
        "none": None,
    }[spelled]
    number = (tmp_path / "notes.db").stat().st_ino
    assert agent.save(path) == own and agent.user("ben").save(path) == own
    agent.observe("It rained.")
    assert (tmp_path / "notes.db").stat().st_ino == number
    again = agent_of(memory=tmp_path / "notes.db")
    assert texts(again) == ["Ana put the lantern in the attic.", "It rained."]
    assert texts(again.user("ben")) == ["Ben likes tea."]
    with MemoryFile(tmp_path / "notes.db", count_tokens=len, read_only=True) as file:
        assert file.verify().ok


def test_ones_own_file_is_known_from_another_folder(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent = in_a_file(Path("notes.db"))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert agent.save(tmp_path / "notes.db") == agent.save() == Path("notes.db")
    assert agent.save("notes.db") == Path("notes.db") and texts(agent_of(memory="notes.db")) == texts(agent)


def there(folder: Path, what: str) -> Path:
    path = folder / "target.db"
    if what == "a text":
        path.write_text("my diary")
    elif what == "nothing, by an empty file":
        path.touch()
    elif what == "a memory":
        in_a_file(path)
    elif what == "a broken link":
        path.symlink_to(folder / "gone" / "away.db")
    else:
        Path(f"{path}{what}").write_text("live")
    return path


WHAT = ["a text", "nothing, by an empty file", "a memory", "a broken link", "-wal", "-journal", "-shm"]


@pytest.mark.parametrize("home", ["ram", "file"])
@pytest.mark.parametrize("what", WHAT)
def test_what_is_there_is_never_overwritten(tmp_path: Path, what: str, home: str):
    path = there(tmp_path, what)
    (tmp_path / "own").mkdir()
    agent = agent_of(memory=None if home == "ram" else tmp_path / "own" / "notes.db")
    agent.observe("It rained.")
    before = {one: one.read_bytes() for one in tmp_path.iterdir() if one.is_file()}
    with pytest.raises(InputError, match=r"save\(path\) = .*target\.db.*take a new name") as told:
        agent.save(path)
    assert "\n" not in str(told.value)
    assert {one: one.read_bytes() for one in tmp_path.iterdir() if one.is_file()} == before
    if what == "a memory":
        assert texts(agent_of(memory=path).user("ben")) == ["Ben likes tea."]


@pytest.mark.parametrize("name", ["notes.db-wal", "notes.db-shm", "notes.db-journal"])
def test_names_that_sqlite_takes_are_refused(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="SQLite takes such names"):
        in_a_file(tmp_path / "notes.db").save(tmp_path / name)


def test_a_new_name_gets_a_copy_and_nothing_else_is_left(tmp_path: Path):
    agent = in_a_file(tmp_path / "notes.db")
    (tmp_path / "out").mkdir()
    copy = agent.save(tmp_path / "out" / "copy.db")
    assert texts(agent_of(memory=copy)) == texts(agent)
    assert agent.user("ben").save(tmp_path / "out" / "ben.db").exists()
    with pytest.raises(InputError, match="take a new name"):
        agent.user("ben").save(copy)
    assert not [one for one in (tmp_path / "out").iterdir() if one.name.startswith(".")]


def test_a_memory_in_ram_replaces_only_what_it_saved_itself(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = agent_of()
    agent.observe("It rained.")
    assert agent.save(path) == path
    agent.observe("It snowed.")
    agent.save(path)
    with pytest.raises(InputError, match="take a new name"):
        agent.user("ben").save(path)
    with pytest.raises(InputError, match="take a new name"):
        agent_of().save(path)
    other = agent_of(memory=path)
    other.observe("Somebody else wrote this.")
    with pytest.raises(InputError, match=r"in use|changed by somebody else"):
        agent.save(path)
    assert texts(agent_of(memory=path)) == ["It rained.", "It snowed.", "Somebody else wrote this."]


def test_what_was_changed_since_and_closed_is_foreign(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = agent_of()
    agent.save(path)
    path.write_bytes(b"other things")
    with pytest.raises(InputError, match="changed by somebody else since it was saved; nothing is ever overwritten"):
        agent.save(path)
    assert path.read_bytes() == b"other things"


def test_the_json_home_replaces_only_its_own_file(tmp_path: Path, monkeypatch):
    """Archives of a kind that no memory file holds are saved as JSON."""
    monkeypatch.setattr("memrl.agent.ram.can_hold", lambda agent: False)
    agent, path = agent_of().engine.agent, tmp_path / "notes.json"
    home = RamHome(agent, path)
    keeping = home.open("default")
    assert home.save(None, "default", keeping) == path == home.save(path, "default", keeping)
    keeping.memory.apply(Write("It rained.", "archive"))
    (tmp_path / "link.json").symlink_to(path)
    home.save(tmp_path / "link.json", "default", keeping)
    assert [one.text for one in load(path, agent).entries()] == ["It rained."] and (tmp_path / "link.json").is_symlink()
    again = RamHome(agent, path)
    again.save(None, "default", again.open("default"))
    (tmp_path / "diary.txt").write_text("mine")
    path.write_text("{}")
    for target in (None, tmp_path / "diary.txt"):
        with pytest.raises(InputError, match="take a new name"):
            again.save(target, "default", again.open("default"))
    assert path.read_text() == "{}" and (tmp_path / "diary.txt").read_text() == "mine"


def test_a_name_that_was_taken_meanwhile_is_refused(tmp_path: Path):
    fresh, path = tmp_path / "fresh", tmp_path / "notes.db"
    fresh.write_text("mine")
    check_free(path)
    path.write_text("yours")
    with pytest.raises(InputError, match="take a new name"):
        put(fresh, path, replacing=False)
    assert path.read_text() == "yours" and state_of(tmp_path / "none") is None


def test_an_older_backup_is_not_overwritten(tmp_path: Path):
    path, old = tmp_path / "notes.json", tmp_path / "notes.json.json-backup"
    agent = agent_of()
    agent.observe("It rained.")
    agent.memory.save(path)
    old.write_text("an older one")
    before = path.read_bytes()
    with pytest.warns(UserWarning, match=r"the old one is .*json-backup2"):
        agent_of(memory=path)
    assert old.read_text() == "an older one" and Path(f"{old}2").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "knobs"), [("tiny", {"controller": 5}), ("tiny", {"checkpoint": "foo"}), ("http://", {})]
)
def test_a_knob_of_wrap_that_cannot_be_is_one_line(model: str, knobs: dict):
    with pytest.raises(InputError, match=r"wrap\(") as told:
        wrap(model, **knobs)
    assert "\n" not in str(told.value)


def test_an_answer_that_is_none_cannot_be_rated(tmp_path: Path):
    with pytest.raises(InputError, match=r"feedback\(answer\) = 'x'"):
        agent_of().feedback("x", 1, tmp_path / "rated.jsonl")
    assert not (tmp_path / "rated.jsonl").exists()


def test_what_can_never_fit_is_refused_before_it_is_cut():
    agent = agent_of(archive_tokens=10)
    assert (
        str(agent.observe("word " * 50)).startswith("too long: memory could never hold it") and len(agent.memory) == 0
    )
