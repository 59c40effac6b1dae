"""Functions as tools: schemas from hints, calls checked, every failure one clear line."""

import time
from typing import Annotated, Any, Literal

import pytest

from memrl.contracts.errors import InputError
from memrl.contracts.types import ToolCall
from memrl.tools import SearchIndex, Toolbox, ToolResult, search_tool, tool
from memrl.tools.schema import problem, schema_of


@tool
def book(city: str, nights: int = 1, kind: Literal["single", "double"] = "single", tags: list[str] | None = None):
    """Books a room.

    Not told to the policy.
    """
    return f"{kind} in {city} for {nights}, {tags}"


def call(made, **arguments):
    return Toolbox([made]).call(ToolCall(made.spec.name, tuple(arguments.items())))


def test_a_function_becomes_a_tool_with_its_schema():
    assert book.spec.name == "book" and book.spec.about == "Books a room."
    assert dict(book.spec.parameters) == {
        "city": {"type": "string"},
        "nights": {"type": "integer", "default": 1},
        "kind": {"enum": ["single", "double"], "default": "single"},
        "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
    }
    assert book("Rome") == "single in Rome for 1, None"
    assert call(book, city="Rome", nights=2, tags=["sea"]) == ToolResult("single in Rome for 2, ['sea']", True)


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (float, {"type": "number"}),
        (Any, {}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Annotated[str, "of a town"], {"type": "string", "description": "of a town"}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ],
)
def test_hints_as_schema(hint, schema):
    assert schema_of(hint) == schema


@pytest.mark.parametrize("hint", [bytes, object, dict[int, str], tuple[int, str, int]])
def test_a_hint_that_json_has_not_is_refused(hint):
    with pytest.raises(InputError, match="no JSON schema"):
        schema_of(hint)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "argument 'city' is missing; it takes city, nights, kind, tags"),
        ({"city": "Rome", "days": 2}, "there is no argument 'days'; it takes city, nights, kind, tags"),
        ({"city": 3}, "argument 'city' must be string, not 3"),
        ({"city": "Rome", "nights": True}, "argument 'nights' must be integer, not True"),
        ({"city": "Rome", "nights": "2"}, "argument 'nights' must be integer, not '2'"),
        ({"city": "Rome", "kind": "suite"}, "argument 'kind' must be one of 'single', 'double', not 'suite'"),
        ({"city": "Rome", "tags": [1]}, "argument 'tags' must be array or null, not [1]"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line):
    assert call(book, **arguments) == ToolResult(f"Error: book: {line}", False)


def test_an_argument_given_twice_and_a_tool_that_there_is_not():
    box = Toolbox([book])
    twice = box.call(ToolCall("book", (("city", "a"), ("city", "b"))))
    assert twice == ToolResult("Error: book: argument 'city' is given twice", False)
    unknown = box.call(ToolCall("bok", ()))
    assert unknown == ToolResult("Error: there is no tool 'bok'; there are book; did you mean book?", False)


def raises():
    """Fails."""
    raise KeyError("no\nsuch")


def leaves():
    """Leaves."""
    raise SystemExit(3)


def hangs():
    """Hangs."""
    time.sleep(5)


def large():
    """Says much."""
    return "x" * 1_000_000


def bad_bytes():
    """Says no UTF-8."""
    return b"ab\xff"


def half_a_pair():
    """Says half a surrogate pair."""
    return "a\ud800"


def no_json():
    """Says what JSON has not."""
    return object()


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (raises, "Error: raises: KeyError: 'no\\nsuch'"),
        (leaves, "Error: leaves: SystemExit: 3"),
        (hangs, "Error: hangs: no answer after 0.05 s"),
        (large, "Error: large: the result is too large: 1000000 characters of 20000"),
        (bad_bytes, "Error: bad_bytes: ValueError: the result is no UTF-8 text: byte 0xff at 2"),
        (half_a_pair, "Error: half_a_pair: the result is no UTF-8 text (at character 1)"),
        (no_json, "Error: no_json: TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_whatever_goes_wrong_in_a_tool_is_one_line(function, line):
    assert call(tool(seconds=0.05)(function)) == ToolResult(line, False)
    if function is not hangs:
        assert call(tool(seconds=None)(function)) == ToolResult(line, False)


def test_values_become_text():
    def one(value: Any):
        """Gives it back."""
        return value

    made = tool(one)
    given = [("a", "a"), (None, "done"), ([1, "é"], '[1, "é"]'), ({"a": 1.5}, '{"a": 1.5}'), (True, "true")]
    assert [call(made, value=value).text for value, _ in given] == [text for _, text in given]


def test_functions_that_are_no_tools_are_refused():
    def unhinted(value):
        """About."""

    def silent(value: int): ...

    def many(*values: int):
        """About."""

    for function, line in ((unhinted, "no type hint"), (silent, "no docstring"), (many, "no name that a call")):
        with pytest.raises(InputError, match=line):
            tool(function)
    with pytest.raises(InputError, match="give it one"):
        tool(lambda: 1)
    with pytest.raises(InputError, match="two tools have the name 'book'"):
        Toolbox([book, book])
    assert tool(name="named", about="About.")(lambda: 1).spec.name == "named"


def test_what_a_server_declares_is_checked_as_far_as_hints_reach():
    schema = {"type": "object", "properties": {"at": {"type": ["integer", "null"]}}, "required": ["at"]}
    assert problem({"at": 1}, schema, "x") == problem({"at": None}, schema, "x") == ""
    assert problem({}, schema, "x") == "x lacks 'at'"
    assert problem({"at": "1"}, schema, "x") == "x.at must be integer or null, not '1'"
    assert problem(1, {"type": "made up"}, "x") == ""


def test_search_ranks_by_bm25():
    # Two documents of mean length 2; 'red' is in both, 'fox' in one: idf(fox) = log(1 + 1.5 / 1.5) = log 2.
    index = SearchIndex(["red fox", "red red"])
    [(first, score)] = index.find("fox")
    assert first == "red fox" and score == pytest.approx(0.6931472)
    assert [text for text, _ in index.find("Red")] == ["red red", "red fox"]
    made = search_tool(["red fox", "red hen", "cow"], shown=1)
    assert call(made, query="the hen") == ToolResult("red hen", True)
    assert call(made, query="zebra") == ToolResult("Nothing was found for 'zebra'.", True)
    assert search_tool([]).run({"query": "x"}).ok


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: tool(3), r"tool\(3\): it is no function"),
        (lambda: tool(by_place), "argument 'city' is by position only; take out the /"),
        (lambda: tool(seconds=float("inf"))(sleeps), "seconds = inf: it must be above 0 and finite"),
    ],
)
def test_what_can_be_no_tool_is_told_what_is_wrong(make, line):
    with pytest.raises(InputError, match=line):
        make()


def sleeps(nights: int) -> str:
    """Sleeps."""
    return f"{nights} nights"


def by_place(city: str, /) -> str:
    """Looks a city up."""
    return city
