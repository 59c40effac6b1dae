"""Tasks that were played before, to be played or edited again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from memrl.algos.priorities import replay_weights
from memrl.contracts.capabilities import Bounds
from memrl.contracts.types import Task
from memrl.curricula._skills import Skills

SIZE = 4000
ALIKE = 0.02
"""Most of ``SIZE`` that may have one signature."""
TEMPERATURE, STALENESS = 0.3, 0.2
PROGRESS = 0.5
"""Weight of learning progress beside learnability."""
FOCUS = 1.0
"""How much likelier the signature with the most unrepaired failures is drawn than one with none, less one."""


@dataclass(slots=True)
class Entry:
    """One task and what its last visit found."""

    task: Task
    signature: str
    bounds: Bounds
    learnability: float
    last: int
    """Step of the last visit."""


class Buffer:
    """At most ``size`` tasks, at most a share ``alike`` of them of one signature; the least learnable go first."""

    def __init__(self, size: int = SIZE, alike: float = ALIKE) -> None:
        self._size, self._most_alike = size, max(1, int(alike * size))
        self._entries: dict[Task, Entry] = {}
        self._alike: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    def visit(self, entry: Entry) -> None:
        """Enter a task, or score it anew."""
        if entry.task not in self._entries:
            self._alike[entry.signature] += 1
        self._entries[entry.task] = entry
        if self._alike[entry.signature] > self._most_alike:
            self._drop(lambda other: other.signature == entry.signature)
        if len(self._entries) > self._size:
            self._drop(lambda other: True)

    def pick(self, skills: Skills, now: int, rng: np.random.Generator, taken: set[Task]) -> Entry:
        """One entry: by rank of ``L + 0.5 LP`` and by age (Prioritized Level Replay), leaning to what fails most.

        It joins ``taken``, whose tasks are picked again only when there is no other: ranks are so sharp that one task
        would be most of a step otherwise. Raises IndexError if there is none.
        """
        if not self._entries:
            raise IndexError("the buffer is empty: visit a task first")
        entries = [entry for entry in self.entries if entry.task not in taken] or list(self.entries)
        scores = np.array([e.learnability + PROGRESS * skills.progress(e.signature) for e in entries])
        last = np.array([e.last for e in entries], dtype=float)
        weights = replay_weights(scores, last, now, TEMPERATURE, STALENESS)
        failing = {signature: skills.failing(signature) for signature in self._alike}
        weights *= np.array([1.0 + FOCUS * failing[e.signature] for e in entries])
        entry = entries[int(rng.choice(len(entries), p=weights / weights.sum()))]
        taken.add(entry.task)
        return entry

    def _drop(self, among: Callable[[Entry], bool]) -> None:
        """Take out the least learnable entry of those, the oldest visit first where several are."""
        worst = min(filter(among, self._entries.values()), key=lambda e: (e.learnability, e.last))
        del self._entries[worst.task]
        self._alike[worst.signature] -= 1
        if not self._alike[worst.signature]:
            del self._alike[worst.signature]

    def state_dict(self, to_json: Callable[[Task], Any]) -> list[list[Any]]:
        return [[to_json(e.task), e.signature, list(e.bounds), e.learnability, e.last] for e in self.entries]

    def load_state_dict(self, state: list[list[Any]], from_json: Callable[[Mapping[str, Any]], Task]) -> None:
        self._entries, self._alike = {}, Counter()
        for task, signature, bounds, learnability, last in state:
            entry = Entry(from_json(task), signature, Bounds(*bounds), learnability, last)
            self._entries[entry.task] = entry
            self._alike[signature] += 1
