"""The MCP server: the reference memory server's nine graph tools, and tools for plain memories.

    memrl serve --mcp --memory notes.db            # speaks on its standard streams; needs no model

Names, arguments and answers of the graph tools are those of @modelcontextprotocol/server-memory. Plain memories are
those that ``wrap`` and ``memrl chat`` keep in the same file; entities have a space of their own in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from memory_stores.durable import MemoryFile, StoreError
from memrl.contracts.errors import DataError, InputError, MissingExtra
from memrl.serve.knowledge import KnowledgeGraph
from memrl.serve.notes import Notes

try:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import CallToolResult, TextContent, ToolAnnotations
    from pydantic import BaseModel, ConfigDict, Field, ValidationError
except ImportError as error:
    raise MissingExtra("memrl serve --mcp needs the MCP package: pip install 'memrl[mcp]'") from error

GRAPH_TOKENS = 1_000_000
"""Budget of a knowledge graph's entities, and of its relations."""
LONGEST_QUERY = 2048
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
REMOVES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


class Entity(BaseModel):
    name: str = Field(description="The name of the entity")
    entityType: str = Field(description="The type of the entity")
    observations: list[str] = Field(description="An array of observation contents associated with the entity")


class Relation(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    start: str = Field(alias="from", description="The name of the entity where the relation starts")
    to: str = Field(description="The name of the entity where the relation ends")
    relationType: str = Field(description="The type of the relation")


class NewObservations(BaseModel):
    entityName: str = Field(description="The name of the entity to add the observations to")
    contents: list[str] = Field(description="An array of observation contents to add")


class Deletion(BaseModel):
    entityName: str = Field(description="The name of the entity containing the observations")
    observations: list[str] = Field(description="An array of observations to delete")


class Entities(BaseModel):
    entities: list[Entity]


class Relations(BaseModel):
    relations: list[Relation]


class Added(BaseModel):
    class Result(BaseModel):
        entityName: str
        addedObservations: list[str]

    results: list[Result]


class Graph(BaseModel):
    entities: list[Entity]
    relations: list[Relation]


class Done(BaseModel):
    success: bool
    message: str


class Memory(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: str
    memory: str
    metadata: dict[str, Any]


class Memories(BaseModel):
    results: list[Memory]


Names = Annotated[list[str], Field(description="An array of entity names")]
Query = Annotated[str, Field(max_length=LONGEST_QUERY, description="Matched against names, types and observations")]


PLAIN = ("add_memory", "search_memories", "get_memory", "update_memory", "delete_memory", "delete_all_memories")
"""Tools for plain memories. The graph's leave out arguments that they do not know, as the reference server does."""


class Server(MCPServer):
    """Says in one line what is wrong with the arguments of a call."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        if name in PLAIN:
            # An argument that nobody reads may be a user's name, whose memories would go to everybody.
            known = next(list(tool.input_schema["properties"]) for tool in await self.list_tools() if tool.name == name)
            if wrong := [one for one in arguments if one not in known]:
                told = f"take {', '.join(known)}" if known else "it takes none"
                raise ToolError(f"{name}: there is no argument {wrong[0]!r}; {told}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            first = error.__cause__.errors(include_url=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ToolError(f"{name}: {where} = {first['input']!r:.60}: {first['msg']}") from error


def make_server(file: MemoryFile, user: str | None = None) -> MCPServer:
    """The server over one user's memories in a file. Raises DataError where the file cannot hold them."""
    if user is not None and not user.strip():
        raise InputError(f"user = {user!r}: it is blank; name whose memories these are, or leave it out")
    name = user or "default"
    try:
        graph = KnowledgeGraph(file.space(("graph", name), graph=GRAPH_TOKENS, archive=GRAPH_TOKENS))
        # As ``wrap`` and the HTTP server call them: "default" is the memory of nobody in particular.
        notes = Notes(file.space(("default",) if name == "default" else ("users", name)))
    except StoreError as error:
        raise DataError(str(error)) from error
    server = Server("memrl", log_level="WARNING", instructions="A memory that lasts: entities with observations and "
                       "relations between them, and plain memories that are searched by words.")  # fmt: skip
    _add_graph_tools(server, graph)
    _remove_graph_tools(server, graph)
    _read_graph_tools(server, graph)
    _memory_tools(server, notes)
    return server


def _add_graph_tools(server: MCPServer, graph: KnowledgeGraph) -> None:
    @server.tool(title="Create Entities", annotations=ADDS)
    def create_entities(entities: list[Entity]) -> Annotated[CallToolResult, Entities]:
        """Create multiple new entities in the knowledge graph"""
        made = _told(lambda: graph.create_entities([one.model_dump() for one in entities]))
        return _result(made, {"entities": made})

    @server.tool(title="Create Relations", annotations=ADDS)
    def create_relations(relations: list[Relation]) -> Annotated[CallToolResult, Relations]:
        """Create multiple new relations between entities in the knowledge graph. Relations should be in active voice"""
        made = _told(lambda: graph.create_relations([one.model_dump(by_alias=True) for one in relations]))
        return _result(made, {"relations": made})

    @server.tool(title="Add Observations", annotations=ADDS)
    def add_observations(observations: list[NewObservations]) -> Annotated[CallToolResult, Added]:
        """Add new observations to existing entities in the knowledge graph"""
        made = _told(lambda: graph.add_observations([one.model_dump() for one in observations]))
        return _result(made, {"results": made})


def _remove_graph_tools(server: MCPServer, graph: KnowledgeGraph) -> None:
    @server.tool(title="Delete Entities", annotations=REMOVES)
    def delete_entities(entityNames: Names) -> Annotated[CallToolResult, Done]:
        """Delete multiple entities and their associated relations from the knowledge graph"""
        gone, missing = _told(lambda: graph.delete_entities(entityNames))
        partly = f"Deleted {len(gone)} of {len(entityNames)} entities. Not found: {', '.join(missing)}"
        return _done(partly if missing else "Entities deleted successfully")

    @server.tool(title="Delete Observations", annotations=REMOVES)
    def delete_observations(deletions: list[Deletion]) -> Annotated[CallToolResult, Done]:
        """Delete specific observations from entities in the knowledge graph"""
        gone, missing = _told(lambda: graph.delete_observations([one.model_dump() for one in deletions]))
        asked = sum(len(one.observations) for one in deletions)
        unknown = f" Entities not found: {', '.join(missing)}" if missing else ""
        partly = f"Deleted {gone} of {asked} observations.{unknown}"
        return _done("Observations deleted successfully" if gone == asked else partly)

    @server.tool(title="Delete Relations", annotations=REMOVES)
    def delete_relations(relations: list[Relation]) -> Annotated[CallToolResult, Done]:
        """Delete multiple relations from the knowledge graph"""
        gone = _told(lambda: graph.delete_relations([one.model_dump(by_alias=True) for one in relations]))
        partly = f"Deleted {gone} of {len(relations)} relations. The rest matched nothing."
        return _done("Relations deleted successfully" if gone == len(relations) else partly)


def _read_graph_tools(server: MCPServer, graph: KnowledgeGraph) -> None:
    @server.tool(title="Read Graph", annotations=READS)
    def read_graph() -> Annotated[CallToolResult, Graph]:
        """Read the entire knowledge graph"""
        found = _told(graph.read_graph)
        return _result(found, found)

    @server.tool(title="Search Nodes", annotations=READS)
    def search_nodes(query: Query) -> Annotated[CallToolResult, Graph]:
        """Search for nodes in the knowledge graph based on a query"""
        found = _told(lambda: graph.search_nodes(query))
        return _result(found, found)

    @server.tool(title="Open Nodes", annotations=READS)
    def open_nodes(names: Names) -> Annotated[CallToolResult, Graph]:
        """Open specific nodes in the knowledge graph by their names"""
        found = _told(lambda: graph.open_nodes(names))
        return _result(found, found)


def _memory_tools(server: MCPServer, notes: Notes) -> None:
    @server.tool(title="Add Memory", annotations=ADDS)
    def add_memory(text: str, metadata: dict[str, Any] | None = None) -> Annotated[CallToolResult, Memories]:
        """Remember a text. The event is ADD, or NONE where the same text is remembered already"""
        return _same(_told(lambda: notes.add(text, metadata)))

    @server.tool(title="Search Memories", annotations=READS)
    def search_memories(
        query: str, limit: int = 5, filters: dict[str, Any] | None = None
    ) -> Annotated[CallToolResult, Memories]:
        """Search memories by words, the best first. Filters are metadata fields with values, or {"$gte": value}"""
        return _same(_told(lambda: notes.search(query, limit, filters)))

    @server.tool(title="Get Memory", annotations=READS)
    def get_memory(memory_id: str) -> Annotated[CallToolResult, Memory]:
        """One memory by its id"""
        return _same(_told(lambda: notes.get(memory_id)))

    @server.tool(title="Update Memory", annotations=REMOVES)
    def update_memory(
        memory_id: str, text: str, metadata: dict[str, Any] | None = None
    ) -> Annotated[CallToolResult, Memories]:
        """Put another text in the place of a memory; its id stays"""
        return _same(_told(lambda: notes.update(memory_id, text, metadata)))

    @server.tool(title="Delete Memory", annotations=REMOVES)
    def delete_memory(memory_id: str) -> Annotated[CallToolResult, Memories]:
        """Delete one memory"""
        return _same(_told(lambda: notes.delete(memory_id)))

    @server.tool(title="Delete All Memories", annotations=REMOVES)
    def delete_all_memories() -> Annotated[CallToolResult, Memories]:
        """Delete all memories; entities and relations stay"""
        return _same(_told(notes.delete_all))


def _told(work: Callable[[], Any]) -> Any:
    """What ``work`` gives; its errors as a tool's own, in one line, which a model can read and mend."""
    try:
        return work()
    except (InputError, StoreError) as error:
        raise ToolError(" ".join(str(error).split())) from error
    except ValueError as error:
        raise ToolError(f"an argument cannot be used: {' '.join(str(error).split())}") from error


def _result(shown: Any, structured: Mapping[str, Any]) -> CallToolResult:
    text = json.dumps(shown, ensure_ascii=False, indent=2)
    return CallToolResult(content=[TextContent(text=text)], structured_content=dict(structured))


def _same(told: Mapping[str, Any]) -> CallToolResult:
    return _result(told, told)


def _done(message: str) -> CallToolResult:
    done = {"success": True, "message": message}
    return CallToolResult(content=[TextContent(text=message)], structured_content=done)


def count_tokens(text: str) -> int:
    """Three bytes of UTF-8 count as a token: no model is asked."""
    return -(-len(text.encode()) // 3)


@contextmanager
def opened(path: Path) -> Generator[MemoryFile]:
    """A memory file. Raises DataError where it cannot be used."""
    try:
        file = MemoryFile(path, count_tokens=count_tokens)
    except StoreError as error:
        raise DataError(str(error)) from error
    with file:
        yield file


def run_stdio(path: Path, user: str | None) -> None:
    """Serve until the client goes. Raises InputError where the file cannot be used."""
    with opened(path) as file:
        make_server(file, user).run("stdio")
