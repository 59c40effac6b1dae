"""Edit operators: a step from a task to a neighbour, as ACCEL edits the levels that it replays.

A theta's neighbours are all legal. An edited program may be anything; the gates judge it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from memrl.contracts.errors import ConfigError
from memrl.envs.memworld.program import Program
from memrl.envs.memworld.task_json import program_to_json
from memrl.envs.memworld.theta import PLANNED, Theta

_RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
_WEIGHTS = (0.0, 1.0, 2.0, 3.0)
_SIZES = (0, 1, 2, 3, 4, 6, 8, 10, 12)
LEVELS: dict[str, tuple[float, ...]] = {
    "horizon": (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512),
    "objects": _SIZES,
    "carried": _SIZES,
    "people": _SIZES,
    "plans": (0, 1, 2, 3, 4, 6),
    "places": (2, 3, 4, 6, 8, 12, 16),
    "hops": (1, 2, 3),
    "link_kinds": (1, 2),
    "questions": (1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48),
    "delay": (0, 2, 4, 8, 16, 32, 64, 128),
    "distractor_level": (0, 1, 2, 3),
    "days": (0, 2, 4, 6, 10),
    "update_rate": _RATES,
    "retract_rate": _RATES,
    "contradict_rate": _RATES,
    "alias_rate": _RATES,
    "wait_rate": _RATES,
    "unanswerable_rate": _RATES,
    "ask_latest": _WEIGHTS,
    "ask_day": _WEIGHTS,
    "ask_path": _WEIGHTS,
    "ask_count": _WEIGHTS,
    "ask_act": _WEIGHTS,
}
"""Axis -> its levels, from low to high."""


def levels_of(theta: Theta) -> dict[str, tuple[float, ...]]:
    """Axis -> its levels, of the axes that move from this theta on: those of plans stay 0 where it has none."""
    return {name: levels for name, levels in LEVELS.items() if theta.plans or name not in PLANNED}


_Json = dict[str, Any]
_Edit = Callable[[list[_Json], np.random.Generator], None]


def neighbours(theta: Theta) -> list[Theta]:
    """Every legal theta one level away on one axis, in the order of ``levels_of``, lower before higher."""
    found: list[Theta] = []
    for name, levels in levels_of(theta).items():
        here = getattr(theta, name)
        below, above = [v for v in levels if v < here], [v for v in levels if v > here]
        for value in (*below[-1:], *above[:1]):
            try:
                found.append(replace(theta, **{name: value}))
            except ConfigError:
                continue
    return found


def edit_theta(theta: Theta, rng: np.random.Generator) -> Theta:
    """One axis moved by one level. Always another theta, always legal."""
    options = neighbours(theta)
    return options[int(rng.integers(len(options)))]


def edit_program(program: Program, rng: np.random.Generator) -> _Json:
    """A program's JSON with one event inserted, deleted or told twice, or one question moved later.

    Sizes and calendar are kept true; all else may be wrong, such as no question left or too little room.
    """
    data = deepcopy(program_to_json(program))
    edits: tuple[_Edit, ...] = (insert_event, delete_event, duplicate_event, ask_later)
    edits[int(rng.integers(len(edits)))](data["events"], rng)
    asked = sum(event["kind"].startswith("ask_") for event in data["events"])
    data["theta"].update(horizon=len(data["events"]), questions=asked)
    return data


def insert_event(events: list[_Json], rng: np.random.Generator) -> None:
    """Put a change of a fact, a lie about it, a question about its subject or a pause somewhere after its telling."""
    facts = [i for i, event in enumerate(events) if event["kind"] in ("assert", "update")]
    at = int(rng.integers(1, len(events) + 1))
    kind = ("update", "contradict", "ask_latest", "wait")[int(rng.integers(4))]
    if not facts or kind == "wait":
        _put(events, at, {"kind": "wait"}, rng)
        return
    fact = events[facts[int(rng.integers(len(facts)))]]
    value = events[facts[int(rng.integers(len(facts)))]]["value"]
    own: dict[str, _Json] = {
        "update": {"subject": fact["subject"], "value": value, "actor": fact["actor"]},
        "contradict": {"subject": fact["subject"], "relation": "location", "value": value},
        "ask_latest": {"subject": fact["subject"]},
    }
    _put(events, at, {"kind": kind, **own[kind]}, rng)


def delete_event(events: list[_Json], rng: np.random.Generator) -> None:
    """Take one event away."""
    del events[int(rng.integers(len(events)))]


def duplicate_event(events: list[_Json], rng: np.random.Generator) -> None:
    """Tell or ask one event again, in other words, anywhere after it."""
    of = int(rng.integers(len(events)))
    _put(events, int(rng.integers(of + 1, len(events) + 1)), dict(events[of]), rng)


def ask_later(events: list[_Json], rng: np.random.Generator) -> None:
    """Move one question to a later step; the last event stays where it is."""
    asked = [i for i, event in enumerate(events[:-1]) if event["kind"].startswith("ask_")]
    if not asked:
        return
    event = events.pop(asked[at := int(rng.integers(len(asked)))])
    _put(events, int(rng.integers(asked[at] + 1, len(events) + 1)), event, rng)


def _put(events: list[_Json], at: int, event: _Json, rng: np.random.Generator) -> None:
    """Insert with the day of the event before and words of its own."""
    day = events[at - 1]["day"] if events else 0
    events.insert(at, {**event, "day": day, "wording": int(rng.integers(1_000_000))})
