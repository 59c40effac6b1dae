"""The generating process, started when it is first needed and once a process of ours."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any


class Worker:
    """Hands jobs to ``generate``, one after the other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._errors: Any = None
        atexit.register(self.stop)

    def fault(self, job: dict[str, Any], seconds: float) -> str:
        """Have a job done; what went wrong, in a line, or nothing."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(f"{json.dumps(job)}\n")
                process.stdin.flush()
            except OSError:
                return self._ended()
            with selectors.DefaultSelector() as waiting:
                waiting.register(process.stdout, selectors.EVENT_READ)
                if not waiting.select(seconds):
                    self.stop()
                    return f"it takes longer than env.options.seconds = {seconds:g}"
            line = process.stdout.readline()
            return json.loads(line)["fault"] if line else self._ended()

    def stop(self) -> None:
        """End the process; the next job starts another."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            roots = (str(Path(__file__).parents[3]), *sys.path)
            self._owner, self._errors = os.getpid(), tempfile.TemporaryFile("w+")  # noqa: SIM115  lives as long as it
            self._process = subprocess.Popen(
                [sys.executable, "-m", "memrl.envs.textworld.generate"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, roots))},
            )
        return self._process

    def _ended(self) -> str:
        """Why a process ended that should not have."""
        assert self._process is not None
        code = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        self.stop()
        return lines[-1][:300] if lines else f"the interpreter ended with {code}"


WORKER = Worker()
