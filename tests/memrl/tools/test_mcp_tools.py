"""A real MCP server in a process of its own: its tools are tools, and its failures are texts."""

import sys
from pathlib import Path

import pytest

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import ToolCall
from memrl.tools.toolbox import Toolbox

pytest.importorskip("mcp")

SERVER = '''
import os, time
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("small", log_level="ERROR")

@server.tool()
def add(first: int, second: int = 1) -> str:
    """Adds two numbers."""
    return str(first + second)

@server.tool()
def fail() -> str:
    """Fails."""
    raise ToolError("not today")

@server.tool()
def die() -> str:
    """Dies."""
    os._exit(1)

@server.tool()
def hang() -> str:
    """Hangs."""
    time.sleep(60)
    return "never"

server.run("stdio")
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def server(script):
    from memrl.tools.mcp import McpServer

    with McpServer([sys.executable, str(script)], seconds=3.0) as found:
        yield found


def call(server, tool, **arguments):
    return Toolbox(server.tools).call(ToolCall(tool, tuple(arguments.items())))


def test_its_tools_are_listed_and_called(server):
    specs = {tool.spec.name: tool.spec for tool in server.tools}
    assert set(specs) == {"add", "fail", "die", "hang"} and specs["add"].about == "Adds two numbers."
    assert dict(specs["add"].parameters)["first"]["type"] == "integer"
    assert call(server, "add", first=2, second=3) == call(server, "add", second=3, first=2)
    assert call(server, "add", first=2, second=3).text == "5" and call(server, "add", first=2).text == "3"


def test_what_fails_there_is_a_text_here(server):
    failed = call(server, "fail")
    assert not failed.ok and failed.text.startswith("Error: fail:") and "not today" in failed.text
    wrong = call(server, "add", first="two")
    assert wrong.text == "Error: add: argument 'first' must be integer, not 'two'" and not wrong.ok


def test_a_server_that_dies_is_an_observation_and_the_next_call_starts_it_again(server):
    dead = call(server, "die")
    assert not dead.ok and dead.text.startswith("Error: die:") and "\n" not in dead.text
    assert call(server, "add", first=1, second=1).text == "2"


@pytest.mark.slow
def test_one_that_hangs_is_left(server):
    assert call(server, "hang").text == "Error: hang: no answer after 3 s"
    assert call(server, "add", first=1, second=1).text == "2"


def test_a_command_that_is_no_server_is_refused_in_one_line():
    from memrl.tools.mcp import McpServer

    for command in (["/no/such/program"], [sys.executable, "-c", "print('hello')"], [sys.executable, Path("no.py")]):
        with pytest.raises(ConfigError, match="no MCP server answers there") as caught:
            McpServer(command)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "seconds", "told"),
    [
        ("python server.py", 1.0, "mcp = 'python server.py': give the program and its arguments one by one"),
        ([], 1.0, r"mcp = '\[\]': give the program"),
        (["python", 3], 1.0, "mcp = '3': the program and its arguments are texts or paths"),
        (["python"], 0, "mcp.seconds = 0: a call needs some time"),
        (["python"], float("inf"), "mcp.seconds = inf"),
    ],
)
def test_what_no_server_could_be_started_by_is_refused(command, seconds, told):
    from memrl.tools.mcp import McpServer

    with pytest.raises(ConfigError, match=told):
        McpServer(command, seconds=seconds)


def test_what_cannot_be_sent_is_told_and_the_server_keeps_its_state(server):
    process = server._session
    told = server.call("add", {"first": "\ud800"})
    assert told.text == "Error: add: an argument is no Unicode: half of a surrogate pair" and not told.ok
    assert server._session is process
    told = server.call("add", {"first": object()})
    assert told.text.startswith("Error: add: the server failed: TypeError") and not told.ok


def test_a_closed_server_says_so(script):
    from memrl.tools.mcp import McpServer

    with McpServer([sys.executable, str(script)]) as made:
        pass
    assert made.call("add", {"first": 1}).text == "Error: add: the server was closed"
