"""What an ideal memory holds, in few words: the facts that later questions need, each with the value that holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from memrl.envs.memworld import oracles
from memrl.envs.memworld.events import Alias, Assert, Event, Link, Plan, step_of
from memrl.envs.memworld.program import Program


def ideal_memory(program: Program, step: int, budget: int, cost: Callable[[str], int]) -> tuple[str, ...]:
    """Its lines after ``step``, the newest fact first: those of ``oracles.plan`` for such lines under ``budget``."""
    brief = replace(program, texts=tuple(map(brief_line, program.events)))
    ends = {step_of(name): end for name, end in oracles.plan(brief, budget, cost).items()}
    return tuple(brief.texts[told] for told in sorted(ends, reverse=True) if told <= step < ends[told])


def brief_line(event: Event) -> str:
    """A fact in as few words as it takes ("lantern: attic", "siren: lantern to Ana"); empty for what states none."""
    match event:
        case Assert(subject=subject, value=value):
            line = f"{subject}: {value}"
        case Link(subject=subject, relation=relation, value=value):
            line = f"{subject} {relation}: {value}"
        case Alias(subject=subject, alias=alias):
            line = f"{alias}: {subject}"
        case Plan(subject=subject, signal=signal, value=value):
            line = f"{signal}: {subject} to {value}"
        case _:
            return ""
    return f"day {event.day} {line}" if event.day else line
