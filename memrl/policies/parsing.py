"""Sampled text to an action. What parses to nothing is ``Unreadable``: training must see it."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from typing import Any

from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import Action, Choose, Say, Think, Tool, ToolCall, Unreadable

_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_NOTE = re.compile(r"\s*thought:\s*(.+)", re.IGNORECASE | re.DOTALL)


def parse(text: str, request: SampleRequest) -> Action:
    """The action that a text stands for, by what the request offers: choices, tools, or free speech.

    A text of nothing but a thought ("Thought: …", or a closed ``<think>`` block) is ``Think``; a block that was begun
    and never closed is no answer.
    """
    spoken = _THOUGHT.sub("", text)
    if "<think>" in spoken:
        return Unreadable(text)
    call = _tagged_call(spoken) if request.brief.tools else None
    if call is not None:
        return call
    said = _lines(spoken, request.brief.lines)
    thoughts = " ".join(thought.strip() for thought in _THOUGHT.findall(text)).strip()
    note = _NOTE.fullmatch(said)
    if note is not None or (not said and thoughts):
        return Think(note.group(1).strip() if note is not None else thoughts)
    if not said:
        return Unreadable(text)
    if request.observation.choices:
        return _choice(said, request.observation.choices) or Unreadable(text)
    return plain_call(said, request.brief.tools) or Say(said)


def parse_answer(text: str) -> Say | Unreadable:
    """The first line that says something; a blank answer is ``Unreadable``."""
    answer = _lines(text, 1)
    return Say(answer) if answer else Unreadable(text)


def _lines(text: str, most: int | None) -> str:
    """Up to ``most`` lines from the first that says something; None for all."""
    stripped = text.strip()
    return stripped if most is None else "\n".join(line.strip() for line in stripped.split("\n")[:most]).strip()


def _choice(said: str, choices: Sequence[str]) -> Choose | None:
    """The choice that was said, case, outer blanks and a full stop aside."""

    def bare(text: str) -> str:
        return " ".join(text.casefold().strip(" .").split())

    index = next((i for i, choice in enumerate(choices) if bare(choice) == bare(said)), None)
    return None if index is None else Choose(index, choices[index])


def _tagged_call(text: str) -> ToolCall | Unreadable | None:
    """A call as most chat templates write it: JSON with name and arguments between ``<tool_call>`` tags."""
    found = _CALL.search(text)
    if found is None:
        return Unreadable(text) if "<tool_call>" in text else None
    try:
        data: Any = json.loads(found.group(1))
        arguments = data.get("arguments", {})
        return ToolCall(str(data["name"]), tuple((name, _json_value(value)) for name, value in arguments.items()))
    except (ValueError, KeyError, AttributeError, RecursionError):
        return Unreadable(text)


def plain_call(text: str, tools: Sequence[Tool]) -> ToolCall | Unreadable | None:
    """A call as the plain layout asks for it, ``name(argument=value)`` with literal values; None for no call.

    Names of tools and of arguments are taken as they are, whether Python could have them or not.
    """
    before, bracket, _ = text.partition("(")
    name = before.strip()
    tool = next((tool for tool in tools if tool.name == name), None)
    is_aside = before.endswith(" ") and not text.rstrip().endswith(")")  # "cost (all told): 160" is an answer
    if tool is None or not bracket or is_aside:
        return None
    names = [parameter for parameter, _ in tool.parameters]
    stand_in = {f"_argument_{i}": one for i, one in enumerate(names) if not one.isidentifier() or iskeyword(one)}
    try:
        call = ast.parse(_sayable(text[text.index("(") :], stand_in), mode="eval").body
        given = _given(call, names, stand_in)
        return ToolCall(name, tuple((key, _json_value(ast.literal_eval(value))) for key, value in given))
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return Unreadable(text)


def _given(call: ast.expr, names: Sequence[str], stand_in: Mapping[str, str]) -> list[tuple[str, ast.expr]]:
    """Name and value of each argument. Raises ValueError for what is no call, or gives one twice or too many."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or len(call.args) > len(names):
        raise ValueError("no call, or too many arguments")
    given = list(zip(names, call.args, strict=False))
    given += [(stand_in.get(word.arg or "", word.arg or ""), word.value) for word in call.keywords]
    if len({key for key, _ in given}) < len(given) or any(word.arg is None for word in call.keywords):
        raise ValueError("an argument twice, or a mapping of them")
    return given


_QUOTED = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", re.DOTALL)


def _sayable(arguments: str, stand_in: Mapping[str, str]) -> str:
    """A call's arguments behind a name that Python can read, and so with the arguments' own names, quotes aside."""
    pieces = _QUOTED.split(arguments)
    for key, name in stand_in.items():
        named = re.compile(rf"(?<=[(,\s]){re.escape(name)}(?=\s*=)")
        pieces[::2] = [named.sub(key, piece) for piece in pieces[::2]]
    return f"call{''.join(pieces)}"


MOST_BITS = 4096
"""Of a whole number: longer ones cannot be written out in decimals."""


def _json_value(value: Any) -> Any:
    """A value that JSON has, tuples as lists. Raises ValueError for another."""
    match value:
        case None | bool() | str():
            return value
        case int() if value.bit_length() <= MOST_BITS:
            return value
        case float() if math.isfinite(value):
            return value
        case list() | tuple():
            return [_json_value(one) for one in value]
        case dict() if all(isinstance(name, str) for name in value):
            return {name: _json_value(one) for name, one in value.items()}
        case _:
            raise ValueError(f"JSON has no {type(value).__name__} like this")
