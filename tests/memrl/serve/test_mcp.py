"""The MCP client against the server: the reference server's calls and shapes, over streams and over a real process."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from memory_stores.durable import MemoryFile
from memrl.agent import wrap
from memrl.serve.mcp_server import count_tokens, make_server, opened

ANA = {"name": "Ana_Ruiz", "entityType": "person", "observations": ["Speaks Spanish"]}
LAB = {"name": "Lab", "entityType": "place", "observations": []}
WORKS = {"from": "Ana_Ruiz", "to": "Lab", "relationType": "works_at"}


class Talk:
    """Calls tools one after the other, each over a connection of its own to one server."""

    def __init__(self, server):
        self._server = server

    def __call__(self, tool, **arguments):
        async def ask():
            async with Client(self._server) as client:
                return await client.call_tool(tool, arguments)

        return asyncio.run(ask())

    def structured(self, tool, **arguments):
        result = self(tool, **arguments)
        assert not result.is_error, result.content
        return result.structured_content

    def error(self, tool, **arguments):
        result = self(tool, **arguments)
        assert result.is_error
        return result.content[0].text


@pytest.fixture
def talk(tmp_path):
    with opened(tmp_path / "notes.db") as file:
        yield Talk(make_server(file))


def test_the_fifteen_tools_are_listed_with_their_arguments(talk):
    async def ask():
        async with Client(talk._server) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(ask())}
    assert set(tools) == {
        "create_entities", "create_relations", "add_observations", "delete_entities", "delete_observations",
        "delete_relations", "read_graph", "search_nodes", "open_nodes", "add_memory", "search_memories", "get_memory",
        "update_memory", "delete_memory", "delete_all_memories",
    }  # fmt: skip
    relation = tools["create_relations"].input_schema["$defs"]["Relation"]
    assert set(relation["properties"]) == {"from", "to", "relationType"} == set(relation["required"])
    assert list(tools["delete_entities"].input_schema["properties"]) == ["entityNames"]
    assert set(tools["read_graph"].output_schema["properties"]) == {"entities", "relations"}
    assert tools["read_graph"].annotations.read_only_hint and tools["delete_entities"].annotations.destructive_hint


def test_entities_relations_and_observations_are_told_as_the_reference_server_tells_them(talk):
    made = talk("create_entities", entities=[ANA, LAB, ANA])
    assert made.structured_content == {"entities": [ANA, LAB]}
    assert json.loads(made.content[0].text) == [ANA, LAB]
    assert talk.structured("create_entities", entities=[ANA]) == {"entities": []}
    assert talk.structured("create_relations", relations=[WORKS, WORKS]) == {"relations": [WORKS]}
    assert talk.structured("create_relations", relations=[WORKS]) == {"relations": []}
    added = talk.structured("add_observations", observations=[
        {"entityName": "Ana_Ruiz", "contents": ["Speaks Spanish", "Plays chess", "Plays chess"]}])  # fmt: skip
    assert added == {"results": [{"entityName": "Ana_Ruiz", "addedObservations": ["Plays chess"]}]}
    whole = {
        "entities": [{**ANA, "observations": ["Speaks Spanish", "Plays chess"]}, LAB],
        "relations": [WORKS],
    }
    read = talk("read_graph")
    assert read.structured_content == whole == json.loads(read.content[0].text)
    assert talk.structured("search_nodes", query="CHESS") == {"entities": whole["entities"][:1], "relations": [WORKS]}
    assert talk.structured("search_nodes", query="place") == {"entities": [LAB], "relations": [WORKS]}
    assert talk.structured("search_nodes", query="nothing") == {"entities": [], "relations": []}
    assert talk.structured("open_nodes", names=["Lab", "Nobody"]) == {"entities": [LAB], "relations": [WORKS]}


def test_what_is_deleted_is_told_and_gone(talk):
    talk("create_entities", entities=[{**ANA, "observations": ["one", "two"]}, LAB])
    talk("create_relations", relations=[WORKS])
    asked = [{"entityName": "Ana_Ruiz", "observations": ["one", "three"]}, {"entityName": "Eve", "observations": ["x"]}]
    told = talk("delete_observations", deletions=asked)
    assert told.content[0].text == "Deleted 1 of 3 observations. Entities not found: Eve"
    again = talk("delete_observations", deletions=[{"entityName": "Ana_Ruiz", "observations": ["two"]}])
    assert again.structured_content == {"success": True, "message": "Observations deleted successfully"}
    assert talk("delete_relations", relations=[WORKS]).content[0].text == "Relations deleted successfully"
    once_more = talk("delete_relations", relations=[WORKS]).content[0].text
    assert once_more == "Deleted 0 of 1 relations. The rest matched nothing."
    talk("create_relations", relations=[WORKS])
    assert talk("delete_entities", entityNames=["Ana_Ruiz"]).content[0].text == "Entities deleted successfully"
    partly = talk("delete_entities", entityNames=["Ana_Ruiz", "Lab"]).content[0].text
    assert partly == "Deleted 1 of 2 entities. Not found: Ana_Ruiz"
    assert talk.structured("read_graph") == {"entities": [], "relations": []}


def test_a_call_that_cannot_be_carried_out_says_why_and_changes_nothing(talk):
    talk("create_entities", entities=[ANA])
    before = talk.structured("read_graph")
    assert "Entity with name Lab not found" in talk.error("create_relations", relations=[WORKS])
    assert "not found" in talk.error("add_observations", observations=[{"entityName": "Eve", "contents": ["x"]}])
    assert "blank" in talk.error("create_entities", entities=[LAB, {**LAB, "name": " "}])
    assert talk.error("create_entities", entities=[{"name": "x"}])
    assert "no room" in talk.error("create_entities", entities=[{**LAB, "observations": ["x" * 4_000_000]}])
    assert talk.structured("read_graph") == before


def test_arguments_that_are_wrong_are_told_in_one_line(talk):
    told = talk.error("add_memory", text="Ben's secret is 77.", user_id="ben")
    assert told.endswith("add_memory: there is no argument 'user_id'; take text, metadata")
    assert "there is no argument 'k'" in talk.error("search_memories", query="secret", k=-1)
    assert "it takes none" in talk.error("delete_all_memories", user="ben")
    told = talk.error("search_memories", query=["secret"])
    assert "search_memories: query = ['secret']: " in told and "\n" not in told and "http" not in told
    assert "query" in talk.error("search_memories")
    assert talk.structured("search_memories", query="secret")["results"] == []
    # The reference server reads past what it does not know.
    assert talk.structured("read_graph", why="to see") == {"entities": [], "relations": []}


def test_memories_have_one_id_for_life(talk):
    [first] = talk.structured("add_memory", text="The red key is in the box.", metadata={"topic": "keys"})["results"]
    assert first["event"] == "ADD" and first["metadata"] == {"topic": "keys"}
    [again] = talk.structured("add_memory", text="The red key is in the box.")["results"]
    assert (again["event"], again["id"]) == ("NONE", first["id"])
    talk("add_memory", text="The lamp is blue.", metadata={"topic": "lamps"})
    [changed] = talk.structured("update_memory", memory_id=first["id"], text="The red key is in the bag.")["results"]
    assert (changed["id"], changed["event"]) == (first["id"], "UPDATE")
    assert changed["previous_memory"] == first["memory"] and changed["created_at"] == first["created_at"]
    hits = talk.structured("search_memories", query="where is the red key")["results"]
    assert hits[0]["id"] == first["id"] and 0 < hits[0]["score"] <= 1
    lamps = talk.structured("search_memories", query="the", filters={"topic": "lamps"})["results"]
    assert [one["memory"] for one in lamps] == ["The lamp is blue."]
    got = talk.structured("get_memory", memory_id=first["id"])
    assert got["memory"] == "The red key is in the bag." and got["metadata"] == {"topic": "keys"}
    assert talk.structured("delete_memory", memory_id=first["id"])["results"][0]["event"] == "DELETE"
    assert "no memory of that id" in talk.error("get_memory", memory_id=first["id"])
    assert len(talk.structured("delete_all_memories")["results"]) == 1
    assert talk.structured("search_memories", query="lamp")["results"] == []
    for tool, arguments in (
        ("add_memory", {"text": " "}), ("search_memories", {"query": ""}), ("delete_memory", {"memory_id": "a9"}),
        ("search_memories", {"query": "x", "limit": 0}),
        ("search_memories", {"query": "x", "filters": {"a": {"$no": 1}}}),
    ):  # fmt: skip
        assert "\n" not in talk.error(tool, **arguments)


def test_two_servers_on_one_file_see_what_the_other_wrote(tmp_path):
    with opened(tmp_path / "notes.db") as one, opened(tmp_path / "notes.db") as other:
        first, second = Talk(make_server(one)), Talk(make_server(other))
        first("create_entities", entities=[ANA])
        second("create_entities", entities=[LAB])
        first("create_relations", relations=[WORKS])
        assert second.structured("read_graph") == {"entities": [ANA, LAB], "relations": [WORKS]}


def test_users_have_memories_apart_and_the_wrapped_agent_has_the_same(tmp_path):
    path = tmp_path / "notes.db"
    agent = wrap("tiny", memory=path)
    agent.user("ana").observe("The key is under the mat.")
    with opened(path) as file:
        ana, ben = Talk(make_server(file, "ana")), Talk(make_server(file, "ben"))
        found = ana.structured("search_memories", query="key")["results"]
        assert [one["memory"] for one in found] == ["The key is under the mat."]
        assert ben.structured("search_memories", query="key")["results"] == []
        ben("add_memory", text="The safe is open.")
    assert [one.text for one in agent.user("ben").search("safe")] == ["The safe is open."]
    assert agent.users() == ("ana", "ben", "default")


def test_a_real_process_speaks_over_its_standard_streams_and_keeps_what_it_was_told(tmp_path):
    path = tmp_path / "notes.db"
    root = str(Path(__file__).parents[3])
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "memrl.cli.main", "serve", "--mcp", "--memory", str(path)],
        env={**os.environ, "PYTHONPATH": root},
    )

    async def ask(tool, **arguments):
        async with Client(stdio_client(parameters)) as client:
            assert len((await client.list_tools()).tools) == 15
            return (await client.call_tool(tool, arguments)).structured_content

    asyncio.run(ask("create_entities", entities=[ANA]))
    assert asyncio.run(ask("read_graph")) == {"entities": [ANA], "relations": []}
    with MemoryFile(path, count_tokens=count_tokens, read_only=True) as file:
        assert file.verify().ok
