"""What ``env.options.tools`` names, made once; tools with a state of their own, made anew for each task of an episode.

python             code, in the sandbox               search:FILE   BM25 over the lines of a text file
sql:FILE           a SQLite file, in the sandbox      mcp:COMMAND   the tools of an MCP server
my_tools:room      a function                         my_tools:Shop a class: one instance a task, methods as tools
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.imports import attribute_of, told
from memrl.tools import FunctionTool, Sandbox, SandboxLimits, Toolbox, isolated, python_tool, search_tool, sql_tool
from memrl.tools.function import tool_of

KNOB = "env.options.tools"
Kind = type[Any]


class Toolset:
    """The tools of a source.

    Args:
        entries: see the module.
        seconds: that a call may take.
        sandboxed: whether functions run in the sandbox, where they reach nothing.

    Raises:
        ConfigError: an entry names nothing that could be a tool, or two have the same name; with the way out.
        MissingExtra: an MCP server is named and the package is not installed.
    """

    def __init__(self, entries: Sequence[str], seconds: float, sandboxed: bool) -> None:
        if not entries:
            way_out = "name at least one: python, sql:FILE, search:FILE, mcp:COMMAND, or 'my_tools:room' of your own"
            raise ConfigError(KNOB, list(entries), way_out)
        self._seconds, self._sandboxed, self._entries = seconds, sandboxed, tuple(entries)
        self._isolated = [one for one in entries if sandboxed and _is_own(one) and not _class_of(one)]
        self._shared: list[Any] = []
        self._classes: list[tuple[str, Kind]] = []
        for entry in entries:
            if (kind := _class_of(entry)) is not None:
                if sandboxed:
                    way_out = "a class keeps its state in this process and cannot run in the sandbox"
                    raise ConfigError(
                        "env.options.sandboxed", True, f"{entry}: {way_out}; take functions, or set false"
                    )
                self._classes.append((entry, kind))
                continue
            try:
                self._shared += self._made(entry)
            except ConfigError:
                raise
            except InputError as error:
                raise ConfigError(KNOB, entry, str(error)) from error

    @cached_property
    def _sandbox(self) -> Sandbox:
        return Sandbox(SandboxLimits(seconds=self._seconds), functions=self._isolated)

    def _made(self, entry: str) -> list[Any]:
        head, _, rest = entry.partition(":")
        match head:
            case "python" if not rest:
                return [python_tool(self._sandbox)]
            case "sql" if rest:
                return [sql_tool(self._sandbox, rest)]
            case "search" if rest:
                return [search_tool(_lines(rest))]
            case "mcp" if rest:
                from memrl.tools.mcp import McpServer

                return list(McpServer(_words(entry, rest), seconds=self._seconds).tools)
            case _:
                return [self._function(entry)]

    def _function(self, entry: str) -> Any:
        found = attribute_of(entry, KNOB)
        if self._sandboxed:
            return isolated(entry, self._sandbox)
        return found if isinstance(found, FunctionTool) else tool_of(found, "", "", self._seconds)

    def box(self, state: Mapping[str, Any]) -> Toolbox:
        """The tools of one task. Raises ConfigError where a class cannot be made of its state."""
        own: list[Any] = []
        for entry, kind in self._classes:
            try:
                made = kind(**deepcopy(dict(state)))  # A task's own, whatever earlier plays did to theirs.
            except Exception as error:
                way_out = f"an instance cannot be made of the task's state {dict(state)!r:.80}: {told(error)}"
                raise ConfigError(KNOB, entry, way_out) from error
            own += self._methods(entry, made)
        try:
            return Toolbox([*self._shared, *own])
        except InputError as error:
            raise ConfigError(KNOB, list(self._entries), str(error)) from error

    def problem_of_state(self, state: Mapping[str, Any]) -> str:
        """Which class cannot be made of it, in one line; empty where its arguments fit."""
        for entry, kind in self._classes:
            try:
                inspect.signature(kind).bind(**state)
            except TypeError as error:
                return f"{entry}: {error}"
            except ValueError:
                continue  # a class that does not tell what it takes
        return ""

    def _methods(self, entry: str, made: Any) -> list[FunctionTool]:
        """Public methods, and those of bases from the same package; what has no docstring is none of the tools."""
        package = type(made).__module__.partition(".")[0]
        kinds = [kind for kind in type(made).__mro__ if kind.__module__.partition(".")[0] == package]
        names = dict.fromkeys(name for kind in reversed(kinds) for name in vars(kind) if not name.startswith("_"))
        found = [
            method for name in names
            if callable(method := getattr(made, name)) and not isinstance(method, type) and method.__doc__
        ]  # fmt: skip
        if not found:
            raise ConfigError(KNOB, entry, "no public method of that class has a docstring, so it has no tool")
        try:
            return [tool_of(method, "", "", self._seconds) for method in found]
        except InputError as error:
            raise ConfigError(KNOB, entry, str(error)) from error


def _words(entry: str, command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ConfigError(KNOB, entry, f"the command cannot be read: {error}") from error


def _is_own(entry: str) -> bool:
    return entry.partition(":")[0] not in ("python", "sql", "search", "mcp")


def _class_of(entry: str) -> Kind | None:
    found: Callable[..., Any] = attribute_of(entry, KNOB) if _is_own(entry) else print
    return found if isinstance(found, type) else None


def _lines(path: str) -> list[str]:
    try:
        lines = [line.strip() for line in Path(path).expanduser().read_text(encoding="utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise ConfigError(KNOB, f"search:{path}", f"the file cannot be read: {reason}") from error
    if not any(lines):
        raise ConfigError(KNOB, f"search:{path}", "the file has no line that says something")
    return [line for line in lines if line]
