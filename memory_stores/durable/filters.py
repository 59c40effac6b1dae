"""Filters of ``search``: a mapping of fields to values or to ``{"$op": value}``; all of them must hold.

    {"topic": "travel", "trust": {"$gte": 0.5}, "time": {"$lt": 1.7e9}, "metadata.step": {"$in": [1, 2]}}

``step``, ``trust``, ``writer``, ``observation_id``, ``id``, ``name``, ``store``, ``written_at``, ``event_time`` and
``time`` (of the event, or else of writing) are those of the entry. Any other field, and any that begins with
``metadata.``, is of the metadata; dots go down into it. A field that is not there equals None: ``$ne`` of something
holds, and no comparison of size does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from memory_stores.durable.errors import StoreError
from memory_stores.durable.rows import Held
from memory_stores.types import Entry

Where = Mapping[str, Any]
Test = Callable[[Entry, Held], bool]

_STORES = {"t": "token", "g": "graph", "a": "archive"}
_FIELDS: dict[str, Callable[[Entry, Held], Any]] = {
    "id": lambda entry, held: entry.id,
    "store": lambda entry, held: _STORES[entry.id[0]],
    "step": lambda entry, held: entry.stamp.step,
    "trust": lambda entry, held: entry.stamp.trust,
    "writer": lambda entry, held: entry.stamp.writer,
    "observation_id": lambda entry, held: entry.stamp.observation_id,
    "name": lambda entry, held: held.details.name,
    "time": lambda entry, held: held.written_at if held.details.event_time is None else held.details.event_time,
    "written_at": lambda entry, held: held.written_at,
    "event_time": lambda entry, held: held.details.event_time,
}


def _sized(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, other: Any) -> bool:
        try:
            return value is not None and compare(value, other)
        except TypeError:  # what cannot be compared is neither larger nor smaller
            return False

    return holds


_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, other: value == other,
    "$ne": lambda value, other: value != other,
    "$gt": _sized(lambda value, other: value > other),
    "$gte": _sized(lambda value, other: value >= other),
    "$lt": _sized(lambda value, other: value < other),
    "$lte": _sized(lambda value, other: value <= other),
    "$in": lambda value, other: any(value == one for one in other),
}


def compiled(where: Where | None) -> Test | None:
    """The filter as a function of an entry; None where everything passes. Raises StoreError on an unknown operator."""
    if where is None:
        return None
    if not isinstance(where, Mapping) or not all(isinstance(field, str) for field in where):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StoreError(f"where = {where!r}: it must be a mapping of fields to values, such as {{'step': 3}}")
    if not where:
        return None
    tests = [test for field, wanted in where.items() for test in _tests(field, wanted)]
    return lambda entry, held: all(test(entry, held) for test in tests)


def _tests(field: str, wanted: Any) -> list[Test]:
    read = _reader(field)
    told = cast("dict[str, Any]", wanted) if isinstance(wanted, Mapping) else {}
    if not told or not all(str(name).startswith("$") for name in told):
        return [lambda entry, held: read(entry, held) == wanted]
    for name, value in told.items():
        if name not in _OPS:
            raise StoreError(f"where[{field!r}] = {wanted!r}: no such operator; take one of {', '.join(_OPS)}")
        if name == "$in" and (isinstance(value, str) or not isinstance(value, Sequence | set | frozenset)):
            raise StoreError(f"where[{field!r}] = {wanted!r}: $in takes a list of values")
    return [_test(read, _OPS[name], value) for name, value in told.items()]


def _test(read: Callable[[Entry, Held], Any], holds: Callable[[Any, Any], bool], value: Any) -> Test:
    return lambda entry, held: holds(read(entry, held), value)


def _reader(field: str) -> Callable[[Entry, Held], Any]:
    if field in _FIELDS:
        return _FIELDS[field]
    path = field.removeprefix("metadata.").split(".")

    def read(entry: Entry, held: Held) -> Any:
        found: Any = held.details.metadata
        for key in path:
            found = cast("dict[str, Any]", found).get(key) if isinstance(found, Mapping) else None
        return found

    return read
