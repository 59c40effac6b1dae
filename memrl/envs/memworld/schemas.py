"""JSON Schemas (draft 2020-12) of a theta and of a whole event program.

A step is a position in the list of events, so no event carries it and none can carry a wrong one. Every name is one
of the split's own: a written task cannot hold free text, nor a name of the other split.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from memrl.contracts.types import Split
from memrl.envs.memworld.events import (
    Alias,
    AskAct,
    AskCount,
    AskDay,
    AskLatest,
    AskPath,
    Assert,
    Cancel,
    Contradict,
    Distract,
    Event,
    Link,
    Plan,
    Relation,
    Retract,
    Unlink,
    Update,
    Wait,
)
from memrl.envs.memworld.names import NAMES
from memrl.envs.memworld.theta import FLAVOURS, STYLES, Theta, axis_range, is_share

KINDS: dict[str, type[Event]] = {
    "assert": Assert, "update": Update, "retract": Retract, "link": Link, "unlink": Unlink, "alias": Alias,
    "distract": Distract, "contradict": Contradict, "plan": Plan, "cancel": Cancel, "wait": Wait,
    "ask_latest": AskLatest, "ask_day": AskDay, "ask_path": AskPath, "ask_count": AskCount, "ask_act": AskAct,
}  # fmt: skip
"""Value of an event's ``kind`` -> its class."""
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOST_WORDINGS, _MOST_SIZE, _MOST_SEED = 999_999, 10**9, 2**63 - 1
_LONGEST_PROGRAM = 4096
_Json = dict[str, Any]


def _ref(name: str) -> _Json:
    return {"$ref": f"#/$defs/{name}"}


def _whole(low: int, high: int) -> _Json:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list(item: _Json, least: int = 0, most: int = _LONGEST_PROGRAM) -> _Json:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


def _object(properties: _Json, required: list[str]) -> _Json:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _axis(name: str, kind: str) -> _Json:
    if kind == "int":
        low, high = axis_range(name)
        return _whole(low, _MOST_SIZE if high is None else high)
    if kind.startswith("tuple"):
        return _list({"enum": list(STYLES)}, 1, len(STYLES))
    return {"type": "number", "minimum": 0} | ({"maximum": 1} if is_share(name) else {})


THETA_SCHEMA: _Json = {
    "$schema": _DRAFT,
    **_object({axis.name: _axis(axis.name, str(axis.type)) for axis in fields(Theta)}, []),
}
"""Axes that are left out keep their default; what axes allow together is checked by ``Theta`` itself."""


_PLACED: _Json = {"subject": _ref("subject"), "value": _ref("place")}
_LINKED: _Json = {"subject": _ref("subject"), "relation": _ref("link"), "value": _ref("person")}
_EVENT_FIELDS: dict[str, _Json] = {
    "assert": _PLACED | {"actor": _ref("person")},
    "update": _PLACED | {"actor": _ref("person")},
    "retract": _PLACED,
    "link": _LINKED,
    "unlink": _LINKED,
    "alias": {"subject": _ref("object"), "alias": _ref("second_name")},
    "distract": {
        "flavour": {"enum": list(FLAVOURS)}, "person": _ref("person"), "thing": _ref("thing"), "place": _ref("place"),
        "creature": _ref("creature"), "gathering": _ref("gathering"), "colour": _ref("colour"),
    },
    "contradict": {"subject": _ref("subject"), "relation": {"enum": list(get_args(Relation))}, "value": _ref("value")},
    "plan": {"subject": _ref("object"), "signal": _ref("signal"), "value": _ref("value")},
    "cancel": {"signal": _ref("signal")},
    "wait": {},
    "ask_latest": {"subject": _ref("subject")},
    "ask_day": {"subject": _ref("subject"), "asked_day": _whole(1, _MOST_SIZE)},
    "ask_path": {
        "subject": _ref("subject"),
        "relations": _list({"enum": list(get_args(Relation))}, 1, 3),
    },
    "ask_count": {"place": _ref("place")},
    "ask_act": {"signal": _ref("signal")},
}  # fmt: skip


def program_schema(split: Split = "train") -> _Json:
    """The schema of a program in the names of one split. Only ``events`` must be there."""
    stamp = {"wording": _whole(0, _MOST_WORDINGS), "day": _whole(0, _MOST_SIZE)}
    events = [_object({"kind": {"const": kind}, **own, **stamp}, ["kind", *own]) for kind, own in _EVENT_FIELDS.items()]
    theta = {name: value for name, value in THETA_SCHEMA.items() if name != "$schema"}
    properties: _Json = {
        "split": {"const": split},
        "seed": _whole(-_MOST_SEED, _MOST_SEED),
        "theta": theta,
        "cast": _cast(),
        "events": _list({"oneOf": events}, 1),
    }
    return {"$schema": _DRAFT, **_object(properties, ["events"]), "$defs": _pools(split)}


def _cast() -> _Json:
    pair = _list(_ref("thing"), 2, 2)
    lists = {
        "objects": _list(_ref("object")), "carried": _list(_ref("object")), "people": _list(_ref("person")),
        "places": _list(_ref("place")), "aliases": _list(pair), "bystanders": _list(_ref("person")),
        "spare_things": _list(_ref("object")),
    }  # fmt: skip
    return _object(lists, list(lists))


def _pools(split: Split) -> _Json:
    names = NAMES[split]
    pools = {
        "object": names.objects,
        "second_name": names.aliases,
        "thing": names.objects + names.aliases,
        "person": names.people,
        "subject": names.objects + names.aliases + names.people,
        "place": names.places,
        "value": names.places + names.people,
        "link": tuple(relation for relation in get_args(Relation) if relation != "location"),
        "creature": names.creatures,
        "gathering": names.gatherings,
        "colour": names.colours,
        "signal": names.signals,
    }
    return {name: {"enum": list(pool)} for name, pool in pools.items()}


SCHEMAS: dict[Split, _Json] = {split: program_schema(split) for split in NAMES}
PROGRAM_SCHEMA: _Json = SCHEMAS["train"]
"""What a proposer of training tasks writes."""
