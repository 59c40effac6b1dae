"""Tracker 2: for each question, a search back through the log of events.

Written apart from ``forward.py`` on purpose. It also says which events an answer rests on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from memrl.envs.memworld.events import (
    QUERIES,
    UNKNOWN,
    Alias,
    AskAct,
    AskCount,
    AskDay,
    AskLatest,
    AskPath,
    Assert,
    Cancel,
    Ending,
    Event,
    Fact,
    Link,
    Plan,
    Query,
    Retract,
    Unlink,
)
from memrl.envs.memworld.names import NUMBERS, is_person


class Found(NamedTuple):
    """An answer and the steps of the events that it needs."""

    answer: str
    steps: frozenset[int]


Entry = TypeVar("Entry", bound=Event)
_NOTHING = Found(UNKNOWN, frozenset())


class BackwardSearch:
    """A log of events, filed under the names they use so that a search skips what is about others."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._about: dict[tuple[str, str], list[Fact | Ending]] = defaultdict(list)
        self._renamings: dict[str, list[Alias]] = defaultdict(list)
        self._planned: dict[str, list[Plan | Cancel]] = defaultdict(list)
        for event in events:
            if isinstance(event, Assert | Link | Retract | Unlink):
                self._about[event.subject, event.relation].append(event)
            elif isinstance(event, Alias):
                self._renamings[event.subject].append(event)
                self._renamings[event.alias].append(event)
            elif isinstance(event, Plan | Cancel):
                self._planned[event.signal].append(event)

    def ask(self, query: Query) -> Found:
        """Search what happened before the query's own step."""
        if isinstance(query, AskLatest):
            return self._last(query.subject, "location", query.step)
        if isinstance(query, AskDay):
            return self._last(query.subject, "location", query.step, query.asked_day)
        if isinstance(query, AskPath):
            return self._walk(query)
        if isinstance(query, AskAct):
            return self._act(query)
        return self._count(query)

    def _names(self, name: str, before: int) -> dict[str, frozenset[int]]:
        """Every name of the same thing -> steps of the events that one must know to see it."""
        known: dict[str, frozenset[int]] = {name: frozenset()}
        to_do = [name]
        while to_do:
            here = to_do.pop()
            for renaming in self._renamings.get(here, ()):
                for other in (renaming.subject, renaming.alias):
                    if renaming.step < before and other not in known:
                        known[other] = known[here] | {renaming.step}
                        to_do.append(other)
        return known

    def _last(self, name: str, relation: str, before: int, day: int | None = None) -> Found:
        newest: Fact | Ending | None = None
        needed: frozenset[int] = frozenset()
        for other, proof in self._names(name, before).items():
            event = _newest(self._about.get((other, relation), ()), before, day)
            if event is not None and (newest is None or event.step > newest.step):
                newest, needed = event, proof
        if newest is None or isinstance(newest, Retract | Unlink):
            return _NOTHING
        return Found(newest.value, needed | {newest.step})

    def _walk(self, query: AskPath) -> Found:
        name, steps = query.subject, frozenset[int]()
        for relation in query.relations:
            found = self._last(name, relation, query.step)
            if not found.steps:
                return _NOTHING
            name, steps = found.answer, steps | found.steps
        return Found(name, steps)

    def _act(self, query: AskAct) -> Found:
        plan = _newest(self._planned.get(query.signal, ()), query.step)
        if not isinstance(plan, Plan):
            return _NOTHING
        here = self._last(plan.subject, "location", query.step)
        there = Found(plan.value, frozenset((plan.step,)))
        if is_person(plan.value):
            there = self._last(plan.value, "location", query.step)
        if not here.steps or not there.steps:
            return _NOTHING
        steps = here.steps | there.steps | {plan.step}
        return Found(f"take {plan.subject} from {here.answer} to {there.answer}", steps)

    def _count(self, query: AskCount) -> Found:
        steps: set[int] = set()
        done: set[str] = set()
        for name, relation in self._about:
            if relation != "location" or is_person(name) or name in done:
                continue
            done.update(self._names(name, query.step))
            found = self._last(name, relation, query.step)
            if found.answer == query.place:
                steps.add(max(found.steps))
        return Found(NUMBERS[len(steps)], frozenset(steps)) if steps else _NOTHING


def _newest(log: Sequence[Entry], before: int, day: int | None = None) -> Entry | None:
    """The last entry of a log ordered by step that comes before a step and not after a day."""
    at = bisect_left(log, before, key=lambda event: event.step) - 1
    while at >= 0 and day is not None and log[at].day > day:
        at -= 1
    return log[at] if at >= 0 else None


def answer(events: Iterable[Event], query: Query) -> str:
    """The answer that exactly these events support."""
    return BackwardSearch(events).ask(query).answer


def answers(events: Sequence[Event]) -> dict[int, str]:
    """Step of every query -> its answer."""
    search = BackwardSearch(events)
    return {event.step: search.ask(event).answer for event in events if isinstance(event, QUERIES)}


def supports(events: Sequence[Event]) -> dict[int, frozenset[int]]:
    """Step of every query -> steps of the events that one must have seen; empty where "unknown" is right."""
    search = BackwardSearch(events)
    return {event.step: search.ask(event).steps for event in events if isinstance(event, QUERIES)}
