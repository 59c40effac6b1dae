"""Python in a process of its own, without the seconds that its libraries take to load.

A server, one a test process, loads them once and forks for each script. Nothing of ours is loaded before the fork, so a
script imports memrl as a new interpreter would, and it ends as one does. To read a script's output while it runs, read
its ``out``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

ROOT = Path(__file__).parents[1]
SERVER = """
import gc, json, os, runpy, signal, sys, time
for name in ("torch", "transformers", "sentence_transformers", "trl.trainer.sft_trainer", "peft", "matplotlib.pyplot"):
    try:
        __import__(name)
    except ImportError:
        pass  # an extra that is not installed is missing in the script as well
gc.freeze()  # what is loaded is never looked through, and so never copied, by a child
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        ends = time.monotonic() + asked["seconds"]
        done, status = 0, 0
        while not done and time.monotonic() < ends:
            done, status = os.waitpid(asked["wait"], os.WNOHANG)
            time.sleep(0 if done else 0.01)
        print(json.dumps(os.waitstatus_to_exitcode(status) if done else None), flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    for number, name, how in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY), (2, "stderr", os.O_WRONLY)):
        os.dup2(os.open(asked[name], how), number)
    sys.stdin = open(0, closefd=False)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[:] = asked["argv"]
    added = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [asked["first"], *filter(None, added.split(os.pathsep))]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell started in the background
    if asked["code"] is not None:
        exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})
    elif asked["module"]:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(asked["argv"][0], run_name="__main__")
    break
"""


@dataclass(frozen=True, slots=True)
class Forked:
    """A script that runs."""

    pid: int
    out: Path
    err: Path

    def lines(self, count: int, seconds: float = 120) -> list[str]:
        """Wait for the first ``count`` whole lines of its output.

        Raises:
            TimeoutError: there are fewer.
        """
        ends = time.monotonic() + seconds
        while (text := self.out.read_text()).count("\n") < count:
            if time.monotonic() > ends:
                raise TimeoutError(f"no {count} lines after {seconds} s: {text}{self.err.read_text()}")
            time.sleep(0.01)
        return text.splitlines()[:count]

    def kill(self, end: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid, end)

    def wait(self, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """What it wrote once it has ended; its return code is negative where a signal ended it.

        Raises:
            TimeoutError: it has not ended.
        """
        code = _asked({"wait": self.pid, "seconds": seconds})
        if code is None:
            raise TimeoutError(f"process {self.pid} still runs: {self.err.read_text()}")
        return subprocess.CompletedProcess([], code, self.out.read_text(), self.err.read_text())


def start(
    *argv: str | Path,
    code: str | None = None,
    module: str = "",
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    text: str = "",
) -> Forked:
    """Start ``python FILE ...``, ``python -c CODE ...`` or ``python -m MODULE ...``.

    Args:
        argv: the file and its words; the words alone with ``code`` or ``module``.
        env: variables in place of those of this process, and beside them.
        text: what it can read from its standard input.
    """
    folder = Path(mkdtemp(dir=_folder().name))
    files = {name: folder / name for name in ("stdin", "stdout", "stderr")}
    for name, path in files.items():
        path.write_text(text if name == "stdin" else "")
    words = [str(word) for word in argv]
    first = str(cwd) if code is not None or module else str(Path(words[0]).parent)
    shown = ["-c", *words] if code is not None else [module, *words] if module else words
    told = {"argv": shown, "first": first, "code": code, "module": module, "cwd": str(cwd)}
    paths = {name: str(path) for name, path in files.items()}
    pid = _asked({**told, **paths, "env": {**os.environ, **(env or {})}})
    return Forked(pid, files["stdout"], files["stderr"])


def run(*argv: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """``start``, and wait."""
    return start(*argv, **how).wait()


def _asked(what: Mapping[str, object]) -> int | None:
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(what) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    """It ends with this process, whose end closes its input."""
    return subprocess.Popen([sys.executable, "-P", "-c", SERVER], stdin=-1, stdout=-1, text=True, cwd="/")


@cache
def _folder() -> TemporaryDirectory[str]:
    """Of all files; it goes with this process."""
    return TemporaryDirectory(prefix="forked-")
