"""Short views of memory with a question and its answer: what a reader is warmed up on before any memory is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from memory_stores.pattern_linker import PatternLinker
from memrl.contracts.capabilities import ReadingLesson
from memrl.contracts.types import Task
from memrl.envs.memworld import backward, forward
from memrl.envs.memworld.events import UNKNOWN, Assert, Contradict, Distract, Event, Link, Plan, Query, Retract, Unlink
from memrl.envs.memworld.program import Program, program_of

SUPPORTED = 0.95
"""Share of the views that hold what the question needs."""
_AS_EDGES = 0.25
"""Share of the views whose facts are written as edges, where the world has links at all."""
_RIVAL_FACTS = 0.7
"""Share of the facts about other things that are drawn to the front: what a decent memory holds beside the answer."""
_RELATED = 0.15
"""Share of the lines about what the question is about that are: old values, hearsay, look-alikes. A reader that meets
many of these before it can bind a thing to its place learns to name whatever place comes last."""
_ASKED = 4
"""Questions over one view, at the most: a language model reads it once for all of them."""
_LINKER = PatternLinker()


def sample_views(task: Task, rng: np.random.Generator, count: int, budget_lines: int) -> list[ReadingLesson]:
    """``count`` lessons on views of one task: 1 to ``budget_lines`` lines each, long ones more often, the last edit
    last. Lessons over one view follow one another, four at the most.

    The answer is the exact reader's on those very lines: an old value where only the old one is in view,
    "unknown" where nothing is. A question that needs more lines than there are is taken as unsupported.
    """
    if budget_lines < 1:
        raise ValueError(f"budget_lines = {budget_lines!r}: it must be at least 1")
    program = program_of(task)
    needs = backward.supports(program.events)
    lessons: list[ReadingLesson] = []
    while len(lessons) < count:
        lessons += _lessons(program, needs, rng, budget_lines)
    return lessons[:count]


def _lessons(
    program: Program, needs: dict[int, frozenset[int]], rng: np.random.Generator, budget_lines: int
) -> list[ReadingLesson]:
    """A view that was drawn for one question, and what else can be asked over it."""
    query = program.queries[rng.integers(len(program.queries))]
    needed = needs[query.step]
    supported = rng.random() < SUPPORTED and len(needed) <= budget_lines
    least = max(1, len(needed)) if supported else 1
    # The larger of two draws: a memory in use is full more often than not, and full views are what misleads a reader.
    size = int(rng.integers(least, budget_lines + 1, size=2).max())
    steps = set(needed) if supported else set[int]()
    others = _others(program, query, needed, rng)
    steps.update(others[: size - len(steps)])
    told = program.told(steps, query.step)
    as_edges = program.theta.ask_path > 0 and rng.random() < _AS_EDGES
    lines = tuple(_line(program, event.step, as_edges) for event in told)
    asked = [query, *_also_asked(program, told, query, rng)]
    return [ReadingLesson(lines, program.texts[q.step], forward.answer(told, q)) for q in asked]


def _also_asked(program: Program, told: Sequence[Event], first: Query, rng: np.random.Generator) -> list[Query]:
    """What else the task asks, over the same lines: as often supported as first questions are."""
    other = {asked: q for q in program.queries if (asked := _timeless(q)) != _timeless(first)}
    shuffled = [list(other.values())[i] for i in rng.permutation(len(other))]
    known = [q for q in shuffled if forward.answer(told, q) != UNKNOWN]
    unknown = [q for q in shuffled if forward.answer(told, q) == UNKNOWN]
    drawn = (known if rng.random() < SUPPORTED else unknown for _ in range(_ASKED - 1))
    return [queue.pop() for queue in drawn if queue]


def _timeless(query: Query) -> Query:
    """What is asked, whenever and in whatever words."""
    return replace(query, step=0, day=0, wording=0)


def _others(program: Program, query: Query, needed: frozenset[int], rng: np.random.Generator) -> list[int]:
    """Steps told before the query that it does not need, in the order in which they enter the view."""
    steps = [e.step for e in program.events[: query.step] if e.step not in needed and e.step not in program.answers]
    about = {name for step in needed for name in _names(program, step)} | {getattr(query, "subject", "")}
    order = rng.random(len(steps))
    for i, step in enumerate(steps):
        related = bool(about & _names(program, step))
        is_fact = isinstance(program.events[step], Assert | Link)
        if rng.random() < (_RELATED if related else _RIVAL_FACTS * is_fact):
            order[i] -= 1.0
    return [steps[i] for i in np.argsort(order)]


def _names(program: Program, step: int) -> set[str]:
    """What an event is about: the thing or person, not the place."""
    match program.events[step]:
        case Assert(subject=name) | Link(subject=name) | Retract(subject=name) | Unlink(subject=name):
            return {name}
        case Contradict(subject=name) | Distract(thing=name) | Plan(subject=name):
            return {name}
        case _:
            return set()


def _line(program: Program, step: int, as_edge: bool) -> str:
    """The observation's text, or the edge that the linker finds in it where that edge is the fact itself."""
    event, text = program.events[step], program.texts[step]
    if as_edge and not event.day and isinstance(event, Assert | Link):
        for edge in _LINKER.link(text):
            if (edge.subject, edge.object, edge.negated) == (event.subject, event.value, False):
                return f"{edge.subject} {edge.relation} {edge.object}"
    return text
