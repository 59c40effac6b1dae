"""Sampled text to an action. What parses to nothing is ``Unreadable``: training must see it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
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
        return ToolCall(str(data["name"]), tuple(arguments.items()))
    except (ValueError, KeyError, AttributeError):
        return Unreadable(text)


def plain_call(text: str, tools: Sequence[Tool]) -> ToolCall | Unreadable | None:
    """A call as the plain layout asks for it, ``name(argument=value)`` with literal values; None for no call."""
    name = text.partition("(")[0].strip()
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None or "(" not in text:
        return None
    try:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        names = [parameter for parameter, _ in tool.parameters]
        given = dict(zip(names, map(ast.literal_eval, call.args), strict=False))
        given |= {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg is not None}
    except (SyntaxError, ValueError, AssertionError):
        return Unreadable(text)
    return ToolCall(name, tuple(given.items()))
