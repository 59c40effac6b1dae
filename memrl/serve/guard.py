"""The first to see a request: its size, its host, its token. Plain ASGI, so that nothing is read before.

A request without a token is answered only where the server has none, and then only under a name of this machine: a web
page that a person has open can send requests to ``localhost``, under a name of its own making (DNS rebinding).
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any

from memrl.serve.errors import RequestError, told
from memrl.serve.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
OPEN = ("/health",)
"""Paths that ask for no token: they tell nothing about anybody."""
LOG = logging.getLogger("memrl.serve")


class Guard:
    """An ASGI app in front of another.

    Args:
        app: answers what passes.
        token: that requests must bear; None for none.
        limit: bytes of the largest body that is read.
        metrics: told of every request.
    """

    def __init__(self, app: App, token: str | None, limit: int, metrics: Metrics) -> None:
        self._app, self._limit, self._metrics = app, limit, metrics
        self._token = None if token is None else sha256(token.encode()).digest()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        began = time.perf_counter()
        self._metrics.began()
        try:
            await self._pass(scope, receive, answer)
        except Exception as error:
            refusal = told(error)
            if refusal.status >= 500:
                LOG.exception("%s %s", scope["method"], scope["path"])
            await answer.refuse(refusal)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.ended(route, answer.status or 499, time.perf_counter() - began)

    async def _pass(self, scope: MutableMapping[str, Any], receive: Receive, answer: _Answer) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._check_caller(scope["path"], headers)
        body = await self._body(headers, receive)
        if scope["method"] in ("POST", "PUT", "PATCH") and body:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise RequestError(415, f"content-type = {kind!r}: send application/json", "unsupported_media_type")
        await self._app(scope, _replayed(body, receive), answer)

    def _check_caller(self, path: str, headers: dict[str, str]) -> None:
        if self._token is None:
            host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
            if host.lower() not in LOOPBACK and headers.get("host", "").lower() not in LOOPBACK:
                message = f"host = {host!r}: a server without a token answers to localhost alone; start it with --token"
                raise RequestError(403, message, "host_not_allowed", kind="permission_error")
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        digest = sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        if path not in OPEN and not (hmac.compare_digest(digest, self._token) and kind.lower() == "bearer"):
            message = "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN'"
            raise RequestError(401, message, "invalid_api_key", kind="authentication_error")

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        told_length = headers.get("content-length", "0")
        if told_length.isdecimal() and int(told_length) > self._limit:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(400, "the request broke off", "incomplete_request")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the request is larger than {self._limit} bytes; send less", "request_too_large")


class _Answer:
    """Sends on, and knows how far an answer has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, error: RequestError) -> None:
        """Answer with an error, unless an answer has begun: then it ends here."""
        from starlette.responses import JSONResponse

        if self.status is None:
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
            headers |= {"connection": "close"} if error.status == 413 else {}
            response = JSONResponse(error.body, error.status, headers)
            await self({"type": "http.response.start", "status": error.status, "headers": response.raw_headers})
            await self({"type": "http.response.body", "body": response.body})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then whatever comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
