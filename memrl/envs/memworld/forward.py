"""Tracker 1: a state machine that reads events from first to last.

Written apart from ``backward.py`` on purpose: a bug in one of them shows as a disagreement.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

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
    Event,
    Link,
    Plan,
    Query,
    Retract,
    Unlink,
)
from memrl.envs.memworld.names import NUMBERS, is_person


class ForwardTracker:
    """What holds after the events told so far."""

    def __init__(self) -> None:
        self._first_name: dict[str, str] = {}
        self._days: dict[tuple[str, str], list[int]] = {}
        self._values: dict[tuple[str, str], list[str | None]] = {}
        self._plans: dict[str, tuple[str, str]] = {}

    def tell(self, event: Event) -> None:
        """Take in one event; whatever is no fact changes nothing."""
        match event:
            case Alias():
                self._first_name[event.alias] = event.subject
            case Assert() | Link():
                self._record(event.subject, event.relation, event.day, event.value)
            case Retract() | Unlink():
                self._record(event.subject, event.relation, event.day, None)
            case Plan():
                self._plans[event.signal] = event.subject, event.value
            case Cancel():
                self._plans.pop(event.signal, None)
            case _:
                pass

    def answer(self, query: Query) -> str:
        """One word, or a command; "unknown" where nothing told supports another."""
        match query:
            case AskLatest():
                return self._now(query.subject, "location") or UNKNOWN
            case AskDay():
                return self._on_day(query.subject, query.asked_day) or UNKNOWN
            case AskCount():
                return self._count(query.place)
            case AskPath():
                at: str | None = query.subject
                for relation in query.relations:
                    at = at and self._now(at, relation)
                return at or UNKNOWN
            case AskAct():
                return self._command(query.signal) or UNKNOWN

    def _command(self, signal: str) -> str | None:
        if signal not in self._plans:
            return None
        thing, target = self._plans[signal]
        start, end = self._now(thing, "location"), self._now(target, "location") if is_person(target) else target
        return f"take {thing} from {start} to {end}" if start and end else None

    def _key(self, name: str, relation: str) -> tuple[str, str]:
        return self._first_name.get(name, name), relation

    def _record(self, subject: str, relation: str, day: int, value: str | None) -> None:
        key = self._key(subject, relation)
        self._days.setdefault(key, []).append(day)
        self._values.setdefault(key, []).append(value)

    def _now(self, name: str, relation: str) -> str | None:
        values = self._values.get(self._key(name, relation))
        return values[-1] if values else None

    def _on_day(self, name: str, day: int) -> str | None:
        key = self._key(name, "location")
        told_by_then = bisect_right(self._days.get(key, []), day)
        return self._values[key][told_by_then - 1] if told_by_then else None

    def _count(self, place: str) -> str:
        count = sum(
            values[-1] == place
            for (name, relation), values in self._values.items()
            if relation == "location" and not is_person(name)
        )
        return NUMBERS[count] if count else UNKNOWN


def answer(events: Iterable[Event], query: Query) -> str:
    """The answer that exactly these events, in order of their steps, support."""
    tracker = ForwardTracker()
    for event in events:
        tracker.tell(event)
    return tracker.answer(query)


def answers(events: Iterable[Event]) -> dict[int, str]:
    """Step of every query -> its answer, in one pass."""
    tracker = ForwardTracker()
    found: dict[int, str] = {}
    for event in events:
        if isinstance(event, QUERIES):
            found[event.step] = tracker.answer(event)
        else:
            tracker.tell(event)
    return found
