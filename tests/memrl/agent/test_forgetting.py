"""``forget`` takes what was said out of the past too: deleted, evicted, overwritten, in pieces; and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import Clock, agent_of

from memory_stores.durable import MemoryFile
from memrl.agent import wrap
from memrl.contracts.errors import InputError

CODE = "My safe code is 88-12-45."


@pytest.fixture(params=["ram", "file"])
def home(request, tmp_path: Path) -> Path | None:
    return None if request.param == "ram" else tmp_path / "notes.db"


def is_nowhere(agent, home: Path | None, *words: str) -> bool:
    """No byte in the files, no event that tells of it."""
    told = "".join(str(agent.history(f"a{n}")) for n in range(1, 30))
    if home is None:
        return not any(word in told for word in words)
    left = b"".join(one.read_bytes() for one in home.parent.iterdir())
    return not any(word in told or word.encode() in left for word in words)


@pytest.mark.parametrize("what", ["safe code", CODE, "a1", "my  safe code is 88-12-45.".replace("my", "My")])
@pytest.mark.parametrize("how", ["delete", "delete_all", "update", "updated and deleted"])
def test_what_is_no_longer_held_is_forgotten(home: Path | None, how: str, what: str):
    agent = agent_of(memory=home)
    agent.observe(CODE, source="Ana", metadata={"kind": "code"})
    agent.observe("Ben likes tea.")
    if how == "delete_all":
        agent.mem0.delete_all()
    elif how == "delete":
        agent.delete("a1")
    else:
        agent.update("a1", "It rained in the valley.")
    if how == "updated and deleted":
        agent.delete("a1")
    would = agent.forget(what, dry_run=True)
    assert would and CODE in [one.text for one in would.past] and not is_nowhere(agent, home, "88-12-45")
    done = agent.forget(what)
    assert done.past == would.past and done.past[-1].id == "a1" and done.past[-1].details.source == "Ana"
    assert is_nowhere(agent, home, "88-12-45") and not agent.forget(what)
    held = [one.text for one in agent.all()]
    stays = {
        "delete": ["Ben likes tea."],
        "delete_all": [],
        "updated and deleted": ["Ben likes tea."],
        "update": ["Ben likes tea."] if what == "a1" else ["Ben likes tea.", "It rained in the valley."],
    }[how]
    assert sorted(held) == stays and agent.observe(CODE).kept


def test_what_was_evicted_is_forgotten(home: Path | None):
    agent = agent_of(memory=home, archive_tokens=20)
    agent.observe(CODE)
    for n in range(5):
        agent.observe(f"On day {n} it rained all day long.")
    assert agent.get("a1") is None
    assert [one.text for one in agent.forget("safe code").past] == [CODE] and is_nowhere(agent, home, "88-12-45")


def test_what_stays_keeps_its_history_and_its_earlier_ids(home: Path | None):
    agent = agent_of(memory=home)
    agent.observe(CODE)
    agent.update("a1", "It rained in the valley.")
    agent.update("a1", "It snowed in the valley.")
    assert [one.id for one in agent.forget(CODE).past] == ["a1"]
    assert agent.get("a1").text == "It snowed in the valley." == agent.get("a2").text
    assert "It rained in the valley." in str(agent.history("a3"))
    assert [one.id for one in agent.forget("a1").gone] == ["a3"] and is_nowhere(agent, home, "rained", "snowed")


def test_a_text_that_was_said_again_is_told_of_once_and_goes_wholly(home: Path | None):
    agent = agent_of(memory=home)
    agent.observe(CODE)
    agent.observe("Ben likes tea.")
    agent.observe(CODE)
    done = agent.forget("safe code")
    assert [one.text for one in done.gone] == [CODE] and done.past == () and is_nowhere(agent, home, "88-12-45")


def test_an_exact_text_takes_no_neighbour_along(home: Path | None):
    agent = agent_of(memory=home)
    for n in range(12):
        agent.observe(f"Locker {n} opens with pin 7{n:03}.")
    done = agent.forget("locker 3 opens with pin 7003.", dry_run=True)
    assert [one.text for one in done.gone] == ["Locker 3 opens with pin 7003."] and len(done.keeps) > 0


def test_an_exact_text_goes_whatever_the_threshold_and_however_many_match(home: Path | None):
    agent = agent_of(memory=home)
    for n in range(60):
        agent.observe(f"Door {n} opens with my safe code {n}.")
    assert [one.text for one in agent.forget("Door 7 opens with my safe code 7.", threshold=2).gone] == [
        "Door 7 opens with my safe code 7."
    ]
    assert len(agent.forget("my safe code", threshold=0.2).gone) == 59 and len(agent.memory) == 0


@pytest.mark.parametrize("what", ["a99", "t1", "g7"])
def test_what_looks_like_an_id_is_never_taken_for_words(home: Path | None, what: str):
    agent = agent_of(memory=home)
    agent.observe(f"{what} is the motorway.")
    agent.observe(f"{what} is the road.")
    agent.delete("a2")
    done = agent.forget(what, threshold=0.0)
    assert not done and done.keeps == () and len(agent.memory) == 1
    agent.observe(what)
    assert [one.text for one in agent.forget(what).gone] == [what]


def test_pieces_of_one_text_go_together(home: Path | None):
    clock = Clock()
    agent = agent_of(memory=home, read_tokens=20, clock=clock)
    agent.observe("Ben likes tea.")
    pieces = agent.observe("The vault opens with 88-12-45 at night. The guard sleeps from two to four on Sundays.").ids
    clock.now += 1
    other = agent.observe("The mill stands at the river since 1801. Its wheel was mended by the smith last year.").ids
    assert len(pieces) == len(other) == 2
    agent.delete(pieces[1])
    done = agent.forget("how the vault opens with 88-12-45")
    assert [one.id for one in done.gone] == [pieces[0]] and [one.id for one in done.past] == [pieces[1]]
    assert done.together == (pieces[1],) and is_nowhere(agent, home, "88-12-45", "guard sleeps")
    assert {one.id for one in agent.all()} == {"a1", *other}
    assert set(agent.forget(other[1]).together) == {other[0]} and [one.id for one in agent.all()] == ["a1"]


@pytest.mark.parametrize("threshold", ["x", float("nan"), float("inf"), None, True])
def test_a_threshold_that_is_no_number_is_one_line(threshold):
    agent = agent_of()
    agent.observe(CODE)
    with pytest.raises(InputError, match=r"forget\(threshold=\) = .*it must be a number"):
        agent.forget("safe", threshold=threshold)
    assert len(agent.memory) == 1


def test_a_file_is_sound_after_what_was_deleted_is_forgotten(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = wrap("tiny", memory=path)
    [id] = agent.observe("The safe code is KJH987.")
    agent.observe("The lamp is on.")
    agent.delete(id)
    assert agent.forget("The safe code is KJH987.")
    with MemoryFile(path, count_tokens=len) as file:
        assert file.verify().ok
    assert not any(b"KJH987" in one.read_bytes() for one in tmp_path.iterdir())
