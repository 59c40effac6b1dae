"""Killed writers, damaged bytes, several processes and threads: nothing acknowledged is lost, nothing wrong is told."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import threading
import time

import pytest

from memory_stores import (
    AgentMemory,
    Bm25Store,
    Forget,
    GraphStore,
    Link,
    Overwrite,
    Relink,
    Retrieve,
    Stamp,
    TokenStore,
    Unlink,
    Write,
)
from memory_stores.durable import Details, MemoryFile, StoreError


def cost(text):
    return len(text.split())


BUDGETS = {"token": 60, "graph": 80, "archive": 200}


def op_at(seq):
    """The op that every writer sends as number ``seq``."""
    rng = random.Random(seq)
    near, word = rng.randint(1, 12), rng.choice(["Ana", "Bob", "key"])
    return rng.choice(
        [
            Write(f"fact {seq} of {word}", rng.choice(["token", "archive"])),
            Write(f"note {seq} of {word}", "archive"),
            Overwrite(f"t{near}", f"fact {seq} again"),
            Forget(f"{rng.choice('ta')}{seq // 4 + near}"),
            Link(word, f"likes {near}", f"thing {seq}"),
            Relink(f"g{seq // 8 + near}", f"thing {seq}"),
            Unlink(f"g{seq // 8}"),
            Retrieve(f"fact {word}", rng.choice(["token", "archive"]), 2),
        ]
    )


def expected(seqs):
    """State after each number of ops, by a memory that shares no code with the file."""
    memory = AgentMemory(TokenStore(60, cost), GraphStore(80, cost), Bm25Store(200, cost))
    states = {1: json.dumps(memory.state_dict())}
    for seq in range(2, max(seqs) + 1):
        memory.apply(op_at(seq), Stamp(step=seq))
        if seq in seqs:
            states[seq] = json.dumps(memory.state_dict())
    return states


def child(work):
    """The process id of a child that does ``work`` and leaves."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def write_for_ever(path, pipe):
    with MemoryFile(path, count_tokens=cost) as file:
        memory = file.space("a", **BUDGETS)
        while True:
            some = range(memory.seq + 1, memory.seq + 1 + random.Random(memory.seq).choice([1, 1, 1, 7]))
            memory.apply_all([op_at(seq) for seq in some], [Stamp(step=seq) for seq in some])
            os.write(pipe, struct.pack("q", memory.seq))


def killed_writers(path, kills):
    rng, seen = random.Random(0), {1: 0}
    for _ in range(kills):
        reader, writer = os.pipe()
        pid = child(lambda: write_for_ever(path, writer))  # noqa: B023
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            first = pipe.read(8) if rng.random() < 0.8 else b""
            time.sleep(rng.uniform(0.0, 0.03))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            acknowledged = [seq for (seq,) in struct.iter_unpack("q", first + pipe.read())]
        with MemoryFile(path, count_tokens=cost) as file:
            memory = file.space("a", **BUDGETS)
            assert memory.seq >= max(acknowledged, default=1)
            seen[memory.seq] = json.dumps(memory.state_dict())
            if rng.random() < 0.1:
                assert file.verify().ok
    states = expected(set(seen))
    assert {seq: state for seq, state in seen.items() if seq > 1} == {s: state for s, state in states.items() if s > 1}
    with MemoryFile(path, count_tokens=cost) as file:
        report = file.verify()
        assert report.ok and report.records == max(seen)
    assert len(seen) > kills / 2


def test_killed_writers_lose_nothing(tmp_path):
    killed_writers(tmp_path / "notes.db", 50)


@pytest.mark.slow
def test_killed_writers_lose_nothing_500(tmp_path):
    killed_writers(tmp_path / "notes.db", 500)


def written(folder):
    """A file and its log ahead (WAL), taken as a crash would leave them: three ways; and the states on the road."""
    folder.mkdir()
    path, states = folder / "notes.db", {}
    with MemoryFile(path, count_tokens=cost) as file:
        memory = file.space("a", **BUDGETS)
        states[1] = json.dumps(memory.state_dict())
        for seq in range(2, 160):
            if seq == 80:
                checkpoint(path)
                shutil.copy(path, folder / "early.db")
            memory.apply_all([op_at(seq)], Stamp(step=seq), key=f"k{seq}")
            states[seq] = json.dumps(memory.state_dict())
        shutil.copy(f"{path}-wal", folder / "wal")
        shutil.copy(path, folder / "db")
        checkpoint(path, "PASSIVE")
        shutil.copy(path, folder / "late.db")
    # With the log still there, though all of it is in the file already: a crash after half a checkpoint.
    return [(folder / "db", folder / "wal"), (folder / "late.db", None), (folder / "late.db", folder / "wal")], states


def checkpoint(path, how="TRUNCATE"):
    import apsw

    connection = apsw.Connection(str(path))
    connection.pragma("user_version")
    connection.wal_checkpoint(mode=getattr(apsw, f"SQLITE_CHECKPOINT_{how}"))
    connection.close()


def damage(path, rng):
    data = bytearray(path.read_bytes())
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    else:
        for _ in range(rng.choice([1, 1, 1, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def damaged_files(folder, faults):
    files, states = written(folder / "made")
    rng, outcomes, path = random.Random(1), {"typed": 0, "state": 0}, folder / "hurt.db"
    for number in range(faults):
        database, log = files[number % 3]
        for old in folder.glob("hurt.db*"):
            old.unlink()
        shutil.copy(database, path)
        if log is not None:
            shutil.copy(log, f"{path}-wal")
        damage(path if log is None or rng.random() < 0.4 else folder / "hurt.db-wal", rng)
        try:
            ask_everything(path, states, rng)
            outcomes["state"] += 1
        except StoreError:
            outcomes["typed"] += 1
    assert min(outcomes.values()) > faults / 20, outcomes
    return outcomes


def ask_everything(path, states, rng):
    """Raises StoreError, or everything that is told is true of one moment."""
    with MemoryFile(path, count_tokens=cost) as file:
        if file.spaces() == []:
            return
        memory = file.space("a")
        seq = memory.seq
        assert json.dumps(memory.state_dict()) == states[seq]
        then = rng.randint(1, seq)
        assert json.dumps(memory.as_of(then).state_dict()) == states[then]
        log = memory.log()
        assert [record.op for record in log[1:]] == [op_at(s) for s in range(2, seq + 1)]
        for version in memory.history(f"t{rng.randint(1, 12)}"):
            held = json.loads(states[version.born])["token"]["items"]
            assert version.entry.text in [item["text"] for item in held]
        if seq > 1:
            again = memory.apply_all([op_at(seq)], key=f"k{seq}")
            assert again.repeated and again.seq == seq and memory.seq == seq
        memory.apply(op_at(seq + 1), Stamp(step=seq + 1))
        assert seq + 1 not in states or json.dumps(memory.state_dict()) == states[seq + 1]
        assert file.verify().sqlite


def test_damaged_bytes_are_never_told(tmp_path):
    damaged_files(tmp_path, 200)


@pytest.mark.slow
def test_damaged_bytes_are_never_told_2000(tmp_path):
    damaged_files(tmp_path, 2000)


def send_twice(file, who, count):
    memory = file.space("shared", archive=10**6)
    for n in range(count):
        first = memory.apply_all([Write(f"{who} says {n}", "archive")], key=f"{who}-{n}")
        again = memory.apply_all([Write(f"{who} says {n}", "archive")], key=f"{who}-{n}")
        assert not first.repeated and again.repeated and first.results == again.results


def check_once(path, who, count):
    with MemoryFile(path, count_tokens=cost) as file:
        memory = file.space("shared")
        assert sorted(e.text for e in memory.entries()) == sorted(
            f"{w} says {n}" for w in range(who) for n in range(count)
        )
        report = file.verify()
        assert report.ok and report.records == who * count + 1


def many_processes(path, processes, count):
    def work(who):
        with MemoryFile(path, count_tokens=cost, busy_seconds=300) as file:
            send_twice(file, who, count)

    pids = [child(lambda who=who: work(who)) for who in range(processes)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * processes
    check_once(path, processes, count)


def many_threads(path, threads, count):
    failures = []

    def work(file, who):
        try:
            send_twice(file, who, count)
        except BaseException as error:
            failures.append(error)
            raise

    with MemoryFile(path, count_tokens=cost) as file:
        running = [threading.Thread(target=work, args=(file, who)) for who in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    assert not failures
    check_once(path, threads, count)


@pytest.mark.parametrize("many", [many_processes, many_threads])
def test_what_many_writers_send_twice_is_done_once(tmp_path, many):
    many(tmp_path / "notes.db", 4, 60)


@pytest.mark.slow
@pytest.mark.parametrize("many", [many_processes, many_threads])
def test_what_8_writers_send_twice_is_done_once(tmp_path, many):
    many(tmp_path / "notes.db", 8, 2000)


def test_a_child_may_not_use_the_file_of_its_parent(tmp_path):
    with MemoryFile(tmp_path / "notes.db", count_tokens=cost) as file:
        memory = file.space("a")

        def work():
            with pytest.raises(StoreError, match="opened in another process"):
                memory.apply(Write("x", "archive"))

        assert os.waitpid(child(work), 0)[1] == 0
        assert memory.apply_all([Write("y", "archive")], details=Details(name="n")).seq == 2
