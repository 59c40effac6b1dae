"""The sandbox's process: answers calls one after the other, through children that are locked.

    caller ── frame ──> server ── frame ──> child: locked, waits, runs the program, prints
           <── frame ──        <── pipe ──

The server never runs what a policy wrote. A child has nothing of the server's open but its two pipes. Nothing of a call
is left for the next: memory, files (there are none) and processes (none can be made) end with the child.
"""

from __future__ import annotations

import _socket
import gc
import io
import json
import os
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from memrl.tools.inside import kernel, programs
from memrl.tools.inside.child import Child, many_queries, one_call, printed
from memrl.tools.inside.frames import read_bytes, read_frame, write_frame

ASKS, ANSWERS = 100, 101
"""File descriptors of the pipes to the caller."""
SHORT = 400
"""Characters of code that may be tried as ``programs.plain``: little enough to parse in no time."""
AHEAD = 2
"""Children that are made before they are needed."""


class Server:
    """See the module.

    Args:
        limits: of one call: seconds, output_bytes, memory_mib, cpu_seconds.
        functions: name -> what the user wants called in here.
    """

    def __init__(self, limits: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.limits = limits
        self._one_call = partial(one_call, functions)
        self._databases: dict[str, bytes] = {}
        self._waiting: deque[Child] = deque()
        self._asker: Child | None = None
        # Made here once: a child that made them itself would touch more memory, which is what a fork costs.
        sys.stdin = io.StringIO()
        sys.stdout = sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "wb", False)), "utf-8")
        sys.__stdout__ = sys.__stderr__ = sys.stdout

    def serve(self) -> None:
        """Until nobody calls any more."""
        while (request := read_frame(ASKS)) is not None:
            if request["kind"] == "load":
                for name in request["drop"]:
                    self._databases.pop(name, None)
                self._databases[request["name"]] = read_bytes(ASKS) or b""
                continue
            short = request["kind"] == "python" and len(request["code"]) <= SHORT
            if short or request["kind"] == "sql":
                status, output = self._steadily(request)
                if not short or status not in ("other", "crashed"):
                    write_frame(ANSWERS, {"status": status}, output)
                    continue
            self._call(request)

    def _call(self, request: Mapping[str, Any]) -> None:
        """In the child that has waited longest; then see to the next, while the caller goes on."""
        while len(self._waiting) < AHEAD:
            self._waiting.append(Child(self.limits, self._one_call))
        child = self._waiting.popleft()
        try:
            write_frame(child.to, request)
            status, output = child.output()
        except OSError:
            status, output = "crashed", b""
        if status == "crashed":
            status = "timeout" if child.end() else "crashed"
            write_frame(ANSWERS, {"status": status}, output)
        else:
            write_frame(ANSWERS, {"status": status}, output)
            child.end()
        self._waiting.append(Child(self.limits, self._one_call))

    def _steadily(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        """In the child that answers many, made anew where it was stopped or holds too much."""
        name = request.get("name")
        database = self._databases[name] if name is not None else b""
        most = self.limits["memory_mib"] * kernel.MiB // 4
        child = self._asker
        if child is None or sum(child.loaded.values()) + len(database) > most:
            if child is not None:
                child.end()
            child = self._asker = Child(self.limits, many_queries, cpu=False)
        try:
            if name is not None and name not in child.loaded:
                write_frame(child.to, {"kind": "load", "name": name}, database)
                child.loaded[name] = len(database)
            write_frame(child.to, request)
            ended, output = child.output(_is_whole)
        except OSError:
            ended, output = "crashed", b""
        if (found := _taken_apart(output)) is not None:
            return found
        self._asker = None
        child.end()
        return ended, b""

    def tested(self) -> str:
        """What a locked child can do that it must not, in words; empty where the fences hold."""
        child = Child(self.limits, lambda: printed(partial(probe, self.limits["memory_mib"])))
        ended, output = child.output()
        child.end()
        said = output.decode(errors="replace").strip("\x1e\n")
        return said if ended == "done" else f"a locked process cannot work ({ended}) {said}"


def _is_whole(data: bytes) -> bool:
    return _taken_apart(data) is not None


def _taken_apart(data: bytes) -> tuple[str, bytes] | None:
    """Status and output of a child's answer in frames; None where it is not all there."""
    if len(data) < 4:
        return None
    head = 4 + struct.unpack("<I", data[:4])[0]
    if len(data) < head + 4 or len(data) < head + 4 + struct.unpack("<I", data[head : head + 4])[0]:
        return None
    return json.loads(data[4:head])["status"], data[head + 4 :]


def probe(memory_mib: int) -> None:
    """Try what must fail, without Python's own fence, and print what did not."""

    def process() -> None:
        if os.fork() == 0:
            os._exit(0)

    attempts: dict[str, Callable[[], object]] = {
        "opens a folder": lambda: os.open("/", os.O_RDONLY),
        "opens a socket": lambda: _socket.socket(),
        "makes a process": process,
        "sends a signal": lambda: os.kill(os.getppid(), 0),
        "gets more memory than it may have": lambda: bytearray(memory_mib * kernel.MiB),
    }
    for what, attempt in attempts.items():
        try:
            attempt()
        except (OSError, MemoryError):
            continue
        print(f"a locked process {what}")


def main() -> None:
    """Read the settings, put up what holds for all calls, show that it holds, and serve."""
    os.dup2(0, ASKS)
    os.dup2(1, ANSWERS)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    settings = read_frame(ASKS)
    assert settings is not None
    layers: list[str] = []
    try:
        programs.load()
        sys.path += settings["path"]
        functions = {name: _function(name) for name in settings["functions"]}
        kernel.prepare()
        layers = _outer_fences(settings["folder"])
        server = Server(settings["limits"], functions)
        programs.warm_up()
        gc.collect()
        gc.freeze()
        problem = server.tested()
    except (kernel.Refused, OSError, ImportError, AttributeError) as error:
        server, problem = None, f"{error}"
    write_frame(ANSWERS, {"refused": problem, "layers": layers}, b"")
    if server is not None and not problem:
        server.serve()


def _function(name: str) -> Callable[..., Any]:
    """Of "module:function"; one that a decorator made a tool of is taken out of it."""
    module, _, attribute = name.partition(":")
    function: Any = import_module(module)
    for step in attribute.split("."):
        function = getattr(function, step)
    return getattr(function, "function", function)


def _outer_fences(folder: str) -> list[str]:
    """For the server and all its children; those that were put up. The caller's process waits for the server's."""
    kernel.no_new_privileges()
    layers = ["seccomp", "limits", *kernel.namespaces()]
    server = os.fork()
    if server:
        os.closerange(0, 1 << 16)
        os.waitpid(server, 0)
        os._exit(0)
    kernel.die_with_parent()
    if kernel.empty_root(folder):
        layers.append("empty root")
    kernel.drop_capabilities()
    if kernel.landlock():
        layers.append("landlock")
    return layers
