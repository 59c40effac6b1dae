"""A task on its way from being chosen to being scored, and the row that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from memrl.algos.task_reward import learnability, normalised
from memrl.contracts.capabilities import Bounds
from memrl.contracts.generation import Proposal
from memrl.contracts.types import Group, Task

SOURCES = ("replay", "edit", "fresh", "anchor", "proposed")
"""Where a task may come from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A task that was drawn and is not yet played."""

    task: Task
    source: str
    signature: str
    bounds: Bounds
    fingerprint: str = ""
    penalty: float = 0.0
    """For want of novelty, in [0, 1], as it was when the task was judged."""
    proposal: Proposal | None = None


class Score(NamedTuple):
    """What the tries at a task came to."""

    success: float
    """p, mean over the tries."""
    q: float
    """Between guessing and the best keeper, in [0, 1]."""
    learnability: float
    tries: int


def score(group: Group, bounds: Bounds) -> Score | None:
    """The group's score; None where the environment failed in every try."""
    episodes = group.usable
    if not episodes:
        return None
    success = sum(episode.success for episode in episodes) / len(episodes)
    q = normalised(success, bounds.floor, bounds.ceiling)
    return Score(success, q, learnability(q, len(episodes)), len(episodes))


def visit_row(step: int, drawn: Drawn, group: Group, found: Score, task: Mapping[str, Any]) -> dict[str, Any]:
    """One row of ``tasks.jsonl`` for a task that was played."""
    return {
        "step": step,
        "source": drawn.source,
        "accepted": True,
        "gate": "",
        "reason": "",
        "signature": drawn.signature,
        "fingerprint": drawn.fingerprint,
        "bounds": list(drawn.bounds),
        "q": found.q,
        "success": found.success,
        "learnability": found.learnability,
        "tries": found.tries,
        "practice": all(episode.practice for episode in group.episodes),
        "reward": None,
        "task": dict(task),
    }


def reject_row(step: int, source: str, judged: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """One row of ``tasks.jsonl`` for a candidate that was turned away; ``judged`` is ``Judged.to_json()``."""
    unplayed = dict.fromkeys(("q", "success", "learnability", "reward"))
    return {**judged, "accepted": False, "step": step, "source": source, **unplayed, "tries": 0, "task": dict(task)}
