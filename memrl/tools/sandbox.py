"""A process that runs what a policy wrote, and can do nothing else.

    run (trusted) ──> server (trusted, started anew, empty environment) ──> a child a call, locked, then gone

What a child may do stands in ``inside/kernel.py``: compute, and print. No file, no network, no process, no signal;
time, memory and output have limits. Layers, outermost first: namespaces and an empty root, where this machine lets us;
Landlock, where the kernel has it; resource limits and a seccomp filter, always; an audit hook. The server tries the
locks when it starts; where one does not hold, or cannot be put up, the sandbox refuses to work. Linux alone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from memrl.contracts.errors import ConfigError, InputError
from memrl.tools.inside.frames import write_frame
from memrl.tools.inside.said import steady

MACHINES = ("x86_64", "aarch64")
STARTS = 30.0
"""Seconds that the server has to start."""
GRACE = 5.0
"""Seconds beyond a call's own that the server has to answer."""
DATABASES = 256
"""That the server keeps at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """Of one call."""

    seconds: float = 2.0
    """By the wall clock; the processor's time is limited to as much, rounded up."""
    memory_mib: int = 256
    """Address space of the process, the interpreter's own (some 50 MiB) included."""
    output_bytes: int = 65_536
    """More than that is no result."""
    input_bytes: int = 1_048_576
    """Of code, a query or arguments."""

    def __post_init__(self) -> None:
        least = {"seconds": 0.01, "memory_mib": 96, "output_bytes": 1, "input_bytes": 1}
        for name, value in least.items():
            own, kind = getattr(self, name), "a number" if name == "seconds" else "a whole number"
            numeric = isinstance(own, int | float if name == "seconds" else int) and not isinstance(own, bool)
            if not numeric or not value <= own < float("inf"):
                raise ConfigError(f"sandbox.{name}", own, f"it must be {kind} of at least {value}")


class Ran(NamedTuple):
    """What came of a call."""

    text: str
    ok: bool
    why: str = ""
    """Where it is not ok: what went wrong, in one line."""


class Sandbox:
    """Runs calls, one at a time; may be shared by threads. The server starts with the first call, and again after it
    was lost. Use it in a ``with``, or ``close`` it.

    Args:
        functions: "module:function" of functions that ``call`` may run, imported by the server before the locks are on.

    Raises:
        InputError: a name in ``functions`` is no "module:function".
        ConfigError: on the first call: this machine cannot lock a process up, or a function cannot be imported.
    """

    def __init__(self, limits: SandboxLimits | None = None, functions: Sequence[str] = ()) -> None:
        self.limits = limits or SandboxLimits()
        self.functions = tuple(functions)
        for name in self.functions:
            need_function(name)
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server. Another call starts a new one."""
        with self._lock:
            self._drop()

    @property
    def layers(self) -> tuple[str, ...]:
        """What stands between a policy's code and this machine. Starts the server. Raises ConfigError."""
        with self._lock:
            return self._started().layers

    def python(self, code: str) -> Ran:
        """Run Python; the result is what it printed."""
        return self._ask({"kind": "python", "code": code})

    def sql(self, query: str, database: bytes) -> Ran:
        """Ask a SQLite database, given as the bytes of its file, read-only."""
        return self._ask({"kind": "sql", "query": query}, database)

    def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """Call one of ``functions`` with JSON-ready arguments."""
        return self._ask({"kind": "function", "name": function, "arguments": dict(arguments)})

    def _ask(self, request: dict[str, Any], database: bytes | None = None) -> Ran:
        try:
            size = len(json.dumps(request, ensure_ascii=False).encode())
        except (UnicodeEncodeError, TypeError, ValueError) as error:
            return Ran("", False, f"what was asked is no plain text: {' '.join(str(error).split())}")
        if size > self.limits.input_bytes:
            return Ran("", False, f"what was asked is too long: {size} bytes, at most {self.limits.input_bytes}")
        with self._lock:
            server = self._started()
            try:
                if database is not None:
                    request["name"] = server.load(database)
                reply, output = server.ask(request, self.limits.seconds + GRACE)
            except (OSError, EOFError, TimeoutError):
                self._drop()
                return Ran("", False, "the sandbox was lost during the call")
        return _ran(reply["status"], output, self.limits)

    def _started(self) -> _Server:
        if self._server is None:
            self._server = _Server(self.limits, self.functions)
        return self._server

    def _drop(self) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None


def _ran(status: str, output: bytes, limits: SandboxLimits) -> Ran:
    """The server's answer, in words."""
    if status == "timeout":
        return Ran("", False, f"stopped after {limits.seconds:g} s")
    if status == "large":
        return Ran("", False, f"the result is too large: more than {limits.output_bytes} bytes")
    if status not in ("done", "failed"):
        return Ran("", False, "the process ended before it had a result")
    printed, mark, why = output.rpartition(b"\x1e") if status == "failed" else (output, b"", b"")
    try:
        text = steady(printed.decode())
    except UnicodeDecodeError as error:
        return Ran("", False, f"the result is no UTF-8 text: byte {printed[error.start]:#04x} at {error.start}")
    if status == "done":
        return Ran(text.rstrip("\n"), True)
    return Ran(text.rstrip("\n"), False, " ".join(why.decode(errors="replace").split()) if mark else "it failed")


class _Server:
    """The other end: a process, and the two pipes to it."""

    def __init__(self, limits: SandboxLimits, functions: Sequence[str]) -> None:
        _check_machine(sys.platform, platform.machine())
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-S", "-B", "-X", "utf8", "-c", _START, str(Path(__file__).parents[2])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=self._folder.name,
            env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._end = weakref.finalize(self, _end, self._process, self._folder)
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self.layers = self._settle(limits, functions)

    def _settle(self, limits: SandboxLimits, functions: Sequence[str]) -> tuple[str, ...]:
        """Tell the server its settings; what it put up. Raises ConfigError."""
        numbers = {
            "seconds": limits.seconds,
            "output_bytes": limits.output_bytes,
            "memory_mib": limits.memory_mib,
            "cpu_seconds": math.ceil(limits.seconds),
        }
        path = [str(Path(place or ".").resolve()) for place in sys.path] if functions else []
        settings = {"limits": numbers, "functions": list(functions), "path": path, "folder": self._folder.name}
        try:
            reply, _ = self.ask(settings, STARTS)
            problem = reply["refused"]
        except (OSError, EOFError, TimeoutError) as error:
            reply, problem = {}, f"its process did not start ({type(error).__name__})"
        if problem:
            self.end()
            way_out = "tools that run code are off on this machine: it cannot lock them up"
            raise ConfigError("sandbox", " ".join(str(problem).split()), way_out)
        return tuple(reply["layers"])

    def load(self, database: bytes) -> str:
        """Give the server a database that it does not hold yet; its name there."""
        name = sha256(database).hexdigest()
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return name
        dropped = []
        while len(self._loaded) >= DATABASES:
            dropped.append(self._loaded.popitem(last=False)[0])
        write_frame(self._in, {"kind": "load", "name": name, "drop": dropped}, database)
        self._loaded[name] = None
        return name

    def ask(self, request: Mapping[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Raises OSError, EOFError or TimeoutError where no answer comes."""
        write_frame(self._in, request)
        deadline = time.monotonic() + seconds
        head = json.loads(self._read(self._length(deadline), deadline))
        return head, self._read(self._length(deadline), deadline)

    def _length(self, deadline: float) -> int:
        return struct.unpack("<I", self._read(4, deadline))[0]

    def _read(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._out], [], [], left)[0]:
                raise TimeoutError("no answer in time")
            part = os.read(self._out, min(count, 1 << 20))
            if not part:
                raise EOFError("the server is gone")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        self._end()


_START = "import sys; sys.path.insert(0, sys.argv[1]); from memrl.tools.inside.server import main; main()"


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    """Kill the server with all that it has made, and take its folder away."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
    folder.cleanup()


def _check_machine(system: str, machine: str) -> None:
    """Raises ConfigError where nobody can be locked up."""
    if system != "linux" or machine not in MACHINES:
        way_out = f"tools that run code need Linux on {' or '.join(MACHINES)}"
        raise ConfigError("sandbox", f"{system} on {machine}", way_out)


def need_function(name: str) -> None:
    """Raises InputError for what is no "module:function"."""
    module, colon, function = name.partition(":")
    if not module or not colon or not function:
        raise InputError(f"function {name!r}: write it as 'module:function'")
