"""Ops, stamps, items and edges as JSON-ready dictionaries, and back. Bad data raises ValueError in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from memory_stores.types import MEMORY_OPS, Edge, Item, MemoryOp, Retrieve, Stamp

_OP_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in MEMORY_OPS}
_FIELDS: dict[type[Any], dict[str, str]] = {
    kind: {f.name: str(f.type) for f in fields(kind)} for kind in (*MEMORY_OPS, Stamp, Item, Edge)
}
"""Field names and annotations as they stand in ``types.py``."""
_ACCEPTS: dict[str, tuple[type[Any], ...]] = {
    "str": (str,),
    "StoreName": (str,),
    "int": (int,),
    "float": (int, float),
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "Stamp": (Stamp,),
    "tuple[str, ...]": (tuple,),
}

_Made = TypeVar("_Made")


def op_to_dict(op: MemoryOp) -> dict[str, Any]:
    """``{"op": "Write", "text": ..., "store": ...}``: the op's type name, then its fields."""
    kind = type(op)
    data = {"op": kind.__name__, **{name: getattr(op, name) for name in _FIELDS[kind]}}
    if isinstance(op, Retrieve):
        ids = data.pop("ids")
        return {**data, "ids": list(ids)} if ids else data
    return data


def op_from_dict(data: Mapping[str, Any]) -> MemoryOp:
    """The op that ``op_to_dict`` wrote. Raises ValueError on an unknown op or field."""
    name = data.get("op")
    kind = _OP_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"op = {name!r}: no such memory op; take one of {', '.join(_OP_TYPES)}")
    told = {key: value for key, value in data.items() if key != "op"}
    if isinstance(told.get("ids"), list) and all(isinstance(id, str) for id in told["ids"]):
        told["ids"] = tuple(told["ids"])
    return cast("MemoryOp", _make(kind, told))


def stamp_to_dict(stamp: Stamp) -> dict[str, Any]:
    """The four fields of a stamp."""
    return {name: getattr(stamp, name) for name in _FIELDS[Stamp]}


def stamp_from_dict(data: Mapping[str, Any]) -> Stamp:
    """The stamp that ``stamp_to_dict`` wrote. Raises ValueError on an unknown field."""
    return _make(Stamp, data)


def entry_to_dict(entry: Item | Edge) -> dict[str, Any]:
    """Every field of an item or an edge, its stamp as a dictionary."""
    data = {name: getattr(entry, name) for name in _FIELDS[type(entry)]}
    return {**data, "stamp": stamp_to_dict(entry.stamp)}


def item_from_dict(data: Mapping[str, Any]) -> Item:
    """The item that ``entry_to_dict`` wrote. Raises ValueError on a missing or unknown field."""
    return _make(Item, {**data, "stamp": stamp_from_dict(_table(data.get("stamp"), "stamp"))})


def edge_from_dict(data: Mapping[str, Any]) -> Edge:
    """The edge that ``entry_to_dict`` wrote. Raises ValueError on a missing or unknown field."""
    return _make(Edge, {**data, "stamp": stamp_from_dict(_table(data.get("stamp"), "stamp"))})


def check_kind(state: object, kind: str) -> None:
    """Raises ValueError unless ``state`` was taken from a store of that kind."""
    found = _table(state, "of a store").get("kind")
    if found != kind:
        raise ValueError(f"state kind = {found!r}: this store loads only the state of a {kind!r}")


def read_tables(state: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The list of dictionaries under ``key``. Raises ValueError if it is anything else."""
    value = state.get(key)
    if not isinstance(value, list):
        raise ValueError(f"state {key} = {value!r}: it must be a list")
    return [_table(entry, key) for entry in cast("list[Any]", value)]


def read_count(state: Mapping[str, Any], key: str) -> int:
    """The whole number of at least 0 under ``key``. Raises ValueError if it is anything else."""
    value = state.get(key)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"state {key} = {value!r}: it must be a whole number of at least 0")
    return value


def check_entries(entries: Iterable[Item | Edge], prefix: str, budget: int, serial: int) -> None:
    """Raises ValueError if ids repeat, do not belong to the store, run ahead of its counter, or hold too much."""
    seen: set[str] = set()
    total = 0
    for entry in entries:
        number = entry.id[len(prefix) :]
        if entry.id in seen or not entry.id.startswith(prefix) or not number.isdecimal() or int(number) > serial:
            raise ValueError(f"state id = {entry.id!r}: ids must be {prefix}1 to {prefix}{serial}, each once")
        if entry.tokens < 0:
            raise ValueError(f"state tokens = {entry.tokens} for {entry.id}: it must be at least 0")
        seen.add(entry.id)
        total += entry.tokens
    if total > budget:
        raise ValueError(f"state budget = {budget}: its entries hold {total} tokens, more than the budget")


def _table(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"state {key} = {value!r}: it must be a table of fields")
    return cast("Mapping[str, Any]", value)


def _make(kind: type[_Made], data: Mapping[str, Any]) -> _Made:
    expected = _FIELDS[kind]
    try:
        made = kind(**data)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} = {dict(data)!r}: wrong fields; take {', '.join(expected)}") from error
    for name, value in data.items():
        if not isinstance(value, _ACCEPTS[expected[name]]):
            raise ValueError(f"{kind.__name__}.{name} = {value!r}: it must be of type {expected[name]}")
    return made
