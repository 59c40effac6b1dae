"""Where the HTTP app listens: this machine alone, unless a token says who may come from elsewhere."""

from __future__ import annotations

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


def run(app: App, host: str, port: int) -> None:
    """Serve until interrupted. Raises ConfigError where the address is taken or not this machine's."""
    import socket

    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("memrl serve needs uvicorn: pip install 'memrl[serve]'") from error
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), port))
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(
                "--host, --port", f"{host}:{port}", f"cannot listen there ({reason}); take another"
            ) from error
        config = uvicorn.Config(app, log_level="warning", limit_concurrency=MOST_AT_ONCE, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])
