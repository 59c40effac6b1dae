"""What a task exercises: a coarse signature of its skills, and a fingerprint that only the same events share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from memrl.envs.memworld import backward
from memrl.envs.memworld.events import (
    Alias,
    AskAct,
    AskCount,
    AskPath,
    Assert,
    Cancel,
    Distract,
    Event,
    Link,
    Plan,
    Query,
    Retract,
    Unlink,
    form,
)
from memrl.envs.memworld.program import Program
from memrl.envs.memworld.theta import FLAVOURS

_DELAYS = (4, 16, 64)
_CHANGES = (0, 4)
_SHARES = (0.05, 0.25)
_PRESSURES = (0.5, 1.0)


class Skill(NamedTuple):
    """What one question takes. Buckets count from 0."""

    form: str
    """latest, day, path1 to path3, count, act; "unanswerable" where "unknown" is right."""
    delay: int
    """0 for up to 4 steps since the newest fact that the answer rests on, 1 up to 16, 2 up to 64, 3 beyond."""
    changes: int
    """How often the asked facts had another value before: 0 never, 1 up to 4 times, 2 more."""
    alias: bool
    """Whether a second name must be known."""

    @property
    def key(self) -> str:
        """Such as ``latest.d1.c0`` or ``path2.d2.c1.a``."""
        return f"{self.form}.d{self.delay}.c{self.changes}{'.a' if self.alias else ''}"


class Signature(NamedTuple):
    """The skills of one task, coarse enough for another seed of the same theta to share it often."""

    skills: tuple[tuple[str, int], ...]
    """(form with the bucket of its median delay and of its median changes, log2 of how many questions), by name."""
    noise: tuple[int, ...]
    """For each level of distractors: 0 under 5 % of the steps, 1 up to 25 %, 2 more."""
    alias: bool
    """Whether a question needs a second name."""
    pressure: int
    """Most tokens that the answers need held at one step, against the budget: 0 up to half, 1 all of it, 2 more."""

    @property
    def key(self) -> str:
        """One line, the key of a bank."""
        skills = "+".join(f"{name}x{2**count}" for name, count in self.skills)
        return f"{skills}|n{''.join(map(str, self.noise))}|{'a' if self.alias else '-'}|p{self.pressure}"


def skills_of(program: Program) -> dict[int, Skill]:
    """Step of every question -> its skill."""
    supports = backward.supports(program.events)
    names = _one_name_each(program)
    return {query.step: _skill(program, query, supports[query.step], names) for query in program.queries}


def signature_of(program: Program, budget: int, cost: Callable[[str], int]) -> Signature:
    """The task's signature under ``budget`` tokens of memory; ``cost`` is the tokens of a text."""
    skills = list(skills_of(program).values())
    forms = sorted({skill.form for skill in skills})
    return Signature(
        skills=tuple(_summary(name, [skill for skill in skills if skill.form == name]) for name in forms),
        noise=_noise(program),
        alias=any(skill.alias for skill in skills),
        pressure=_bucket(_peak(program, cost) / max(1, budget), _PRESSURES),
    )


def fingerprint(program: Program) -> str:
    """32 hex digits that two programs share if they tell and ask the same in the same order, however worded."""
    events = tuple(replace(event, wording=0) for event in program.events)
    return sha256(repr((program.split, events)).encode()).hexdigest()[:32]


def _bucket(value: float, edges: tuple[float, ...]) -> int:
    """How many edges the value lies above."""
    return sum(value > edge for edge in edges)


def _summary(name: str, skills: list[Skill]) -> tuple[str, int]:
    delay = int(np.median([skill.delay for skill in skills]))
    changes = int(np.median([skill.changes for skill in skills]))
    return f"{name}.d{delay}.c{changes}", len(skills).bit_length() - 1


def _one_name_each(program: Program) -> dict[str, str]:
    return {event.alias: event.subject for event in program.events if isinstance(event, Alias)}


def _skill(program: Program, query: Query, steps: frozenset[int], names: dict[str, str]) -> Skill:
    facts = [step for step in steps if not isinstance(program.events[step], Alias)]
    keys = {_key(program.events[step], names) for step in facts} or _asked(query, names)
    told = sum(_key(event, names) in keys for event in program.events[: query.step])
    return Skill(
        form=form(query) if steps else "unanswerable",
        delay=_bucket(query.step - max(facts), _DELAYS) if facts else 0,
        changes=_bucket(max(0, told - len(facts)), _CHANGES),
        alias=any(isinstance(program.events[step], Alias) for step in steps),
    )


def _key(event: Event, names: dict[str, str]) -> tuple[str, str] | None:
    """The (subject, relation) or the signal's plan that an event changes; None if it changes nothing."""
    if isinstance(event, Assert | Link | Retract | Unlink):
        return names.get(event.subject, event.subject), event.relation
    if isinstance(event, Plan | Cancel):
        return event.signal, "plan"
    return None


def _asked(query: Query, names: dict[str, str]) -> set[tuple[str, str] | None]:
    """The facts that a question without an answer asks for first."""
    if isinstance(query, AskCount):
        return set()
    if isinstance(query, AskAct):
        return {(query.signal, "plan")}
    relation = query.relations[0] if isinstance(query, AskPath) else "location"
    return {(names.get(query.subject, query.subject), relation)}


def _noise(program: Program) -> tuple[int, ...]:
    flavours = Counter(event.flavour for event in program.events if isinstance(event, Distract))
    return tuple(_bucket(flavours[flavour] / len(program.events), _SHARES) for flavour in FLAVOURS)


def _peak(program: Program, cost: Callable[[str], int]) -> int:
    """Most tokens held at one step if every question is to be answered and nothing else is kept."""
    last: dict[int, int] = {}
    for query, steps in backward.supports(program.events).items():
        for step in steps:
            last[step] = max(query, last.get(step, query))
    used = np.zeros(len(program.events), dtype=np.int64)
    for step, end in last.items():
        used[step : end + 1] += cost(program.texts[step])
    return int(used.max(initial=0))
