"""The tools ``python(code)`` and ``sql(query)``, which run in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memrl.contracts.errors import DataError, InputError
from memrl.contracts.types import Tool
from memrl.tools.sandbox import Ran, Sandbox
from memrl.tools.toolbox import ToolResult

HEADER = b"SQLite format 3\x00"
PYTHON = Tool(
    name="python",
    about="Runs Python and shows what it prints, and the value of its last line. No files, no network.",
    parameters=(("code", {"type": "string"}),),
)
SQL = Tool(
    name="sql",
    about="Asks the SQLite database and shows the rows. Reading only.",
    parameters=(("query", {"type": "string"}),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTool:
    """``python(code)``."""

    sandbox: Sandbox
    spec: Tool = PYTHON

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        return as_told("python", self.sandbox.python(arguments["code"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTool:
    """``sql(query)`` over one database, read-only."""

    sandbox: Sandbox
    database: bytes = field(repr=False)
    """Of a SQLite file."""
    spec: Tool = SQL

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        return as_told("sql", self.sandbox.sql(arguments["query"], self.database))


def python_tool(sandbox: Sandbox) -> PythonTool:
    """The tool that runs a policy's code. Raises InputError where that is no sandbox."""
    _check(sandbox)
    return PythonTool(sandbox=sandbox)


def _check(sandbox: object) -> None:
    if not isinstance(sandbox, Sandbox):
        raise InputError(f"sandbox = {sandbox!r:.60}: make one, Sandbox()")


def sql_tool(sandbox: Sandbox, database: Path | str | bytes) -> SqlTool:
    """The tool that asks a database: a file, or its bytes. It is read once, here; the file is not held open.

    Raises:
        InputError: it is neither a path nor bytes, or the sandbox is none.
        DataError: there is no such file, it is no SQLite database, or part of it still stands in a log beside it.
    """
    _check(sandbox)
    if not isinstance(database, Path | str | bytes) or not str(database).strip():
        raise InputError(f"database = {database!r:.60}: give the path of a SQLite file, or its bytes")
    where = "the database" if isinstance(database, bytes) else str(database)
    try:
        data = database if isinstance(database, bytes) else Path(database).read_bytes()
    except OSError as error:
        raise DataError(f"{where}: it cannot be read: {error.strerror}") from error
    if not data.startswith(HEADER):
        raise DataError(f"{where}: it is no SQLite database")
    if not isinstance(database, bytes) and (log := Path(f"{database}-wal")).exists() and log.stat().st_size:
        raise DataError(f"{where}: part of it stands in {log.name}; close whoever writes it, then make the tool")
    return SqlTool(sandbox=sandbox, database=_rolled_back(data))


def _rolled_back(data: bytes) -> bytes:
    """In rollback mode: a database in WAL mode wants files beside it (sqlite.org/fileformat.html, bytes 18 and 19)."""
    return data[:18] + b"\x01\x01" + data[20:] if data[18:20] == b"\x02\x02" else data


def as_told(name: str, ran: Ran) -> ToolResult:
    """What came of a call in the sandbox, as the policy reads it."""
    if ran.ok:
        return ToolResult(ran.text or "(nothing was printed)", True)
    return ToolResult("\n".join(filter(None, (ran.text, f"Error: {name}: {ran.why}"))), False)
