"""The tools of an MCP server that speaks on its standard streams: ``pip install 'memrl[mcp]'``.

    with McpServer(["python", "my_server.py"]) as server:
        box = Toolbox(server.tools)

The server runs in a process of its own, with an environment of its own. One that dies, hangs or answers nonsense is an
observation; the next call starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shlex
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ConfigError, MissingExtra
from memrl.contracts.types import Tool
from memrl.tools.inside.said import told
from memrl.tools.toolbox import ToolResult

try:
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client
except ImportError as error:
    raise MissingExtra("tools of an MCP server need a package: pip install 'memrl[mcp]'") from error

# What the client complains of comes here as an error; without this it would also stand on the terminal.
logging.getLogger("mcp").addHandler(logging.NullHandler())

STARTS = 30.0
"""Seconds that a server has to start and to list its tools."""


class McpServer:
    """One server, and its ``tools``. Use it in a ``with``, or ``close`` it.

    Args:
        command: the program and its arguments.
        env: its environment beyond the few variables that MCP hands on (PATH, HOME and their like).
        seconds: that a call may take.

    Raises:
        ConfigError: it cannot be started, or lists no tools; the command is a text in place of a list; a call would
            have no time.
    """

    def __init__(
        self, command: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None, seconds: float = 10.0
    ) -> None:
        if isinstance(command, str | bytes) or not command:
            way_out = 'give the program and its arguments one by one: ["python", "server.py"]'
            raise ConfigError("mcp", str(command), way_out)
        if wrong := [word for word in command if not isinstance(word, str | os.PathLike)]:
            raise ConfigError("mcp", f"{wrong[0]!r:.60}", "the program and its arguments are texts or paths")
        if not 0 < seconds < float("inf"):
            raise ConfigError("mcp.seconds", seconds, "a call needs some time, and not forever")
        self._command, self._env, self._seconds = [os.fspath(word) for word in command], dict(env or {}), seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._session: _Session | None = None
        try:
            listed = self._wait(self._listed(), STARTS)
        except Exception as error:
            self.close()
            way_out = f"no MCP server answers there: {told(_first(error))}"
            raise ConfigError("mcp", shlex.join(self._command), way_out) from error
        self.tools = tuple(McpTool(spec=spec, server=self) for spec in listed)

    def __enter__(self) -> McpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server."""
        if self._loop.is_running():
            with contextlib.suppress(Exception):
                self._wait(self._left(), STARTS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool; every failure is a text."""
        if self._loop.is_closed():
            return ToolResult(f"Error: {name}: the server was closed", False)
        try:
            json.dumps(arguments, ensure_ascii=False).encode()
            self._wait(self._open(), STARTS)
            return self._wait(self._called(name, arguments), self._seconds)
        except UnicodeEncodeError:
            return ToolResult(f"Error: {name}: an argument is no Unicode: half of a surrogate pair", False)
        except TimeoutError:
            why = f"no answer after {self._seconds:g} s"
        except Exception as error:
            why = f"the server failed: {told(_first(error))}"
        with contextlib.suppress(Exception):
            self._wait(self._left(), STARTS)
        return ToolResult(f"Error: {name}: {why}", False)

    def _wait(self, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        """Do it in the loop's thread. Raises TimeoutError, and what it raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    async def _listed(self) -> list[Tool]:
        client, listed, cursor = (await self._open()).client, [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            if not (cursor := page.next_cursor):
                break
        return [_spec(tool.name, tool.description or tool.name, tool.input_schema) for tool in listed]

    async def _called(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        result = await (await self._open()).client.call_tool(name, dict(arguments))
        texts = [getattr(part, "text", None) or f"[{part.type}]" for part in result.content]
        text = "\n".join(texts) or "done"
        return ToolResult(f"Error: {name}: {' '.join(text.split())}" if result.is_error else text, not result.is_error)

    async def _open(self) -> _Session:
        if self._session is None:
            self._session = _Session(StdioServerParameters(
                command=self._command[0], args=self._command[1:], env=self._env or None,
                encoding_error_handler="replace",
            ))  # fmt: skip
            await self._session.started()
        return self._session

    async def _left(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.end()


class _Session:
    """A connection, entered and left by one task, as anyio wants it."""

    def __init__(self, parameters: StdioServerParameters) -> None:
        self._complaints = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        self.client = Client(stdio_client(parameters, errlog=self._complaints))
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        try:
            async with self.client:
                self._ready.set_result(None)
                await self._over.wait()
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)

    async def started(self) -> None:
        await self._ready

    async def end(self) -> None:
        self._over.set()
        await self._task
        self._complaints.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """One tool of a server."""

    spec: Tool
    server: McpServer

    def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        return self.server.call(self.spec.name, arguments)


def _spec(name: str, about: str, schema: Mapping[str, Any]) -> Tool:
    """As ``Tool`` has it; an argument that need not be given has a default, if only null."""
    required = set(schema.get("required", ()))
    parameters = tuple(
        (argument, dict(one) if argument in required or "default" in one else {**one, "default": None})
        for argument, one in schema.get("properties", {}).items()
    )
    return Tool(name=name, about=" ".join(about.split()), parameters=parameters)


def _first(error: BaseException) -> BaseException:
    """The first error of a group: anyio wraps them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
