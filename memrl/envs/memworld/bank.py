"""The novelty bank: how often which skills were asked for, and which tasks were accepted before."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memrl.contracts.errors import DataError


class Bank:
    """Counts accepted tasks by signature: all that there ever were, and the newest ``window`` of them."""

    def __init__(self, window: int = 4000) -> None:
        """``window``: tasks that count as recent. Raises ValueError below 1."""
        if window < 1:
            raise ValueError(f"window = {window!r}: it must be at least 1")
        self.window = window
        self.counts: Counter[str] = Counter()
        """Signature -> accepted tasks, ever."""
        self._recent: deque[tuple[str, str]] = deque()
        self._alike: Counter[str] = Counter()
        self._prints: Counter[str] = Counter()

    def __len__(self) -> int:
        """Accepted tasks, ever."""
        return self.counts.total()

    def __contains__(self, fingerprint: object) -> bool:
        """Whether a recent task has this fingerprint."""
        return fingerprint in self._prints

    def add(self, signature: str, fingerprint: str) -> None:
        """Enter one accepted task."""
        self.counts[signature] += 1
        self._recent.append((signature, fingerprint))
        self._alike[signature] += 1
        self._prints[fingerprint] += 1
        while len(self._recent) > self.window:
            old, old_print = self._recent.popleft()
            _less(self._alike, old)
            _less(self._prints, old_print)

    def alike(self, signature: str) -> int:
        """How many recent tasks have this signature."""
        return self._alike[signature]

    def penalty(self, signature: str) -> float:
        """The novelty penalty, in [0, 1]: the share of recent tasks that have this signature; 0 for an empty bank."""
        return self._alike[signature] / max(1, len(self._recent))

    @property
    def variety(self) -> int:
        """Different signatures among the recent tasks; an alarm watches it shrink."""
        return len(self._alike)

    def state_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        recent = [list(pair) for pair in self._recent]
        return {"window": self.window, "counts": dict(self.counts), "recent": recent}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become what ``state_dict`` saw."""
        self.__init__(state["window"])
        for signature, fingerprint in state["recent"]:
            self.add(signature, fingerprint)
        self.counts = Counter(state["counts"])

    @classmethod
    def from_log(cls, path: Path, window: int = 4000) -> Bank:
        """A bank of the accepted tasks in a log of ``append_line``; an empty one if there is no such file.

        A last line that was cut off by a crash is passed over. Raises DataError for any other bad line.
        """
        bank = cls(window)
        if not path.exists():
            return bank
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                if row["accepted"]:
                    bank.add(row["signature"], row["fingerprint"])
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines) and not line.endswith("\n"):
                    break
                raise DataError(f"{path}, line {number}: no judgement ({error}); mend or delete the line") from error
        return bank


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line, as ``Judgement.to_json`` makes it; a line cut off by a crash is ended first."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                _drop_torn_line(file)
        file.write(json.dumps(row).encode() + b"\n")


def _drop_torn_line(file: Any) -> None:
    """Cut the file back to its last whole line."""
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
