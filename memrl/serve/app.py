"""The HTTP app: OpenAI's chat completions with a memory for each user, memory endpoints, health and metrics.

Every request passes ``guard``; handlers parse, hand the work to a thread and answer. Chats and memory work have
threads of their own, so that nobody who only remembers waits behind those who wait for the model. What goes wrong is
answered as an error of one request, and the server goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from memrl.agent.results import Answer
from memrl.contracts.errors import MissingExtra
from memrl.serve.chat import ChatRequest, Pieces, Reply, agent_of, events
from memrl.serve.errors import RequestError, told
from memrl.serve.guard import LOG, Guard
from memrl.serve.memories import Memories, only
from memrl.serve.metrics import Metrics
from memrl.serve.needs import ServedAgent

try:
    from fastapi import FastAPI, Request
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
except ImportError as error:
    raise MissingExtra("memrl serve needs FastAPI and uvicorn: pip install 'memrl[serve]'") from error

LIMIT = 1 << 20
"""Bytes of the largest request."""
CHATS, MEMORIES = 64, 16
"""Threads for those who wait for the model, and for memory work."""
ALIAS = "memrl"
"""A name that the served model always answers to."""


def create_app(
    agent: ServedAgent,
    *,
    model: str = ALIAS,
    token: str | None = None,
    limit: int = LIMIT,
    count_tokens: Callable[[str], int] | None = None,
) -> Guard:
    """The app, to be run by any ASGI server.

    Args:
        agent: whose memories are served; ``agent.user(name)`` is asked for the ``user`` of a request.
        model: the name that the model is served under, beside "memrl".
        token: that requests must bear; None answers only to this machine.
        limit: bytes of the largest request.
        count_tokens: of an answer, for its usage; without one, three bytes count as a token.
    """
    served = _Served(agent, tuple(dict.fromkeys((model, ALIAS))), count_tokens or _by_bytes)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for path, methods in served.routes().items():
        for method, handler in methods.items():
            app.add_api_route(path, handler, methods=[method], response_model=None)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, token, limit, served.metrics)  # pyright: ignore[reportArgumentType]


class _Served:
    """The handlers."""

    def __init__(self, agent: ServedAgent, models: tuple[str, ...], count_tokens: Callable[[str], int]) -> None:
        self._agent, self._models, self._count = agent, models, count_tokens
        self.metrics = Metrics()
        self._memories = Memories(agent, self.metrics.observed)
        self._chats: Executor = ThreadPoolExecutor(CHATS, thread_name_prefix="memrl-chat")
        self._workers: Executor = ThreadPoolExecutor(MEMORIES, thread_name_prefix="memrl-memory")

    def routes(self) -> dict[str, dict[str, Any]]:
        return {
            "/health": {"GET": self.health},
            "/metrics": {"GET": self.told_metrics},
            "/v1/models": {"GET": self.list_models},
            "/v1/models/{name:path}": {"GET": self.show_model},
            "/v1/chat/completions": {"POST": self.chat},
            "/v1/memories": {"GET": self.list_memories, "POST": self.add_memory, "DELETE": self.delete_memories},
            "/v1/memories/search": {"POST": self.search_memories},
            "/v1/memories/{id}": {"GET": self.get_memory, "PUT": self.update_memory, "DELETE": self.delete_memory},
        }

    async def health(self) -> Response:
        return JSONResponse({"status": "ok"})

    async def told_metrics(self) -> Response:
        users = await self._in(self._workers, self._agent.users)
        return PlainTextResponse(self.metrics.text(len(users)), media_type="text/plain; version=0.0.4")

    async def list_models(self) -> Response:
        return JSONResponse({"object": "list", "data": [_model(name) for name in self._models]})

    async def show_model(self, name: str) -> Response:
        if name not in self._models:
            raise RequestError(404, f"model {name!r} is not served here", "model_not_found", "model")
        return JSONResponse(_model(name))

    async def chat(self, request: Request) -> Response:
        asked = ChatRequest(await _object(request), self._models)
        reply = Reply(asked, self._count)
        if not asked.stream:
            answer: Answer = await self._in(self._chats, self._begin, asked, False)
            self._counted(reply, answer)
            return JSONResponse(reply.whole(answer))
        pieces = Pieces(partial(self._begin, asked, True))
        try:
            first = await pieces.next()
        except BaseException:
            pieces.close()
            raise
        if first[0] == "error":
            raise first[1]
        told_events = events(pieces, reply, first, partial(self._counted, reply))
        return StreamingResponse(told_events, media_type="text/event-stream", headers={"cache-control": "no-store"})

    def _begin(self, asked: ChatRequest, stream: bool) -> Any:
        return agent_of(self._agent, asked.user).chat(asked.messages, stream=stream)

    def _counted(self, reply: Reply, answer: Answer) -> None:
        usage = reply.usage(answer)
        self.metrics.answered(usage["prompt_tokens"], usage["completion_tokens"])

    async def add_memory(self, request: Request) -> Response:
        return await self._memory(self._memories.add, await _object(request, no_query=True))

    async def search_memories(self, request: Request) -> Response:
        return await self._memory(self._memories.search, await _object(request, no_query=True))

    async def list_memories(self, request: Request) -> Response:
        query = request.query_params
        user = _user(request, "limit", "offset")
        return await self._memory(self._memories.list, user, query.get("limit"), query.get("offset"))

    async def get_memory(self, request: Request, id: str) -> Response:
        return await self._memory(self._memories.get, _user(request), id)

    async def update_memory(self, request: Request, id: str) -> Response:
        return await self._memory(self._memories.update, id, await _object(request, no_query=True))

    async def delete_memory(self, request: Request, id: str) -> Response:
        await _no_body(request)
        return await self._memory(self._memories.delete, _user(request), id)

    async def delete_memories(self, request: Request) -> Response:
        await _no_body(request)
        return await self._memory(self._memories.delete_all, _user(request))

    async def _memory(self, work: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        return JSONResponse(await self._in(self._workers, work, *arguments))

    async def _in(self, threads: Executor, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, partial(work, *arguments))


def _by_bytes(text: str) -> int:
    return -(-len(text.encode()) // 3)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "memrl"}


def _user(request: Request, *others: str) -> str | None:
    only(request.query_params, "user", *others)
    named = [name for name, _ in request.query_params.multi_items()]
    if twice := [name for name in named if named.count(name) > 1]:
        raise RequestError(400, f"{twice[0]}: it is given twice; give it once", "invalid_value", twice[0])
    user = request.query_params.get("user")
    if user is not None and not user.strip():
        raise RequestError(400, "user: it is blank; name one, or leave it out", "invalid_value", "user")
    return user


async def _no_body(request: Request) -> None:
    """A body that nobody reads may name the user whose memory is meant. Raises RequestError."""
    if (await request.body()).strip():
        what = "this request has no body; say whose memory is meant in the address, as ?user="
        raise RequestError(400, what, "invalid_value")


async def _object(request: Request, no_query: bool = False) -> dict[str, Any]:
    """The body as a JSON object of whole characters and finite numbers. Raises RequestError.

    Args:
        no_query: refuse what stands in the address, which nobody reads.
    """
    if no_query and (told := next(iter(request.query_params), None)) is not None:
        what = f"{told}: it stands in the address, where nobody reads it; put it into the body"
        raise RequestError(400, what, "invalid_value", told)
    raw = await request.body()
    try:
        body: object = json.loads(raw, parse_constant=_not_finite)
        if b"\\u" in raw:
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise RequestError(400, "the body is no JSON of whole characters and finite numbers", "invalid_json") from None
    if not isinstance(body, Mapping):
        raise RequestError(400, "the body is no JSON object; send one", "invalid_json")
    return dict(body)


def _not_finite(name: str) -> float:
    raise ValueError(name)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    what = "the method is not allowed here" if status == 405 else "there is no such path"
    code = "method_not_allowed" if status == 405 else "not_found"
    refusal = RequestError(status, f"{request.method} {request.url.path}: {what}; see docs/serve.md", code)
    return JSONResponse(refusal.body, status)


async def _failed(request: Request, error: Exception) -> Response:
    """One request failed; the next is answered."""
    refusal = told(error)
    if refusal.status >= 500:
        LOG.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return JSONResponse(refusal.body, refusal.status)
