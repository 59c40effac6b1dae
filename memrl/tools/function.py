"""A Python function as a tool: its name, its docstring, its hints.

``tool(function)`` runs it in this process: it is yours, and trusted. ``isolated("module:function", sandbox)`` runs it
in the sandbox, where it can reach nothing and be stopped.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints, overload

from memrl.contracts.errors import InputError
from memrl.contracts.imports import attribute_of
from memrl.contracts.types import Tool
from memrl.tools.sandbox import Sandbox
from memrl.tools.schema import schema_of
from memrl.tools.toolbox import ToolResult, as_result

SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A function and what is told of it. It can still be called as itself."""

    spec: Tool
    function: Callable[..., Any]
    seconds: float | None
    """After which the policy is told that it took too long; None waits. Python cannot stop a thread: the function goes
    on in the background. What may hang for good belongs into the sandbox."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Call it. Raises what it raises."""
        if self.seconds is None:
            return as_result(self.function(**arguments))
        box: list[tuple[Any, BaseException | None]] = []
        thread = threading.Thread(target=_into, args=(box, self.function, arguments), daemon=True)
        thread.start()
        thread.join(self.seconds)
        if not box:
            return ToolResult(f"Error: {self.spec.name}: no answer after {self.seconds:g} s", False)
        value, error = box[0]
        if isinstance(error, KeyboardInterrupt):
            raise RuntimeError("KeyboardInterrupt, which no person caused") from error
        if error is not None:
            raise error
        return as_result(value)


def _into(box: list[tuple[Any, BaseException | None]], function: Callable[..., Any], arguments: Any) -> None:
    try:
        value = function(**arguments)
    except BaseException as error:
        box.append((None, error))
    else:
        box.append((value, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedTool:
    """A function that runs in the sandbox."""

    spec: Tool
    where: str
    """Its "module:function"."""
    sandbox: Sandbox

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        json.dumps(arguments)
        ran = self.sandbox.call(self.where, arguments)
        return ToolResult(ran.text if ran.ok else "\n".join(filter(None, (ran.text, f"Error: {ran.why}"))), ran.ok)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *, name: str = "", about: str = "", seconds: float | None = SECONDS
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(function: Any = None, /, *, name: str = "", about: str = "", seconds: float | None = SECONDS) -> Any:
    """A tool from a function: ``tool(f)``, or as a decorator, with or without options.

    Args:
        name: instead of the function's.
        about: instead of its docstring's first paragraph.
        seconds: see ``FunctionTool.seconds``.

    Raises:
        InputError: the function has no name or docstring, is async or a generator, or has an argument without a hint
            that JSON has a schema for or with a default that JSON has not; ``seconds`` is not above 0.
    """
    if function is None:
        return lambda found: tool_of(found, name, about, seconds)
    return tool_of(function, name, about, seconds)


def tool_of(function: Callable[..., Any], name: str, about: str, seconds: float | None) -> FunctionTool:
    """See ``tool``."""
    if not callable(function):
        raise InputError(f"tool({function!r:.60}): it is no function; pass one with a docstring and type hints")
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < threading.TIMEOUT_MAX):
        raise InputError(f"seconds = {seconds!r:.60}: it must be above 0 and finite, or None to wait")
    return FunctionTool(spec=spec_of(function, name, about), function=function, seconds=seconds)


def isolated(where: str, sandbox: Sandbox, *, name: str = "", about: str = "") -> IsolatedTool:
    """A function by its "module:function", which ``sandbox`` was given in ``functions``.

    Raises:
        InputError: see ``tool``; or the sandbox does not have it.
    """
    if where not in sandbox.functions:
        raise InputError(f"function {where!r} is not in this sandbox; make it with Sandbox(functions=[{where!r}])")
    function = attribute_of(where, "function")
    function = getattr(function, "function", function)
    return IsolatedTool(spec=spec_of(function, name, about), where=where, sandbox=sandbox)


def spec_of(function: Callable[..., Any], name: str = "", about: str = "") -> Tool:
    """What is told of a function. Raises InputError."""
    name = name or getattr(function, "__name__", "")
    if not name.isidentifier():
        raise InputError(f"a function with the name {name!r} is no tool; give it one: tool(f, name=...)")
    text = about or (inspect.getdoc(function) or "").split("\n\n")[0]
    if not text:
        raise InputError(f"function {name} has no docstring, so nobody would know what it is for; write one")
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        raise InputError(f"function {name} is async or a generator; give one that returns its result")
    try:
        hints = get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
    except (NameError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        way_out = "its signature and hints cannot be read; write a def with hints around it"
        raise InputError(f"function {name}: {way_out} ({error})") from error
    return Tool(
        name=name,
        about=" ".join(text.split()),
        parameters=tuple((one.name, _parameter(name, one, hints)) for one in parameters),
    )


def _parameter(function: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> dict[str, Any]:
    if parameter.kind is parameter.POSITIONAL_ONLY:
        way_out = "take out the / behind it: a call gives every argument by its name"
        raise InputError(f"function {function}: argument {parameter.name!r} is by position only; {way_out}")
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise InputError(f"function {function}: argument {parameter.name!r} has no name that a call could give")
    if parameter.name not in hints:
        raise InputError(f"function {function}: argument {parameter.name!r} has no type hint; write one")
    try:
        schema = schema_of(hints[parameter.name])
    except InputError as error:
        raise InputError(f"function {function}: argument {parameter.name!r}: {error}") from error
    if parameter.default is parameter.empty:
        return schema
    try:
        json.dumps(parameter.default, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"function {function}: the default of {parameter.name!r} is nothing that JSON has") from error
    return {**schema, "default": parameter.default}
