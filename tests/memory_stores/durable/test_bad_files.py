"""Files that cannot be used, and disks that fail: one typed line each, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import apsw
import pytest

from memory_stores import AgentMemory, Bm25Store, HashEmbedder, Write
from memory_stores.durable import (
    DiskFull,
    DurableMemory,
    MemoryFile,
    NotAMemoryFile,
    ReadOnly,
    SchemaTooNew,
    StoreBusy,
    StoreError,
    schema,
)

GOLDEN = Path(__file__).parent / "golden_v1.db"


HASH = "94e7a0b0f86a58713192b0eba422522d-aa9ab15e6dd668886832ccaf181dcb27-2040ff8bb5544d548a81b85b00c65f37"


def cost(text):
    return len(text.split())


def opened(path, **options):
    return MemoryFile(path, count_tokens=cost, **options)


def one_line(error):
    return "\n" not in str(error.value)


def test_paths_that_are_no_memory_file(tmp_path):
    (tmp_path / "text.db").write_text("plain text, longer than a header would be " * 30)
    (tmp_path / "short.db").write_text("x")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    os.mkfifo(tmp_path / "pipe")
    cases = [
        (tmp_path, NotAMemoryFile, "is a folder"),
        (tmp_path / "text.db", NotAMemoryFile, "no memory file"),
        (tmp_path / "short.db", NotAMemoryFile, "no memory file"),
        (tmp_path / "other.db", NotAMemoryFile, "another program"),
        (tmp_path / "pipe", NotAMemoryFile, "no ordinary file"),
        (tmp_path / "none" / "notes.db", StoreError, "folder does not exist"),
        ("", StoreError, "name a file"),
    ]
    for path, kind, says in cases:
        with pytest.raises(kind, match=says) as error:
            opened(path)
        assert one_line(error)
    assert (tmp_path / "short.db").read_text() == "x"
    with pytest.raises(StoreError, match="does not exist"):
        opened(tmp_path / "new.db", read_only=True)
    assert not (tmp_path / "new.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(NotAMemoryFile, match="is empty"):
        opened(tmp_path / "empty.db", read_only=True)
    opened(tmp_path / "empty.db").close()


def test_a_folder_that_may_not_be_written():
    # For root, too, files of the kernel cannot be made.
    with pytest.raises(StoreError, match=r"notes\.db"):
        opened("/proc/notes.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions(tmp_path):
    opened(tmp_path / "notes.db").close()
    (tmp_path / "notes.db").chmod(0o444)
    with pytest.raises(ReadOnly, match="read_only=True"):
        opened(tmp_path / "notes.db")
    tmp_path.chmod(0o555)
    assert opened(tmp_path / "notes.db", read_only=True).spaces() == []
    with pytest.raises(ReadOnly, match="folder"):
        opened(tmp_path / "new.db")
    tmp_path.chmod(0o755)


def test_a_file_of_the_future_is_left_alone(tmp_path):
    opened(tmp_path / "notes.db").close()
    connection = apsw.Connection(str(tmp_path / "notes.db"))
    connection.pragma("user_version", 99)
    connection.close()
    before = (tmp_path / "notes.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(SchemaTooNew, match=r"version 99.*upgrade memrl"):
            opened(tmp_path / "notes.db", read_only=read_only)
    assert (tmp_path / "notes.db").read_bytes() == before


def test_a_file_that_others_hold_is_waited_for_and_then_told(tmp_path):
    memory = opened(tmp_path / "notes.db", busy_seconds=0.05).space("a")
    memory.apply(Write("x", "archive"))
    other = apsw.Connection(str(tmp_path / "notes.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="held by another process") as error:
        memory.apply(Write("y", "archive"))
    assert one_line(error) and len(memory) == 1
    assert [hit.text for hit in memory.search("x")] == ["x"]
    other.execute("ROLLBACK")
    assert memory.apply(Write("y", "archive")).created == ("a2",)


def test_a_closed_file_says_so(tmp_path):
    file = opened(tmp_path / "notes.db")
    memory = file.space("a")
    file.close(), file.close()
    for ask in (lambda: memory.apply(Write("x", "archive")), lambda: file.space("b"), lambda: memory.search("x")):
        with pytest.raises(StoreError, match="is closed"):
            ask()
    with pytest.raises(StoreError, match=r"MemoryFile\(path\)\.space"):
        DurableMemory.load("x")


def test_a_full_disk_loses_nothing(tmp_path):
    file = opened(tmp_path / "notes.db")
    memory = file.space("a", archive=10**7)
    memory.apply(Write("x", "archive"))
    pages = file._database.connection.pragma("page_count")
    file._database.connection.pragma("max_page_count", pages + 4)
    held = []
    with pytest.raises(DiskFull, match="nothing was written") as error:
        for n in range(1000):
            held.append(memory.apply(Write(f"text {n} " * 40, "archive")).created[0])
    assert one_line(error) and held and [e.id for e in memory.entries()] == ["a1", *held]
    before = memory.state_dict()
    with pytest.raises(DiskFull):
        memory.apply_all([Write("small", "archive"), Write("large " * 9000, "archive")])
    assert memory.state_dict() == before and opened(tmp_path / "notes.db").space("a").state_dict() == before
    file._database.connection.pragma("max_page_count", 10**6)
    assert memory.apply(Write("fits now", "archive")).done and file.verify().ok


class FailingDisk(apsw.VFS):
    """A disk whose writes fail from a moment on."""

    def __init__(self):
        super().__init__("failing", "")
        self.left = 10**9

    def xOpen(self, name, flags):  # noqa: N802
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        super().__init__("", name, flags)
        self.disk = disk

    def _count(self):
        self.disk.left -= 1
        if self.disk.left < 0:
            raise apsw.IOError("injected")

    def xWrite(self, data, offset):  # noqa: N802
        self._count()
        return super().xWrite(data, offset)

    def xSync(self, flags):  # noqa: N802
        self._count()
        return super().xSync(flags)


def test_a_disk_that_fails_at_any_write_loses_nothing_acknowledged(tmp_path, monkeypatch):
    disk = FailingDisk()
    real = apsw.Connection
    monkeypatch.setattr(apsw, "Connection", lambda name, **more: real(name, vfs="failing", **more))
    for left in range(40):
        path, acknowledged, disk.left = tmp_path / f"{left}.db", 0, 10**9
        with opened(path) as file:
            memory = file.space("a")
            disk.left = left
            try:
                for n in range(12):
                    memory.apply(Write(f"text {n}", "archive"))
                    acknowledged = n + 1
            except StoreError as error:
                assert "disk failed" in str(error)
            disk.left = 10**9
            assert len(memory) == acknowledged
            assert memory.apply(Write("goes on", "archive")).done
        with opened(path) as file:
            assert len(file.space("a")) == acknowledged + 1 and file.verify().ok


def test_files_of_every_version_open(tmp_path):
    shutil.copy(GOLDEN, tmp_path / "notes.db")
    with opened(tmp_path / "notes.db", embedder=HashEmbedder(8)) as file:
        assert file.spaces() == [("users", "ana"), ("other",)]
        memory = file.space(("users", "ana"))
        assert [e.text for e in memory.entries()] == ["The key is under the mat.", "Ana in Berlin", "The lamp is red."]
        assert memory.details("a3").name == "lamp" and memory.token.budget == 40
        assert memory.state_hash() == HASH
        assert len(memory.log()) == 10 and memory.graph.history()[0].object == "Paris"
        assert file.verify().ok
        assert memory.apply(Write("goes on")).created == ("t2",)


STEP = ("CREATE TABLE one (x)", "INSERT INTO one VALUES (1)", "CREATE TABLE two (y)")


@pytest.mark.parametrize("at", range(len(STEP) + 1))
def test_an_upgrade_that_is_killed_goes_on_at_the_next_opening(tmp_path, monkeypatch, at):
    shutil.copy(GOLDEN, tmp_path / "notes.db")
    newer = (*schema.MIGRATIONS, STEP, ("CREATE TABLE three (z)",))
    pid = os.fork()
    if not pid:
        schema.MIGRATIONS = (*schema.MIGRATIONS, Killing(STEP, at), newer[-1])
        opened(tmp_path / "notes.db")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    with opened(tmp_path / "notes.db") as file:
        assert len(file.space(("users", "ana"))) == 3 and file.verify().ok
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    with opened(tmp_path / "notes.db") as file:
        assert len(file.space(("users", "ana"))) == 3 and file.verify().ok
        connection = file._database.connection
        assert connection.pragma("user_version") == 3 and list(connection.execute("SELECT * FROM one, three")) == []
        assert list(connection.execute("SELECT * FROM one")) == [(1,)]
    monkeypatch.undo()
    with pytest.raises(SchemaTooNew):
        opened(tmp_path / "notes.db")


class Killing(tuple):
    """Statements of a step, and the end of the process before one of them, or before the commit."""

    def __new__(cls, statements, at):
        made = super().__new__(cls, statements)
        made.at = at
        return made

    def __iter__(self):
        for number, statement in enumerate(super().__iter__()):
            if number == self.at:
                os.kill(os.getpid(), 9)
            yield statement
        os.kill(os.getpid(), 9)


def test_an_older_memory_becomes_a_space(tmp_path):
    old = AgentMemory(archive=Bm25Store(50, cost))
    old.apply(Write("from before", "archive"))
    old.save(tmp_path / "old.json")
    loaded = AgentMemory.load(tmp_path / "old.json", count_tokens=cost)
    with opened(tmp_path / "notes.db") as file:
        memory = file.space("a", archive=50)
        memory.load_state_dict(loaded.state_dict())
        assert memory.state_dict() == loaded.state_dict() and file.verify().ok
        assert opened(tmp_path / "notes.db").space("a").state_hash() == old.state_hash()
