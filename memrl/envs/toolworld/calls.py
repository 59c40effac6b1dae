"""The tools of a world, and what their calls gave: a call of the same world gives the same, so it is made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from functools import cached_property
from typing import Any

from memrl.contracts.types import Tool, ToolCall
from memrl.envs.toolworld.world import World
from memrl.tools import Sandbox, SearchIndex, Toolbox, ToolResult, python_tool, search_tool, sql_tool
from memrl.tools.search import SearchTool

ARCHIVE = Tool(
    name="archive",
    about="Finds documents of past years by their words.",
    parameters=(("query", {"type": "string"}),),
)
KEPT = 200_000
"""Results that are kept, some 100 bytes each."""


class Calls:
    """Results of calls, the oldest forgotten first. May be shared by threads: what two make at once is the same."""

    def __init__(self, sandbox: Sandbox, most: int = KEPT) -> None:
        self.sandbox = sandbox
        self._most = most
        self._known: OrderedDict[Hashable, ToolResult] = OrderedDict()

    def result(self, key: Hashable, tools: WorldTools, call: ToolCall) -> ToolResult:
        """Of a call in the world that ``key`` stands for."""
        place = (key, call.name, _hashable(call.arguments))
        known = self._known.get(place)
        if known is None:
            known = tools.box.call(call)
            self._known[place] = known
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return known


class WorldTools:
    """The toolbox of one world; what it takes is made when it is first asked for."""

    def __init__(self, world: World, sandbox: Sandbox, stale: bool) -> None:
        self._world, self._sandbox, self._stale = world, sandbox, stale

    @cached_property
    def box(self) -> Toolbox:
        tools: list[Any] = [
            search_tool(self._world.documents, shown=1),
            python_tool(self._sandbox),
            sql_tool(self._sandbox, self._world.database()),
        ]
        if self._stale:
            tools.append(SearchTool(index=SearchIndex(self._world.past), shown=1, spec=ARCHIVE))
        return Toolbox(tools)


def _hashable(value: Any) -> Hashable:
    """Arguments as a key; types are told apart, as 1 and True are not the same argument."""
    if isinstance(value, dict):
        return ("dict", *((_hashable(k), _hashable(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return ("list", *map(_hashable, value))
    return (type(value).__name__, value)
