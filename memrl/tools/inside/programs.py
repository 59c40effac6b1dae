"""What a locked process does: runs the policy's Python, asks a database, or calls a function of the user's.

``(argument, …) -> None``; the result is printed. ``Failed`` is a failure that is told in one line.
"""

from __future__ import annotations

import ast
import builtins
import json
import random
import sqlite3
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from memrl.tools.inside.said import told

MODULES = (
    "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
    "heapq", "itertools", "json", "math", "numbers", "operator", "random", "re", "statistics", "string", "textwrap",
    "typing", "unicodedata",
)  # fmt: skip
"""What the policy's code may import. They are loaded before the fences go up; later nothing can be."""
_PLAIN = {one.__name__: one for one in (print, abs, min, max, sum, round, len, int, float, str)}
_PLAIN_NODES = (
    ast.Module, ast.Expr, ast.Assign, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call,
    ast.Tuple, ast.List, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
ROWS = 200
"""Of a query's result that are shown."""
_SQL_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_SQL_FORBIDDEN = {
    "load_extension", "random", "randomblob", "readfile", "writefile", "edit", "fts3_tokenizer",
    "current_timestamp", "current_date", "current_time",
}  # fmt: skip
"""Functions that reach outside, or whose result is another each time."""


class Failed(Exception):
    """One line for whoever called."""


def load() -> None:
    """Import what programs may need, while files can still be opened."""
    for name in (*MODULES, "_strptime", "encodings.idna", "encodings.latin_1", "encodings.ascii", "traceback"):
        import_module(name)


def warm_up() -> None:
    """Go the ways that a call goes, once, so that a child finds them gone."""
    _space()
    eval(compile(ast.Expression(ast.parse("1 + 1").body[0].value), "<code>", "eval"), {})  # pyright: ignore[reportAttributeAccessIssue]


def run_python(code: str) -> None:
    """Run it; if it ends in an expression that is not None, its ``repr`` is printed too, as at a prompt."""
    try:
        tree = ast.parse(code, "<code>")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Failed(f"{type(error).__name__}: {message}{at}") from error
    random.seed(0)
    run_tree(tree, _space())


def run_tree(tree: ast.Module, space: dict[str, Any]) -> None:
    """Run what was parsed. Raises Failed."""
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        exec(compile(tree, "<code>", "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<code>", "eval"), space)
            if value is not None:
                print(repr(value))
    except SystemExit as error:
        _left(error)
    except BaseException as error:
        raise Failed(told(error) + _line_of(error)) from error


def plain(code: str) -> ast.Module | None:
    """Code that reckons and prints and can change nothing: numbers, texts, names of its own and a few functions, but no
    attribute, subscript, loop or definition. None for any other, and for what cannot be parsed."""
    try:
        tree = ast.parse(code, "<code>")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if not isinstance(node, _PLAIN_NODES):
            return None
        if (
            isinstance(node, ast.Name)
            and node.id not in _PLAIN
            and (node.id.startswith("_") or hasattr(builtins, node.id))
        ):
            return None
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _PLAIN):
            return None
        if isinstance(node, ast.Assign) and not all(isinstance(one, ast.Name) for one in node.targets):
            return None
    return tree


def run_plain(tree: ast.Module) -> None:
    """Run what ``plain`` let through. Raises Failed."""
    run_tree(tree, {"__name__": "__main__", "__builtins__": dict(_PLAIN)})


def _line_of(error: BaseException) -> str:
    """Where in the code it happened."""
    at, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<code>":
            at = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {at})" if at is not None else ""


@cache
def _space() -> dict[str, Any]:
    """Where code runs. Its builtins are the usual ones, but for ``import`` of other modules, and ``id``, which counts.
    That is for clarity: what guards is the kernel. One child runs one code, so all may have the same."""
    ids: dict[int, tuple[int, object]] = {}

    def count(thing: object) -> int:
        return ids.setdefault(id(thing), (len(ids) + 1, thing))[0]

    def load_known(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] not in MODULES and sys._getframe(1).f_code.co_filename == "<code>":
            raise ImportError(f"there is no module {name!r} here; there are math, json, re, datetime and their like")
        return builtins.__import__(name, *more, **named)

    return {"__name__": "__main__", "__builtins__": {**vars(builtins), "id": count, "__import__": load_known}}


def run_sql(query: str, database: bytes) -> None:
    """Ask a database, given as SQLite's own bytes, of which a copy stands in memory; reading is all that is allowed."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.deserialize(database)
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for kind, most in ((sqlite3.SQLITE_LIMIT_ATTACHED, 0), (sqlite3.SQLITE_LIMIT_LENGTH, 10_000_000)):
            connection.setlimit(kind, most)
        connection.set_authorizer(_authorized)
        cursor = connection.execute(query)
        if cursor.description is None:
            raise Failed("the query returns nothing; ask with SELECT")
        rows = cursor.fetchmany(ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        reason = " ".join(str(error).split())
        only = "; only reading is allowed" if "not authorized" in reason or "prohibited" in reason else ""
        raise Failed(f"{reason}{only}") from error
    print(" | ".join(column[0] for column in cursor.description))
    for row in rows[:ROWS]:
        print(" | ".join(_cell(value) for value in row))
    if len(rows) > ROWS:
        print(f"(the first {ROWS} rows; there are more)")
    if not rows:
        print("(no rows)")


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)


def _authorized(action: int, first: str | None, second: str | None, *_: object) -> int:
    allowed = action in _SQL_ALLOWED
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _SQL_FORBIDDEN:
        allowed = False
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def run_function(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Call it; text is printed as it is, anything else as JSON."""
    try:
        result = function(**arguments)
        print(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False), end="")
    except SystemExit as error:
        _left(error)
    except BaseException as error:
        raise Failed(told(error)) from error


def _left(error: SystemExit) -> None:
    """A program may end itself; with a status other than 0 it says that it failed. Raises Failed."""
    if error.code not in (None, 0):
        raise Failed(told(error)) from error
