"""``memrl serve``: a memory for programs, over HTTP or over the standard streams (MCP)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memrl.contracts.errors import ConfigError

DEFAULT_MODEL = "smollm2-135m"


def serve(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL|RUN|URL]", help=f"Who answers; {DEFAULT_MODEL} if not given.")
    ] = None,
    memory: Annotated[Path | None, typer.Option(help="Memory file: made if missing, written at once.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; another than this machine's needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="MEMRL_TOKEN", help="Bearer token that requests must have.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(help="Bytes of the largest request.")] = 1 << 20,
    model_name: Annotated[str, typer.Option(help="Of an endpoint: the model that is to answer.")] = "",
    timezone: Annotated[str, typer.Option(help="Whose days dates are, such as Europe/Lisbon.")] = "UTC",
    mcp: Annotated[bool, typer.Option("--mcp", help="Speak MCP on the standard streams; needs no model.")] = False,
    user: Annotated[str | None, typer.Option(help="With --mcp: whose memory; nobody's in particular if not given.")] = (
        None
    ),
) -> None:
    """Serve memories: OpenAI's chat completions with a memory for each user, or an MCP server (--mcp)."""
    if mcp:
        if model is not None:
            raise ConfigError("MODEL", model, "an MCP server needs no model; leave it out")
        if memory is None:
            raise ConfigError("--memory", None, "an MCP server keeps its memory in a file; name one")
        from memrl.serve.mcp_server import run_stdio

        run_stdio(memory, user)
        return
    if user is not None:
        raise ConfigError("--user", user, "over HTTP each request names its user; leave it out")
    _serve_http(model or DEFAULT_MODEL, memory, host, port, token, max_bytes, model_name, timezone)


def _serve_http(
    model: str,
    memory: Path | None,
    host: str,
    port: int,
    token: str | None,
    max_bytes: int,
    model_name: str,
    timezone: str,
) -> None:
    from memrl.serve.running import bound, check_address, check_extra, run

    if max_bytes < 1:
        raise ConfigError("--max-bytes", max_bytes, "give at least 1")
    check_address(host, port, token)
    check_extra()
    with bound(host, port) as listening:  # before a model is loaded for nothing
        from memrl.agent import wrap
        from memrl.serve.app import create_app

        agent = wrap(model, memory, model_name=model_name, timezone=timezone)
        count = agent.engine.agent.count_tokens
        app = create_app(agent, model=model_name or model, token=token, limit=max_bytes, count_tokens=count)
        kept = f"memory in {memory}" if memory is not None else "memory is lost at the end: name a file with --memory"
        who = "a token is asked for" if token is not None else "no token is asked for"
        address = f"http://{host}:{listening.getsockname()[1]}/v1"
        typer.echo(f"serving {model_name or model} at {address} ({who}; {kept})", err=True)
        run(app, listening)
