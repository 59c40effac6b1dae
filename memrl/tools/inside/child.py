"""A locked child: one call and gone for what may change the interpreter, many calls for what cannot.

Python, and functions of the user's, run in a child of their own each. It is made and locked before the call comes, so
that a call does not wait for it. A query in SQL changes nothing but its own connection, and code without a name but its
own nothing at all (``programs.plain``), so one child answers many.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from memrl.tools.inside import audit, kernel, programs
from memrl.tools.inside.frames import read_bytes, read_frame, write_frame
from memrl.tools.inside.said import told

DONE, FAILED = b"\x06", b"\x15"
"""The last byte of what a child writes."""
MARK = b"\x1e"
"""Stands between what a failed call printed and why it failed."""
Limits = Mapping[str, Any]


class Child:
    """The server's end of a child.

    Args:
        life: what it does once it is locked; it reads fd 0 and writes fd 1.
    """

    def __init__(self, limits: Limits, life: Callable[[], None], cpu: bool = True) -> None:
        self._limits = limits
        self.loaded: dict[str, int] = {}
        """Databases that it holds -> bytes."""
        job_read, self.to = os.pipe()
        self.out, out_write = os.pipe()
        self._pid = kernel.fork()
        if self._pid == 0:
            _live(job_read, out_write, limits, life, cpu)
        os.close(job_read)
        os.close(out_write)

    def output(self, whole: Callable[[bytes], bool] | None = None) -> tuple[str, bytes]:
        """What comes out until the child closes it, or ``whole`` says that it is all; how that ended: "done", "failed",
        "crashed", "timeout" or "large"."""
        deadline = time.monotonic() + self._limits["seconds"]
        poll = select.poll()
        poll.register(self.out, select.POLLIN)
        data, most = b"", self._limits["output_bytes"] + 64
        while (left := deadline - time.monotonic()) > 0:
            if not poll.poll(1000 * left):
                break
            part = os.read(self.out, 1 << 16)
            data += part
            if len(data) > most:
                return "large", b""
            if whole is not None and part:
                if whole(data):
                    return "done", data
            elif not part:
                ended = {DONE: "done", FAILED: "failed"}.get(data[-1:], "crashed")
                return (ended, b"") if ended == "crashed" else (ended, data[:-1])
        return "timeout", b""

    def end(self) -> bool:
        """Make sure that it is gone; whether it had used up the processor's time."""
        os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self.to)
        os.close(self.out)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU


def _live(job_read: int, out_write: int, limits: Limits, life: Callable[[], None], cpu: bool) -> None:
    """The child's end. Never returns."""
    try:
        os.dup2(job_read, 0)
        os.dup2(out_write, 1)
        os.closerange(3, 1 << 16)
        kernel.lock(limits, cpu)
        life()
    finally:
        os._exit(0)


def one_call(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Wait for a job, do it, print."""
    job = read_frame(0)
    if job is None:
        return
    audit.listen()
    if job["kind"] == "python":
        printed(lambda: programs.run_python(job["code"]))
    else:
        printed(lambda: programs.run_function(functions[job["name"]], job["arguments"]))


def printed(program: Callable[[], None]) -> None:
    """Run a program that prints to fd 1, say how it went, and close that."""
    try:
        program()
        sys.stdout.flush()
        os.write(1, DONE)
    except BaseException as error:
        why = f"{error}" if isinstance(error, programs.Failed) else told(error)
        _flush()
        os.write(1, MARK + why.encode("utf-8", "backslashreplace") + FAILED)
    os.close(1)


def _flush() -> None:
    """What a program has printed, whatever it did to ``sys.stdout``."""
    try:
        sys.stdout.flush()
    except BaseException as error:
        os.write(1, told(error).encode("utf-8", "backslashreplace"))


def _answer(job: Mapping[str, Any], databases: Mapping[str, bytes]) -> str:
    """Run a job that changes nothing, and print; "other" for code that might. Raises Failed."""
    if job["kind"] == "sql":
        programs.run_sql(job["query"], databases[job["name"]])
        return "done"
    tree = programs.plain(job["code"])
    if tree is None:
        return "other"
    programs.run_plain(tree)
    return "done"


def many_queries() -> None:
    """Answer queries, and code that only reckons, in frames; each query in a connection of its own."""
    audit.listen()
    databases: dict[str, bytes] = {}
    while (job := read_frame(0)) is not None:
        if job["kind"] == "load":
            databases[job["name"]] = read_bytes(0) or b""
            continue
        inner = io.BytesIO()
        sys.stdout = io.TextIOWrapper(inner, "utf-8", write_through=True)
        try:
            status = _answer(job, databases)
        except programs.Failed as failure:
            status = "failed"
            inner.write(MARK + f"{failure}".encode("utf-8", "backslashreplace"))
        except MemoryError:
            status = "failed"
            inner.write(MARK + b"MemoryError")
        write_frame(1, {"status": status}, inner.getvalue())
