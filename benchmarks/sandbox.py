"""Calls a second of the sandbox, one after the other, by one caller.

python benchmarks/sandbox.py          # figures go to results/sandbox.json
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from machine import machine

from memrl.tools import Sandbox

ROUNDS, SECONDS = 7, 2.0


def rate(call: Callable[[], object], sandbox: Sandbox) -> tuple[float, float]:
    """Calls a second over some seconds, and ms of processor time a call, the caller's and the sandbox's."""
    call()
    started, used, done = time.perf_counter(), processor(sandbox), 0
    while time.perf_counter() - started < SECONDS:
        call()
        done += 1
    return done / (time.perf_counter() - started), 1000 * (processor(sandbox) - used) / done


def processor(sandbox: Sandbox) -> float:
    """Seconds of this process, of the sandbox's server and of all its children that have ended."""
    assert sandbox._server is not None
    outer = sandbox._server._process.pid
    inner = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0]
    fields = Path(f"/proc/{inner}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE parts (code TEXT, price INTEGER)")
    connection.executemany("INSERT INTO parts VALUES (?, ?)", [(f"K-{i}", i) for i in range(200)])
    connection.commit()
    return connection.serialize()


def main() -> None:
    made = database()
    load: list[float] = []
    found: dict[str, object] = {"machine": machine(), "rounds": ROUNDS, "seconds": SECONDS, "load": load}
    with Sandbox() as sandbox:
        found["layers"] = list(sandbox.layers)
        calls = {
            "python, only reckoning": lambda: sandbox.python("1 + 1"),
            "python, a process of its own": lambda: sandbox.python("for i in range(2): print(i)"),
            "sql": lambda: sandbox.sql("SELECT price FROM parts WHERE code = 'K-7'", made),
        }
        each: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            load.append(os.getloadavg()[0])
            for name, call in calls.items():
                each[name].append(rate(call, sandbox))
    found["rows"] = {
        name: {
            "calls_a_second": median(one for one, _ in rounds),
            "best_calls_a_second": max(one for one, _ in rounds),
            "cpu_ms_a_call": median(ms for _, ms in rounds),
        }
        for name, rounds in each.items()
    }
    target = Path(__file__).parent / "results" / "sandbox.json"
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["rows"], indent=1), load)


if __name__ == "__main__":
    main()
