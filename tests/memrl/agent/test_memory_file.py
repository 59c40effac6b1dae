"""A wrapped model's memory in a file: on disk at once, shared by processes, apart by user, refused where it cannot."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import forked
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import Reader, agent_of

import memrl
from memory_stores.durable import Details, DiskFull, MemoryFile
from memory_stores.durable.database import Database
from memory_stores.embed import HashEmbedder
from memory_stores.token_vectors import CachedTokens, HashTokens
from memory_stores.types import Write
from memrl.agent import wrap
from memrl.contracts.errors import ConfigError, DataError, InputError, StorageError

WRITER = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, "tests/memrl/agent")
    from wrapped import agent_of
    agent = agent_of(memory=sys.argv[1])
    for number in range(int(sys.argv[3])):
        agent.observe(f"{sys.argv[2]} saw thing {number}")
        print(number, flush=True)
    """
)


def texts(agent) -> list[str]:
    return [one.text for one in agent.all()]


def all_bytes(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.iterdir())


def writer(path: Path, name: str, count: int) -> forked.Forked:
    return forked.start(path, name, str(count), code=WRITER)


def test_what_was_observed_is_there_without_a_save(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = agent_of(memory=path)
    agent.observe("Ana put the lantern in the attic.", source="Ben", metadata={"a": [1]})
    again = agent_of(memory=str(path))
    assert texts(again) == ["Ana put the lantern in the attic."]
    assert again.all()[0].details == agent.all()[0].details and again.save() == path
    again.observe("It rained.")
    assert texts(agent) == texts(again) and len(agent.search("rained", 5)) >= 1


def test_two_processes_write_and_nothing_is_lost(tmp_path: Path):
    path = tmp_path / "notes.db"
    both = [writer(path, name, 15) for name in ("Ana", "Ben")]
    assert [one.wait().returncode for one in both] == [0, 0]
    assert sorted(texts(agent_of(memory=path))) == sorted(
        f"{n} saw thing {i}" for n in ("Ana", "Ben") for i in range(15)
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_was_acknowledged_outlives_any_end(tmp_path: Path, end: signal.Signals):
    path = tmp_path / "notes.db"
    process = writer(path, "Ana", 100_000)
    process.lines(7)
    process.kill(end)
    acknowledged = len(process.wait().stdout.splitlines())
    held = texts(agent_of(memory=path))
    assert held[:acknowledged] == [f"Ana saw thing {i}" for i in range(acknowledged)] and len(held) <= acknowledged + 1


def test_what_was_forgotten_is_in_no_cache_of_embeddings_either(tmp_path: Path):
    cached = CachedTokens(HashTokens(HashEmbedder(8)), tmp_path / "kept.db")
    [secret, other] = cached.encode(["My code is 4711.", "It rained."]).tokens
    before, _ = all_bytes(tmp_path), cached.forget(["My code is 4711."])
    assert secret.ids.tobytes() in before and other.ids.tobytes() in all_bytes(tmp_path)
    assert secret.ids.tobytes() not in all_bytes(tmp_path)
    assert cached.encode(["My code is 4711."]).tokens[0].ids.tolist() == secret.ids.tolist()


def test_questions_that_tell_of_what_was_forgotten_lose_their_words(tmp_path: Path):
    agent = agent_of(memory=tmp_path / "notes.db")
    agent.observe("My code is ZQX4711.")
    agent.observe("My dog is called Rex.")
    for question in ("Is zqx4711 my code?", "How is my dog called?"):
        agent.ask(question)
    agent.forget("My code is ZQX4711.")
    left = all_bytes(tmp_path)
    assert b"zqx4711" not in left.lower() and b"How is my dog called?" in left
    # Asked again when no entry knows it any more: whoever names it takes it out.
    agent.ask("Is zqx4711 still my code?")
    assert b"zqx4711" in all_bytes(tmp_path)
    assert agent.forget("ZQX4711").gone == () and b"zqx4711" not in all_bytes(tmp_path)
    assert texts(agent_of(memory=tmp_path / "notes.db")) == ["My dog is called Rex."]
    assert MemoryFile(tmp_path / "notes.db", count_tokens=len, read_only=True).verify().ok


def test_a_question_that_is_what_was_forgotten_goes_and_one_that_shares_its_function_words_stays(tmp_path: Path):
    agent = agent_of(memory=tmp_path / "notes.db")
    # Each word of the first is in another entry, too.
    for text in ("Ana loves Ben.", "Ana knows Carl.", "Ben loves tea.", "The bike is in the box."):
        agent.observe(text)
    for question in ("Is it true that Ana loves Ben?", "Ana loves Ben", "Which bike is in the box?"):
        agent.ask(question)
    assert [one.text for one in agent.forget("Ana loves Ben.").gone] == ["Ana loves Ben."]
    left = all_bytes(tmp_path)
    assert b"Ana loves" not in left and b"Which bike is in the box?" in left


def test_what_was_forgotten_is_in_no_file(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = agent_of(memory=path)
    agent.observe("My phone number is 555-01999.", source="Ana")
    agent.observe("Ben likes tea.")
    agent.update("a1", "My phone number is 555-02888.")
    assert [one.text for one in agent.forget("my phone number").gone] == ["My phone number is 555-02888."]
    bytes_left = all_bytes(tmp_path)
    assert b"555-02888" not in bytes_left and b"555-01999" not in bytes_left and b"Ben likes tea" in bytes_left
    assert texts(agent) == texts(agent_of(memory=path)) == ["Ben likes tea."]
    assert agent.observe("My phone number is 555-03777.").kept and not any(
        "555-0288" in str(event) for event in agent.history("a1")
    )


def test_users_have_spaces_of_their_own(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent = agent_of(memory=path)
    agent.user("ana").observe("My secret is 77.")
    again = agent_of(memory=path)
    assert again.users() == ("ana", "default") and texts(again) == []
    assert texts(again.user("ana")) == ["My secret is 77."] and texts(again.user("ben")) == []


def test_a_memory_in_ram_can_be_saved_and_taken_up(tmp_path: Path):
    agent = agent_of()
    agent.observe("Ana put the lantern in the attic.", source="Ben")
    with pytest.raises(InputError, match="no path given"):
        agent.save()
    path = agent.save(tmp_path / "notes.db")
    agent.observe("It rained.")
    assert agent.save(path) == path
    again = agent_of(memory=path)
    assert texts(again) == texts(agent) and again.memory.state_hash() == agent.memory.state_hash()
    assert again.get("a1").details.source == "Ben" and again.observe("New.").ids == ("a3",)
    assert not list(tmp_path.glob(".*"))


def test_a_file_of_the_older_format_is_converted_and_kept(tmp_path: Path):
    path = tmp_path / "notes.json"
    agent = agent_of()
    agent.observe("Ana put the lantern in the attic.")
    agent.memory.save(path)
    before = path.read_bytes()
    with pytest.warns(UserWarning, match=r"was JSON and is SQLite now; the old one is .*json-backup"):
        again = agent_of(memory=path)
    assert texts(again) == ["Ana put the lantern in the attic."]
    assert (tmp_path / "notes.json.json-backup").read_bytes() == before
    assert texts(agent_of(memory=path)) == texts(again)


def test_a_file_of_another_shape_is_named(tmp_path: Path):
    path = tmp_path / "run.db"
    with MemoryFile(path, count_tokens=len) as file:
        file.space(("default",), token=64, archive=0)
    with pytest.raises(ConfigError, match=r"run\.db .*holds token memory, this model works on an archive"):
        agent_of(memory=path)


def test_another_budget_is_applied_where_it_fits_and_else_refused(tmp_path: Path):
    path = tmp_path / "notes.db"
    agent_of(memory=path, archive_tokens=100).observe("one two three four five six")
    assert agent_of(memory=path, archive_tokens=50).memory.budget == 50
    with pytest.raises(InputError, match=r"archive = 4: it holds 6 tokens"):
        agent_of(memory=path, archive_tokens=4)


@pytest.mark.parametrize("path", ["", "  ", "FOLDER", "FOLDER/missing/notes.db", 7])
def test_a_path_that_can_be_no_file_is_one_line(tmp_path: Path, path):
    path = path.replace("FOLDER", str(tmp_path)) if isinstance(path, str) else path
    with pytest.raises(InputError, match=r"wrap\(memory=\) = ") as told:
        wrap("a model that is never loaded", memory=path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"garbage of somebody else " * 50, b"{half", b'{"format": "memory_stores/99"}'])
def test_a_file_that_is_no_memory_is_one_line_and_stays(tmp_path: Path, content: bytes):
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"notes\.db") as told:
        agent_of(memory=path)
    assert "\n" not in str(told.value) and path.read_bytes() == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises((StorageError, DataError), match="notes"):
        agent_of(memory=tmp_path / "shut" / "notes.db")


@pytest.mark.parametrize("model", [None, "", "  ", 7, object()])
def test_what_is_no_model_is_one_line(model):
    with pytest.raises(InputError, match=r"wrap\(model\)"):
        memrl.wrap(model)


def test_threads_share_one_agent():
    from concurrent.futures import ThreadPoolExecutor

    agent = agent_of(Reader(lambda request: request.observation.text))
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: agent.user(f"u{n % 4}").observe(f"thing {n} of user {n % 4}"), range(64)))
        answers = list(pool.map(lambda n: agent.user(f"u{n % 4}").ask(f"what {n}?"), range(32)))
    assert all(one.kept for one in told) and [one.text for one in answers] == [f"what {n}?" for n in range(32)]
    for user in range(4):
        held = texts(agent.user(f"u{user}"))
        assert len(held) == 16 and all(f"user {user}" in text for text in held)
    assert all(f"user {n % 4}" in line.text for n, one in enumerate(answers) for line in one.used)


@pytest.mark.parametrize("metadata", [{"memrl_also": 5}, {"memrl_also": [1, {}]}, {"memrl_source": 7, "n": 1}])
def test_metadata_that_somebody_else_wrote_under_the_memorys_own_names_stays_metadata(tmp_path: Path, metadata):
    path = tmp_path / "notes.db"
    agent_of(memory=path).close()
    with MemoryFile(path, count_tokens=len) as file:
        file.space(("default",)).apply_all([Write("x", "archive")], details=Details(metadata=metadata))
    with agent_of(memory=path) as agent:
        [held] = agent.all()
        assert (held.details.metadata, held.details.source, held.details.also) == (metadata, "", ())
        assert agent.observe("x", source="ana").duplicate and agent.ask("x?").used


def test_a_full_disk_answers_from_what_is_there_and_says_so_where_it_cannot_write(tmp_path: Path):
    path = tmp_path / "notes.db"
    with agent_of(memory=path) as agent:
        agent.observe("The lamp is in the attic.")
        database = agent.memory._database  # pyright: ignore[reportAttributeAccessIssue]
        with full(database):
            assert [line.text for line in agent.ask("Where is the lamp?").used] == ["The lamp is in the attic."]
            with pytest.raises(StorageError, match="the disk is full"):
                agent.observe("The key is in the hall.")
        assert agent.observe("The key is in the hall.").kept
    with agent_of(memory=path) as agent:
        assert texts(agent) == ["The lamp is in the attic.", "The key is in the hall."]


@contextmanager
def full(database: Database) -> Iterator[None]:
    """Commits fail as on a disk that is full."""
    real = database.writing

    @contextmanager
    def writing() -> Iterator[None]:
        with real():
            yield
            raise DiskFull("memory file: the disk is full, nothing was written; make room and do it again")

    database.writing = writing
    try:
        yield
    finally:
        database.writing = real


def test_a_file_that_was_removed_or_replaced_while_open_takes_nothing_in(tmp_path: Path):
    path = tmp_path / "notes.db"
    with agent_of(memory=path) as agent:
        agent.observe("The lamp is in the attic.")
        path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(DataError, match=r"notes\.db was removed or replaced since it was opened: put it back"):
            agent.observe("The key is in the hall.")
        (tmp_path / "elsewhere.db").rename(path)
        assert agent.observe("The key is in the hall.").kept
    with agent_of(memory=path) as agent:
        assert texts(agent) == ["The lamp is in the attic.", "The key is in the hall."]


def test_a_name_that_sqlite_has_a_meaning_for_is_a_file_like_any_other(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with agent_of(memory=":memory:") as agent:
        agent.observe("The lamp is in the attic.")
    assert (tmp_path / ":memory:").stat().st_size
    with agent_of(memory=":memory:") as agent:
        assert texts(agent) == ["The lamp is in the attic."]


def test_an_empty_file_is_a_new_one_and_a_name_that_no_file_can_have_is_one_line(tmp_path: Path):
    (tmp_path / "empty.db").touch()
    with agent_of(memory=tmp_path / "empty.db") as agent:
        assert agent.observe("The lamp is in the attic.").kept
    for name in ("n\0ul.db", "x" * 300):
        with pytest.raises(InputError, match=r"wrap\(memory=\) = .*: no file can have such a name"):
            agent_of(memory=tmp_path / name)
