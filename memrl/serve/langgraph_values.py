"""What LangGraph asks of values and namespaces: filters, matches, and the text of a value that is searched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from memrl.contracts.errors import InputError

Namespace = tuple[str, ...]


def passes(value: Mapping[str, Any], asked: Mapping[str, Any] | None) -> bool:
    """Whether a value has all that a filter asks: fields with values, or with ``$eq $ne $gt $gte $lt $lte $in``.

    An object in a filter asks only for the fields it names. What cannot be compared does not pass.

    Raises:
        InputError: an operator that there is none of.
    """
    return all(_holds(value.get(field), wanted) for field, wanted in (asked or {}).items())


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(str(key).startswith("$") for key in wanted):
            return all(_compared(value, operator, other) for operator, other in wanted.items())
        return isinstance(value, Mapping) and all(_holds(value.get(key), other) for key, other in wanted.items())
    if isinstance(wanted, list | tuple):
        same = isinstance(value, list | tuple) and len(value) == len(wanted)
        return same and all(_holds(one, other) for one, other in zip(value, wanted, strict=True))
    return value == wanted


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, other: value == other,
    "$ne": lambda value, other: value != other,
    "$gt": lambda value, other: float(value) > float(other),
    "$gte": lambda value, other: float(value) >= float(other),
    "$lt": lambda value, other: float(value) < float(other),
    "$lte": lambda value, other: float(value) <= float(other),
    "$in": lambda value, other: value in other,
}


def _compared(value: Any, operator: str, other: Any) -> bool:
    if operator not in _OPERATORS:
        raise InputError(f"filter operator {operator!r}: take one of {', '.join(_OPERATORS)}")
    try:
        return _OPERATORS[operator](value, other)
    except (TypeError, ValueError):
        return False


def matches(namespace: Namespace, kind: str, path: Sequence[str]) -> bool:
    """Whether a namespace begins ("prefix") or ends ("suffix") with a path, in which "*" is any one label.

    Raises:
        InputError: another kind of match.
    """
    if kind not in ("prefix", "suffix"):
        raise InputError(f"match_type = {kind!r}: take prefix or suffix")
    if len(path) > len(namespace):
        return False
    part = namespace[: len(path)] if kind == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))


def text_of(value: Mapping[str, Any], fields: Sequence[str] | None, at: Callable[[Any, str], list[str]]) -> str:
    """What of a value is searched: its words, field by field, or the texts of some fields.

    Args:
        fields: paths such as "notes[*].text"; None for all.
        at: the texts of a value at a path.
    """
    if fields is None:
        return "\n".join(_lines(value, "")) or json.dumps(value)
    return "\n".join(text for field in fields for text in at(value, field) if text.strip())


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lines(inner, f"{name} {key}".strip())
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _lines(inner, name)
    elif value is not None and str(value).strip():
        yield f"{name}: {value}" if name else str(value)
