"""Several tools by name. Whatever goes wrong in a call is a text for the policy, never an exception of the run."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from memrl.contracts.errors import InputError
from memrl.contracts.types import Tool, ToolCall
from memrl.tools.inside.said import told
from memrl.tools.schema import problem_of_call, shown


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave back."""

    text: str
    """The result, or one line that says what went wrong (after what was printed before that)."""
    ok: bool
    """Whether the tool did what it is for."""


class Callable(Protocol):
    """What a toolbox holds."""

    @property
    def spec(self) -> Tool:
        """Name, what it is for, and the schema of its arguments."""
        ...

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Do it with arguments that fit the schema. It may raise: the toolbox turns that into a text."""
        ...


class Toolbox:
    """See the module.

    Args:
        max_chars: of a result; a longer one is none, and the policy is told so.

    Raises:
        InputError: two tools have the same name, one is none, or ``max_chars`` leaves no room.
    """

    def __init__(self, tools: Iterable[Callable], max_chars: int = 20_000) -> None:
        self._tools: dict[str, Callable] = {}
        self._max_chars = max_chars
        if max_chars < 1:
            raise InputError(f"max_chars = {max_chars!r}: a result needs room; give at least 1")
        if not isinstance(tools, Iterable):
            raise InputError(f"tools = {tools!r:.60}: give a list of tools")
        for tool in tools:
            if not hasattr(tool, "spec"):
                raise InputError(f"{shown(tool)} is no tool; make it one: tool(f)")
            if tool.spec.name in self._tools:
                raise InputError(f"two tools have the name {tool.spec.name!r}; give one another: tool(f, name=...)")
            self._tools[tool.spec.name] = tool

    @property
    def specs(self) -> tuple[Tool, ...]:
        """For ``Brief.tools``, in the order in which they were given."""
        return tuple(tool.spec for tool in self._tools.values())

    def call(self, call: ToolCall) -> ToolResult:
        """Check a call's arguments and run it."""
        tool = self._tools.get(call.name)
        if tool is None:
            return ToolResult(self._unknown(call.name), False)
        try:
            if wrong := problem_of_call(call.arguments, tool.spec.parameters):
                return ToolResult(f"Error: {call.name}: {wrong}", False)
            # A copy: what a tool does to its arguments is not what was said.
            return self._checked(call.name, tool.run(deepcopy(dict(call.arguments))))
        except KeyboardInterrupt:
            raise  # a person's
        except BaseException as error:
            return ToolResult(f"Error: {call.name}: {told(error)}", False)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._tools, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"Error: there is no tool {shown(name)}; there are {', '.join(self._tools) or 'none'}{hint}"

    def _checked(self, name: str, result: ToolResult) -> ToolResult:
        """Text that can be shown: not too long, and nothing in it that UTF-8 has not."""
        if len(result.text) > self._max_chars:
            size = len(result.text)
            return ToolResult(f"Error: {name}: the result is too large: {size} characters of {self._max_chars}", False)
        try:
            result.text.encode()
        except UnicodeEncodeError as error:
            return ToolResult(f"Error: {name}: the result is no UTF-8 text (at character {error.start})", False)
        return result


def as_result(value: Any) -> ToolResult:
    """What a function returned: text as it is, bytes as UTF-8, anything else as JSON; ``ToolResult`` speaks for itself.

    Raises:
        ValueError: bytes that are no UTF-8.
        TypeError: a value that JSON has not.
    """
    if isinstance(value, ToolResult):
        return value
    if value is None:
        return ToolResult("done", True)
    if isinstance(value, bytes | bytearray):
        try:
            return ToolResult(bytes(value).decode(), True)
        except UnicodeDecodeError as error:
            raise ValueError(f"the result is no UTF-8 text: byte {value[error.start]:#04x} at {error.start}") from None
    return ToolResult(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), True)
