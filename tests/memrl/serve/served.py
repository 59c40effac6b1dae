"""A served agent on loopback, at a free port: real sockets, a tiny model, or one that does as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from memrl.agent.results import Answer
from memrl.serve.app import create_app


class Told:
    """An answer in pieces, made by a function: what a scripted model says."""

    def __init__(self, pieces, fails=None):
        self._pieces, self._fails, self._said, self.closed = iter(pieces), fails, [], False

    def __iter__(self):
        return self

    def __next__(self):
        try:
            self._said.append(next(self._pieces))
        except StopIteration:
            if self._fails is not None:
                raise self._fails from None
            raise
        return self._said[-1]

    def close(self):
        self.closed = True

    @property
    def answer(self):
        for _ in self:
            pass
        return Answer(text="".join(self._said), used=(), ops=(), id="a", prompt_tokens=7)


class Scripted:
    """An agent whose memory is a real one and whose model is a function of messages.

    Args:
        agent: keeps the memories.
        say: from the messages and what is in memory to the pieces of an answer.
    """

    def __init__(self, agent, say):
        self._agent, self._say = agent, say
        self.spoken = []

    def user(self, name):
        return Scripted(self._agent.user(name), self._say)

    def chat(self, messages, *, stream):
        told = self._say(messages, self._agent)
        self.spoken.append(told)
        return told if stream else told.answer

    def __getattr__(self, name):
        return getattr(self._agent, name)


@contextmanager
def serving(agent, **settings) -> Iterator[str]:
    """The address of a running server."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(agent, **settings), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listening.close()
