"""``/v1/chat/completions``: what a request may say, who answers it, and the answer whole or in pieces."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

from memrl.agent.results import Answer
from memrl.serve.errors import RequestError, refused, told
from memrl.serve.guard import LOG
from memrl.serve.needs import ServedAgent, Speaking

UNSUPPORTED = {
    "tools": "tools are not offered to the model; leave them out",
    "functions": "functions are not offered to the model; leave them out",
    "audio": "only text is answered; leave it out",
    "logprobs": "no log-probabilities are told; leave it out",
}
ANSWER_STOPS = "stop"


class ChatRequest:
    """A body that was read and checked. Raises RequestError naming the field.

    Sampling settings (``temperature``, ``max_tokens`` and such) may stand in it and change nothing: how a model answers
    is set where it is wrapped.
    """

    def __init__(self, body: dict[str, Any], models: tuple[str, ...]) -> None:
        model = body.get("model")
        if not isinstance(model, str):
            raise refused("model", "name one; GET /v1/models lists them")
        if model not in models:
            raise RequestError(
                404, f"model {model!r} is not served here; take {models[0]!r}", "model_not_found", "model"
            )
        self.model = model
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise refused("messages", "it must be a list of at least one message")
        self.messages: list[Any] = messages
        user = body.get("user")
        if user is not None and (not isinstance(user, str) or not user.strip()):
            raise refused("user", f"it is {user!r}; give a name of at least one letter, or leave it out")
        self.user: str | None = user
        if not isinstance(body.get("stream") or False, bool):
            raise refused("stream", f"it is {body['stream']!r}; give true or false")
        self.stream = bool(body.get("stream"))
        options = body.get("stream_options") or {}
        if not isinstance(options, dict):
            raise refused("stream_options", "it must be an object")
        self.with_usage = bool(options.get("include_usage"))
        if body.get("n") not in (None, 1):
            raise refused("n", f"it is {body['n']!r}; one answer is given at a time")
        for name, why in UNSUPPORTED.items():
            if body.get(name):
                raise refused(name, why)
        form = body.get("response_format")
        if form not in (None, {"type": "text"}):
            raise refused("response_format", "answers are plain text, in no form that could be promised; leave it out")
        if body.get("modalities") not in (None, ["text"]):
            raise refused("modalities", "only text is answered; leave it out")


def agent_of(agent: ServedAgent, user: str | None) -> ServedAgent:
    """The memory that a request is about."""
    return agent if user is None else agent.user(user)


class Reply:
    """One answer on its way to a client."""

    def __init__(self, request: ChatRequest, count_tokens: Any) -> None:
        self.id, self.created = f"chatcmpl-{uuid4().hex}", int(time.time())
        self._request, self._count = request, count_tokens

    def usage(self, answer: Answer) -> dict[str, int]:
        completion = int(self._count(answer.text)) if answer.text else 0
        total = answer.prompt_tokens + completion
        return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": completion, "total_tokens": total}

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The body of an answer that is not streamed, and beside OpenAI's fields the memories it rests on."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": ANSWER_STOPS, "logprobs": None}
        return self._body("chat.completion", [choice]) | {"usage": self.usage(answer), "memory": _used(answer)}

    def opening(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text})

    def closing(self, answer: Answer) -> list[dict[str, Any]]:
        last = self._chunk({}, ANSWER_STOPS) | {"memory": _used(answer)}
        usage = self._body("chat.completion.chunk", []) | {"usage": self.usage(answer)}
        return [last, usage] if self._request.with_usage else [last]

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._body("chat.completion.chunk", [choice])

    def _body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id, "object": kind, "created": self.created, "model": self._request.model, "choices": choices,
        }  # fmt: skip


def _used(answer: Answer) -> dict[str, Any]:
    return {
        "answer_id": answer.id,
        "used": [{"id": line.entry_id, "text": line.text} for line in answer.used],
        "observed": [{"fate": one.fate.value, "message": str(one), "ids": list(one.ids)} for one in answer.observed],
    }


class Pieces:
    """Runs an answer in a thread of its own, the same from first to last, and hands its pieces to the event loop.

    A client that goes away must not keep the model at work: ``close`` lets the thread end after the piece it is at.
    """

    def __init__(self, begin: Any) -> None:
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memrl-answer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            speaking: Speaking = self._begin()
            for piece in self._until_gone(speaking):
                self._put("piece", piece)
            if not self._gone.is_set():
                self._put("answer", speaking.answer)
        except Exception as error:
            self._put("error", error)

    def _until_gone(self, speaking: Speaking) -> Iterator[str]:
        for piece in speaking:
            if self._gone.is_set():
                speaking.close()
                return
            yield piece

    def _put(self, kind: str, value: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, (kind, value))

    async def next(self) -> tuple[str, Any]:
        """("piece", text), then ("answer", Answer); or ("error", exception)."""
        return await self._queue.get()

    def close(self) -> None:
        self._gone.set()


async def events(pieces: Pieces, reply: Reply, first: tuple[str, Any], done: Any) -> AsyncIterator[str]:
    """An answer as server-sent events, ended by ``[DONE]``; an error on the way is an event too.

    Args:
        first: the first piece, waited for before the answer began: an error there has a status of its own.
        done: called with the whole answer.
    """
    try:
        yield _event(reply.opening())
        kind, value = first
        while kind == "piece":
            yield _event(reply.piece(value))
            kind, value = await pieces.next()
        if kind == "error":
            LOG.error("an answer broke off", exc_info=value)
            yield _event(told(value).body)
            return
        done(value)
        for body in reply.closing(value):
            yield _event(body)
        yield "data: [DONE]\n\n"
    finally:
        pieces.close()


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
