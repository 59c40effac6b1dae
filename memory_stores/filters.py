"""Filters of a search: a mapping of fields to values or to ``{"$op": value}``; all of them must hold.

    {"topic": "travel", "trust": {"$gte": 0.5}, "metadata.step": {"$in": [1, 2]}}

A field is one of those that every entry has, as whoever searches names them; any other, and any that begins with
``metadata.``, is of the metadata, and dots go down into it. A field that is not there equals None: ``$ne`` of something
holds, and no comparison of size does. What cannot be compared is neither larger nor smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

Where = Mapping[str, Any]
T = TypeVar("T")
Test = Callable[[T], bool]


class FilterError(ValueError):
    """A filter that can hold nowhere; the message begins with the part of it that is wrong."""


def compiled(
    where: Where | None,
    fields: Mapping[str, Callable[[T], Any]],
    metadata: Callable[[T], Any],
    numbers: Collection[str] = (),
) -> Test[T] | None:
    """The filter as a function of an entry; None where everything passes.

    Args:
        fields: what every entry has, by name.
        metadata: the rest of what is known of an entry.
        numbers: those of the fields that are numbers.

    Raises:
        FilterError: no mapping, no such operator, or one that cannot take its value.
    """
    if where is None:
        return None
    if not isinstance(where, Mapping) or not all(isinstance(name, str) for name in where):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FilterError(f"where = {where!r:.60}: it must be a mapping of fields to values, such as {{'step': 3}}")
    if not where:
        return None
    tests: list[Test[T]] = []
    if wrong := [name for name in where if name.startswith("$")]:
        raise FilterError(f"where[{wrong[0]!r}]: there is no such operator here; name a field, such as {{'step': 3}}")
    for name, wanted in where.items():
        read = fields[name] if name in fields else _reader(name, metadata)
        tests += _tests(name, wanted, read, name in numbers)
    return lambda entry: all(test(entry) for test in tests)


def _sized(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, other: Any) -> bool:
        try:
            return value is not None and compare(value, other)
        except TypeError:
            return False

    return holds


_SIZES: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": _sized(lambda value, other: value > other),
    "$gte": _sized(lambda value, other: value >= other),
    "$lt": _sized(lambda value, other: value < other),
    "$lte": _sized(lambda value, other: value <= other),
}
_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, other: value == other,
    "$ne": lambda value, other: value != other,
    **_SIZES,
    "$in": lambda value, other: any(value == one for one in other),
}


def _reader(name: str, metadata: Callable[[T], Any]) -> Callable[[T], Any]:
    path = name.removeprefix("metadata.").split(".")

    def read(entry: T) -> Any:
        found: Any = metadata(entry)
        for key in path:
            found = cast("dict[str, Any]", found).get(key) if isinstance(found, Mapping) else None
        return found

    return read


def _tests(name: str, wanted: Any, read: Callable[[T], Any], of_number: bool) -> list[Test[T]]:
    told = cast("dict[str, Any]", wanted) if isinstance(wanted, Mapping) else {}
    if not told or not all(str(op).startswith("$") for op in told):
        return [lambda entry: read(entry) == wanted]
    for op, value in told.items():
        if (wrong := _wrong(op, value, of_number)) is not None:
            raise FilterError(f"where[{name!r}] = {wanted!r:.80}: {wrong}")
    return [_test(read, _OPS[op], value) for op, value in told.items()]


def _test(read: Callable[[T], Any], holds: Callable[[Any, Any], bool], value: Any) -> Test[T]:
    return lambda entry: holds(read(entry), value)


def _wrong(op: str, value: Any, of_number: bool) -> str | None:
    """Why an operator cannot take a value; None where it can."""
    if op not in _OPS:
        return f"{op!r} is no such operator; take one of {', '.join(_OPS)}"
    if op == "$in" and (isinstance(value, str) or not isinstance(value, Sequence | set | frozenset)):
        return "$in takes a list of values"
    if op in _SIZES and not isinstance(value, int | float if of_number else int | float | str):
        return f"{op} takes a number here" if of_number else f"{op} takes a number or a text"
    return None
