"""Checks JSON data against the part of JSON Schema (draft 2020-12) that memrl's own schemas use.

Known words: ``$ref`` into ``$defs``, ``type``, ``const``, ``enum``, ``minimum``, ``maximum``, ``minItems``,
``maxItems``, ``items``, ``properties``, ``required``, ``additionalProperties: false``, and ``oneOf`` over objects
told apart by their ``kind``. So a schema given to a constrained decoder and the check of what came back are the
same text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from memrl.contracts.errors import ConfigError

Schema = Mapping[str, Any]
_LONGEST = 60
"""Characters of a wrong value that an error shows."""
_SHOWN_OPTIONS = 8
_MOST = 2**53


def check(schema: Schema, data: object, at: str, root: Schema | None = None) -> None:
    """Return None if ``data`` fits; ``at`` is its name in messages, ``root`` the schema that holds ``$defs``.

    Raises ConfigError: the field, the value, the way out.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        schema = _chosen(schema["oneOf"], data, at)
    if "type" in schema:
        _check_type(schema["type"], data, at)
    _check_value(schema, data, at)
    if isinstance(data, Mapping):
        _check_object(schema, data, at, root)
    elif isinstance(data, list | tuple):
        for i, item in enumerate(data):
            check(schema.get("items", {}), item, f"{at}[{i}]", root)


def wrong(at: str, value: object, way_out: str) -> ConfigError:
    """The error for a field, with a long value cut short."""
    if isinstance(value, Mapping | list | tuple):
        return ConfigError(at, type(value).__name__, way_out)
    if isinstance(value, str) and len(value) > _LONGEST:
        return ConfigError(at, f"{value[:_LONGEST]}...", way_out)
    return ConfigError(at, value, way_out)


def _is_whole(data: object) -> bool:
    return isinstance(data, int) and not isinstance(data, bool)


def _is_number(data: object) -> bool:
    # A whole number may be too long for a float, which math.isfinite would raise on.
    if isinstance(data, int):
        return _is_whole(data) and abs(data) <= _MOST
    return isinstance(data, float) and math.isfinite(data)


_TYPES: dict[str, tuple[Callable[[object], bool], str]] = {
    "object": (lambda data: isinstance(data, Mapping), "an object of named fields"),
    "array": (lambda data: isinstance(data, list | tuple), "a list"),
    "string": (lambda data: isinstance(data, str), "a string"),
    "integer": (_is_whole, "a whole number"),
    "number": (_is_number, "a finite number"),
}


def _check_type(kind: str, data: object, at: str) -> None:
    fits, words = _TYPES[kind]
    if not fits(data):
        raise wrong(at, data, f"it must be {words}")


def _check_value(schema: Schema, data: Any, at: str) -> None:
    if "const" in schema and data != schema["const"]:
        raise wrong(at, data, f"it must be {schema['const']!r}")
    if "enum" in schema and data not in schema["enum"]:
        raise wrong(at, data, f"choose from {_options(schema['enum'])}")
    if "minimum" in schema and data < schema["minimum"]:
        raise wrong(at, data, f"it must be at least {schema['minimum']}")
    if "maximum" in schema and data > schema["maximum"]:
        raise wrong(at, data, f"it must be at most {schema['maximum']}")
    for word, too_many in (("minItems", False), ("maxItems", True)):
        if word in schema and (len(data) > schema[word] if too_many else len(data) < schema[word]):
            bound = "at most" if too_many else "at least"
            raise wrong(at, data, f"it has {len(data)} items and must have {bound} {schema[word]}")


def _check_object(schema: Schema, data: Mapping[Any, Any], at: str, root: Schema) -> None:
    fields: Schema = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in data:
            raise wrong(f"{at}.{name}", None, "this field is missing; write it")
    for name, value in data.items():
        if name in fields:
            check(fields[name], value, f"{at}.{name}", root)
        elif schema.get("additionalProperties", True) is False:
            raise wrong(f"{at}.{name}", value, f"there is no such field; choose from {', '.join(fields)}")


def _chosen(branches: list[Schema], data: object, at: str) -> Schema:
    """The branch that the data's ``kind`` names."""
    _check_type("object", data, at)
    assert isinstance(data, Mapping)
    by_kind = {branch["properties"]["kind"]["const"]: branch for branch in branches}
    kind: Any = data.get("kind")
    if not isinstance(kind, str) or kind not in by_kind:
        raise wrong(f"{at}.kind", kind, f"choose from {', '.join(by_kind)}")
    return by_kind[kind]


def _options(enum: list[Any]) -> str:
    shown = ", ".join(str(option) for option in enum[:_SHOWN_OPTIONS])
    more = len(enum) - _SHOWN_OPTIONS
    return f"{shown} and {more} more (the schema lists them)" if more > 0 else shown
