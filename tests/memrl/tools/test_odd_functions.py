"""Functions that misbehave or cannot be tools, and calls that a policy made too long."""

import asyncio
import functools
from typing import Annotated, Any, Literal

import pytest

from memrl.contracts.errors import InputError
from memrl.contracts.types import ToolCall
from memrl.tools import Toolbox, ToolResult, tool


class Speechless(ValueError):
    """Cannot say what went wrong."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (asyncio.CancelledError("c"), "CancelledError: c"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseException("b"), "BaseException: b"),
        (KeyboardInterrupt(), "RuntimeError: KeyboardInterrupt, which no person caused"),
        (Speechless(), "Speechless: (its text cannot be had: RuntimeError)"),
        (ValueError("x" * 1_000_000), "ValueError: " + "x" * 1000 + "…"),
        (ValueError("a\ud800"), "ValueError: a?"),
    ],
)
def test_whatever_is_raised_is_one_line_that_can_be_shown(error: BaseException, line: str):
    def fails():
        """Fails."""
        raise error

    assert Toolbox([tool(fails)]).call(ToolCall("fails", ())) == ToolResult(f"Error: fails: {line}", False)


def test_a_person_may_still_interrupt_a_tool_in_this_thread():
    def fails():
        """Fails."""
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Toolbox([tool(seconds=None)(fails)]).call(ToolCall("fails", ()))


def test_a_result_without_text_is_an_error_of_the_tool():
    def empty() -> Any:
        """Gives no text."""
        return ToolResult(None, True)  # pyright: ignore[reportArgumentType]

    told = Toolbox([tool(empty)]).call(ToolCall("empty", ()))
    assert not told.ok and told.text.startswith("Error: empty: TypeError")


def test_long_names_are_cut():
    def short(value: int):
        """Takes a value."""

    box = Toolbox([tool(short)])
    assert len(box.call(ToolCall("x" * 100_000, ())).text) < 200
    assert len(box.call(ToolCall("short", (("x" * 1_000_000, 1),))).text) < 200


async def waits():
    """Waits."""


def yields():
    """Yields."""
    yield 1


def defaults_to_nothing(value: int = float("nan")):  # pyright: ignore[reportArgumentType]
    """Has a default that JSON has not."""


def says_bytes(value: Literal[b"a"]):
    """Has a literal that JSON has not."""


def hinted_by_a_list(value: []):  # pyright: ignore[reportInvalidTypeForm]
    """Has a hint that is none."""


def named(value: int):
    """Takes a value."""


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (waits, "function waits is async or a generator"),
        (yields, "function yields is async or a generator"),
        (defaults_to_nothing, "the default of 'value' is nothing that JSON has"),
        (says_bytes, r"Literal\[b'a'\] has no JSON schema"),
        (hinted_by_a_list, r"the hint \[\] has no JSON schema"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_when_it_is_made(function: Any, line: str):
    with pytest.raises(InputError, match=line):
        tool(function)


@pytest.mark.parametrize("function", [max, functools.partial(named, value=1)])
def test_what_has_no_signature_that_can_be_read_is_refused(function: Any):
    with pytest.raises(InputError, match=r"cannot be read|no name that a call"):
        tool(name="odd", about="About.")(function)


def test_settings_of_tools_are_checked():
    for seconds in (-1, 0, "a"):
        with pytest.raises(InputError, match=f"seconds = {seconds!r}: it must be above 0"):
            tool(seconds=seconds)(named)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(InputError, match="max_chars = -5"):
        Toolbox([], max_chars=-5)
    with pytest.raises(InputError, match=r"is no tool; make it one: tool\(f\)"):
        Toolbox([named])  # pyright: ignore[reportArgumentType]

    def described(value: Annotated[str, {}]):
        """Takes a value."""

    assert tool(described).spec.parameters == (("value", {"type": "string"}),)
