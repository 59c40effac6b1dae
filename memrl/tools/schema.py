"""Type hints to JSON schema, and the arguments of a call against it.

A schema here is what hints can say: ``type`` (string, integer, number, boolean, null, array, object), ``items``,
``properties``, ``additionalProperties``, ``enum``, ``anyOf``, ``description``, ``default``. What an MCP server adds
beyond that is passed on to whoever reads the tool and left to the server to check.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from memrl.contracts.errors import InputError

Schema = Mapping[str, Any]
_OF_TYPE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_IS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, Mapping),
}


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of a type hint. Raises InputError for a type that no JSON value has."""
    if hint is Any:
        return {}
    if isinstance(hint, type) and hint in _OF_TYPE:
        return {"type": _OF_TYPE[hint]}
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is Annotated:
        about = next((more for more in inner[1:] if isinstance(more, str)), None)
        return schema_of(inner[0]) | ({"description": about} if about else {})
    if origin is Literal:
        if odd := [one for one in inner if not isinstance(one, str | int | bool | None)]:
            raise InputError(f"Literal[{odd[0]!r}] has no JSON schema; use text, whole numbers or booleans")
        return {"enum": list(inner)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in inner]}
    if origin in (list, Sequence, tuple):
        if origin is tuple and len(inner) != 2 and inner:
            raise InputError(f"the hint {hint} has no JSON schema; use list[...]")
        return {"type": "array"} | ({"items": schema_of(inner[0])} if inner else {})
    if origin in (dict, Mapping):
        if inner and inner[0] is not str:
            raise InputError(f"the hint {hint} has no JSON schema: keys are text")
        return {"type": "object"} | ({"additionalProperties": schema_of(inner[1])} if inner else {})
    name = getattr(hint, "__name__", str(hint))
    raise InputError(f"the hint {name} has no JSON schema; use str, int, float, bool, list, dict, Literal or a union")


def problem(value: Any, schema: Schema, place: str) -> str:
    """What is wrong with a value, in one line that begins with its place; empty where it fits."""
    options = schema.get("anyOf")
    if options and not any(not problem(value, one, place) for one in options):
        return f"{place} must be {' or '.join(map(_said, options))}, not {shown(value)}"
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        return f"{place} must be one of {', '.join(map(repr, schema['enum']))}, not {shown(value)}"
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if kinds and not any(kind not in _IS or _IS[kind](value) for kind in kinds):
        return f"{place} must be {_said(schema)}, not {shown(value)}"
    if isinstance(value, list | tuple) and "items" in schema:
        found = (problem(one, schema["items"], f"{place}[{i}]") for i, one in enumerate(value))
        return next(filter(None, found), "")
    if isinstance(value, Mapping):
        return _of_mapping(value, schema, place)
    return ""


def _of_mapping(value: Mapping[str, Any], schema: Schema, place: str) -> str:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        return f"{place} lacks {missing[0]!r}"
    for name, one in value.items():
        inner = known.get(name, others if isinstance(others, Mapping) else {})
        if found := problem(one, inner, f"{place}.{name}"):
            return found
    return ""


def problem_of_call(arguments: Sequence[tuple[str, Any]], parameters: Sequence[tuple[str, Any]]) -> str:
    """What is wrong with the arguments of a call, in one line; empty where they fit.

    An argument whose schema has a ``default`` may be left out.
    """
    known = {name: schema if isinstance(schema, Mapping) else {"type": schema} for name, schema in parameters}
    takes = f"it takes {', '.join(known)}" if known else "it takes no arguments"
    given: dict[str, Any] = {}
    for name, value in arguments:
        if name not in known:
            return f"there is no argument {shown(name)}; {takes}"
        if name in given:
            return f"argument {name!r} is given twice"
        given[name] = value
    if missing := [name for name, schema in known.items() if name not in given and "default" not in schema]:
        return f"argument {missing[0]!r} is missing; {takes}"
    found = (problem(value, known[name], f"argument {name!r}") for name, value in given.items())
    return next(filter(None, found), "")


def _said(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(repr, schema['enum']))}"
    kind = schema.get("type", "anything")
    return " or ".join((kind,) if isinstance(kind, str) else kind)


def shown(value: Any) -> str:
    """A value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
