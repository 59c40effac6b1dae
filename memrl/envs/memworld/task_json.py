"""MemWorld tasks as JSON: a theta with a seed, or a whole event program. Reading checks; it never executes anything.

A program's JSON has ``events`` (each with its ``kind`` and fields; its step is its position) and, if one likes,
``theta``, ``cast``, ``seed`` and ``split``. What is left out is read off the events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from itertools import pairwise
from typing import Any

from memrl.contracts.types import Split, Task
from memrl.envs.memworld import backward
from memrl.envs.memworld.author import Cast
from memrl.envs.memworld.described import cast_of, theta_of
from memrl.envs.memworld.events import QUERIES, Alias, Assert, Event
from memrl.envs.memworld.names import NUMBERS, is_person
from memrl.envs.memworld.program import Program, Written, agreed, as_theta, told_forward, written
from memrl.envs.memworld.schema_check import check, wrong
from memrl.envs.memworld.schemas import KINDS, PROGRAM_SCHEMA, SCHEMAS, THETA_SCHEMA, program_schema
from memrl.envs.memworld.theta import Theta

__all__ = [
    "PROGRAM_SCHEMA", "THETA_SCHEMA", "drafted", "program_from_json", "program_schema", "program_to_json",
    "task_from_json", "task_to_json", "theta_from_json", "theta_to_json", "without_cell",
]  # fmt: skip

_KIND_OF = {cls: kind for kind, cls in KINDS.items()}
_SPLITS = {"enum": list(SCHEMAS)}
_TASK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "theta": THETA_SCHEMA,
        "seed": PROGRAM_SCHEMA["properties"]["seed"],
        "split": _SPLITS,
        "cell": {"type": "string"},
    },
    "required": ["theta", "seed"],
    "additionalProperties": False,
}


def theta_to_json(theta: Theta) -> dict[str, Any]:
    """Every axis by its name."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(theta).items()}


def theta_from_json(data: object) -> Theta:
    """Inverse of ``theta_to_json``; axes left out keep their default. Raises ConfigError that names the axis."""
    check(THETA_SCHEMA, data, "theta")
    assert isinstance(data, Mapping)
    return Theta.from_mapping(data)


def program_to_json(program: Program) -> dict[str, Any]:
    """The program without texts and answers, which follow from the rest. ``json.dumps`` takes it as it is."""
    cast: dict[str, Any] = {each.name: list(getattr(program.cast, each.name)) for each in fields(Cast)}
    cast["aliases"] = [list(pair) for pair in program.cast.aliases]
    return {
        "split": program.split,
        "seed": program.seed,
        "theta": theta_to_json(program.theta),
        "cast": cast,
        "events": [_event_to_json(event) for event in program.events],
    }


def program_from_json(data: object) -> Program:
    """Inverse of ``program_to_json``, exactly; texts and answers are made anew.

    Raises ConfigError that names the field, also where the two trackers disagree about a question.
    """
    program = drafted(data)
    try:
        agreed(program.answers, backward.answers(program.events))
    except RuntimeError as error:
        way_out = f"{error}; its events are ambiguous, such as one second name of two things"
        raise wrong("program.events", data, way_out) from error
    return program


def drafted(data: object) -> Program:
    """``program_from_json`` with the forward tracker's answers, not yet compared with the other's."""
    check({"type": "object", "properties": {"split": _SPLITS}}, data, "program")
    assert isinstance(data, Mapping)
    split: Split = data.get("split", "train")
    check(SCHEMAS[split], data, "program")
    events = tuple(_event_from_json(event, step) for step, event in enumerate(data["events"]))
    theta = theta_from_json(data["theta"]) if "theta" in data else None
    _check_events(events, theta)
    cast = _cast_from_json(data["cast"]) if "cast" in data else cast_of(events)
    return told_forward(theta or theta_of(events), data.get("seed", 0), split, cast, events)


def task_to_json(task: Task) -> dict[str, Any]:
    """A MemWorld task: its program if somebody wrote one, else its theta and seed."""
    if isinstance(task.theta, Written):
        return {**program_to_json(task.theta.program), "cell": task.cell}
    theta = theta_to_json(as_theta(task.theta))
    return {"theta": theta, "seed": task.seed, "split": task.split, "cell": task.cell}


def task_from_json(data: object) -> Task:
    """Inverse of ``task_to_json``. Raises ConfigError that names the field."""
    if isinstance(data, Mapping) and "events" in data:
        bare, cell = without_cell(data)
        return written(program_from_json(bare), cell)
    check(_TASK_SCHEMA, data, "task")
    assert isinstance(data, Mapping)
    theta, split = theta_from_json(data["theta"]), data.get("split", "train")
    return Task(env="memworld", theta=theta, seed=data["seed"], split=split, cell=data.get("cell", ""))


def without_cell(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A written task's JSON as a program's JSON, and the name of its cell."""
    cell = data.get("cell", "")
    check({"type": "string"}, cell, "task.cell")
    return {name: value for name, value in data.items() if name != "cell"}, cell


def _cast_from_json(data: Mapping[str, Any]) -> Cast:
    names: dict[str, Any] = {name: tuple(listed) for name, listed in data.items()}
    names["aliases"] = tuple((thing, alias) for thing, alias in data["aliases"])
    return Cast(**names)


def _event_to_json(event: Event) -> dict[str, Any]:
    own = {name: value for name, value in asdict(event).items() if name != "step"}
    own = {name: list(value) if isinstance(value, tuple) else value for name, value in own.items()}
    return {"kind": _KIND_OF[type(event)], **own}


def _event_from_json(data: Mapping[str, Any], step: int) -> Event:
    own = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items() if name != "kind"}
    return KINDS[data["kind"]](**{"step": step, "wording": 0, **own})


def _check_events(events: Sequence[Event], theta: Theta | None) -> None:
    """What no schema can say: the calendar, the counts, and that theta tells the truth about the size."""
    asked = sum(isinstance(event, QUERIES) for event in events)
    if not asked:
        raise wrong("program.events", events, "nothing is asked; add an event of an ask_ kind")
    for before, event in pairwise(events):
        if event.day < before.day:
            raise wrong(f"program.events[{event.step}].day", event.day, f"the day before it is {before.day} already")
    if len(_located(events)) >= len(NUMBERS):
        raise wrong("program.events", events, f"at most {len(NUMBERS) - 1} things may have a place")
    if theta is None:
        return
    for name, real in (("horizon", len(events)), ("questions", asked)):
        if getattr(theta, name) != real:
            raise wrong(f"program.theta.{name}", getattr(theta, name), f"the events make it {real}; write that")


def _located(events: Sequence[Event]) -> set[str]:
    """Names that count as one thing each; a second name does once it is used before it is introduced."""
    introduced, found = set[str](), set[str]()
    for event in events:
        if isinstance(event, Alias):
            introduced.add(event.alias)
        elif isinstance(event, Assert) and not is_person(event.subject) and event.subject not in introduced:
            found.add(event.subject)
    return found
