"""Tools that a policy may call: any Python function, code and SQL in a sandbox, search, MCP servers.

from memrl.tools import Sandbox, Toolbox, python_tool, tool

@tool
def rate(city: str, days: int = 7) -> str:
    \"\"\"Price of a room, in euros.\"\"\"
    ...

with Sandbox() as sandbox:
    box = Toolbox([rate, python_tool(sandbox)])
    box.call(ToolCall("python", (("code", "2 ** 10"),)))     # ToolResult(text="1024", ok=True)

function.py   a function to a tool: its docstring, its hints as JSON schema
schema.py     hints to schema; a call's arguments against it
toolbox.py    several tools by name; whatever goes wrong in a call is a text
sandbox.py    the process that runs what a policy wrote; inside/ is what runs in there
programs.py   the tools python(code) and sql(query)
search.py     the tool search(query), over documents by BM25
mcp.py        the tools of an MCP server (extra ``mcp``)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memrl.tools.function import FunctionTool, isolated, tool
    from memrl.tools.programs import python_tool, sql_tool
    from memrl.tools.sandbox import Sandbox, SandboxLimits
    from memrl.tools.search import SearchIndex, search_tool
    from memrl.tools.toolbox import Toolbox, ToolResult

_HOME = {
    "FunctionTool": "function",
    "Sandbox": "sandbox",
    "SandboxLimits": "sandbox",
    "SearchIndex": "search",
    "ToolResult": "toolbox",
    "Toolbox": "toolbox",
    "isolated": "function",
    "python_tool": "programs",
    "search_tool": "search",
    "sql_tool": "programs",
    "tool": "function",
}
"""Public name -> its module, imported when the name is first asked for: the sandbox's process must stay small."""

__all__ = [
    "FunctionTool",
    "Sandbox",
    "SandboxLimits",
    "SearchIndex",
    "ToolResult",
    "Toolbox",
    "isolated",
    "python_tool",
    "search_tool",
    "sql_tool",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
