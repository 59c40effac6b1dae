"""Where the HTTP app listens: this machine alone, unless a token says who may come from elsewhere."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from ipaddress import ip_address

from memrl.contracts.errors import ConfigError, MissingExtra
from memrl.serve.guard import App

SHORTEST = 16
"""Letters of a token for a server that others can reach."""
MOST_AT_ONCE = 512
"""Connections; beyond that a client is told 503."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_address(host: str, port: int, token: str | None) -> None:
    """Raises ConfigError for an address that others can reach without a good token, or no port."""
    if not 0 <= port <= 65535:
        raise ConfigError("--port", port, "give one from 0 to 65535")
    if token is not None and (not token.strip() or token != token.strip() or not token.isascii()):
        raise ConfigError("--token", "***", "it is blank, or holds spaces at an end or letters beyond ASCII")
    if not is_loopback(host) and (token is None or len(token) < SHORTEST):
        way_out = f"others can reach it: give --token (or MEMRL_TOKEN) of at least {SHORTEST} letters, or 127.0.0.1"
        raise ConfigError("--host", host, way_out)


def bound(host: str, port: int) -> socket.socket:
    """A socket at that address; port 0 takes a free one. Raises ConfigError where it is taken or not this machine's."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        way_out = f"cannot listen there ({error.strerror or error}); take another"
        raise ConfigError("--host, --port", f"{host}:{port}", way_out) from error
    return listening


def check_extra() -> None:
    """Raises MissingExtra where the server's packages are not installed."""
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtra(f"memrl serve needs {package}: pip install 'memrl[serve]'")


def run(app: App, listening: socket.socket) -> None:
    """Serve until interrupted."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", limit_concurrency=MOST_AT_ONCE, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
