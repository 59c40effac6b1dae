"""A model behind an OpenAI-compatible endpoint: asked over HTTP, it stays where it is and learns nothing here.

    request ─> one user message, the plain layout ─> POST URL/chat/completions ─> text, at once or as server-sent events

What goes wrong there is one line that names the URL: it does not answer, it refuses the key, it has too much to do, or
it answers what is no completion. Busy answers (429, 503) are tried again.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from typing import Any

from memrl.contracts.checks import check
from memrl.contracts.config import PolicyConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError, EndpointError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import TokenDecision
from memrl.policies.parsing import parse
from memrl.policies.prompts import as_turns
from memrl.policies.rendering import broken

BYTES_A_TOKEN = 3
"""Bytes of UTF-8 that count as one token where nobody knows the tokenizer: most count fewer tokens than that."""
BUSY = (429, 503)
LARGEST = 16 * 2**20
"""Bytes of an answer that are read."""
_MARKS = re.compile(r"<\|[\w.-]+\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]|<\uff5c[^>]{1,40}\uff5c>")
"""Marks of turns in chat templates that are widely used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Of the policy "endpoint"."""

    url: str = ""
    """Where it is, up to and with ``/v1``."""
    model: str = ""
    """Name of the model there; empty asks for the first that it lists."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the key, so that no config holds it."""
    timeout: float = 60.0
    """Seconds to wait for an answer to begin."""
    tries: int = 3
    """How often a busy endpoint is asked."""
    pause: float = 1.0
    """Seconds before the second try, twice as many before each further one; its own Retry-After comes first."""

    def __post_init__(self) -> None:
        check(self, "policy.options.", timeout="(0, inf)", tries="[1, 10]", pause="[0, 60]")


def is_url(model: Any) -> bool:
    """Whether a model is named by where it is."""
    return isinstance(model, str) and model.lower().startswith(("http://", "https://"))


def about_tokens(text: str) -> int:
    """A count that is seldom below the model's own: three bytes of UTF-8 are a token."""
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)


class Endpoint:
    """Answers by asking a remote model.

    Args:
        api_key: sent as a bearer token; empty takes that of the environment, if there is one.
        tokenizer: of the remote model, to count tokens by; None counts three bytes of UTF-8 as one.

    Raises:
        ConfigError: the options name no URL.
    """

    version = 0
    writes_freely = True

    def __init__(
        self, config: PolicyConfig, options: EndpointOptions, *, api_key: str = "", tokenizer: Any = None
    ) -> None:
        if not is_url(options.url):
            raise ConfigError("policy.options.url", options.url, "name the endpoint, such as http://localhost:8000/v1")
        self._config, self._options = config, options
        self._url = options.url.rstrip("/")
        self._key = _checked_key(api_key or os.environ.get(options.key_variable, ""))
        self._model = options.model
        self._tokenizer = tokenizer
        self.count_tokens: Callable[[str], int] = about_tokens if tokenizer is None else lru_cache(200_000)(self._count)

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One answer a request, in order. Raises EndpointError."""
        return [self._decision(request, self._answer(request)) for request in requests]

    def stream(self, request: SampleRequest) -> Generator[str, None, TokenDecision]:
        """The answer in pieces; the generator's value is the decision. Raises EndpointError."""
        told: list[str] = []
        with self._post({**self._body(request), "stream": True}) as answer:
            for event in self._events(answer):
                piece = self._part(event, "delta")
                told.append(piece)
                if piece:
                    yield piece
        return self._decision(request, "".join(told))

    def _answer(self, request: SampleRequest) -> str:
        with self._post(self._body(request)) as answer:
            return self._part(self._json(answer.read(LARGEST)), "message")

    def _body(self, request: SampleRequest) -> dict[str, Any]:
        return {
            "model": self._named(),
            "messages": as_turns(request, lambda text: broken(text, _MARKS)),
            "max_tokens": request.brief.max_new_tokens or self._config.max_new_tokens,
            "temperature": 0 if request.greedy else self._config.temperature,
            **({} if request.greedy else {"seed": request.seed % 2**31}),
        }

    def _named(self) -> str:
        """The model to ask for: the one that was named, else the first that the endpoint lists."""
        if not self._model:
            with self._post(None, "/models") as answer:
                listed = self._json(answer.read(LARGEST))
            try:
                self._model = str(listed["data"][0]["id"])
            except (KeyError, IndexError, TypeError) as error:
                raise self._failed("it lists no models; give model_name=") from error
        return self._model

    @contextmanager
    def _post(self, body: Mapping[str, Any] | None, path: str = "/chat/completions") -> Iterator[Any]:
        """The open answer to a request; everything that goes wrong until it is closed is an EndpointError."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(self._url + path, data=data, headers=headers)
            with self._opened(request) as answer:
                yield answer
        except TimeoutError as error:
            raise self._failed(f"no answer within {self._options.timeout:g} seconds") from error
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, EndpointError):
                raise
            raise self._failed(f"it does not answer ({_reason(error)}); is it running there?") from error

    def _opened(self, request: urllib.request.Request) -> Any:
        for attempt in range(1, self._options.tries + 1):
            try:
                return urllib.request.urlopen(request, timeout=self._options.timeout)
            except urllib.error.HTTPError as error:
                if error.code not in BUSY or attempt == self._options.tries:
                    raise self._refused(error) from error
                time.sleep(_wait(error, self._options.pause * 2 ** (attempt - 1)))
        raise AssertionError("unreachable: the last try returns or raises")

    def _refused(self, error: urllib.error.HTTPError) -> EndpointError:
        said = " ".join(error.read(2000).decode("utf-8", "replace").split())[:200]
        if error.code in (401, 403):
            return self._failed(
                f"it refuses the key ({error.code}); give api_key=, or set {self._options.key_variable}"
            )
        if error.code == 429:
            return self._failed(f"too many requests (429), {self._options.tries} times; ask later, or less often")
        if error.code == 404:
            return self._failed(
                f"nothing is there (404: {said}); the URL ends in /v1, and model_name= must be known there"
            )
        return self._failed(f"it answers {error.code}: {said or error.reason}")

    def _events(self, answer: Any) -> Iterator[Any]:
        """The data of server-sent events up to [DONE]; a plain JSON answer, from who cannot stream, is one event."""
        if "event-stream" not in answer.headers.get("Content-Type", ""):
            yield {"choices": [{"delta": {"content": self._part(self._json(answer.read(LARGEST)), "message")}}]}
            return
        ended = False
        for line in answer:
            text = line.decode("utf-8", "replace").strip()
            if text == "data: [DONE]":
                return
            if text.startswith("data:"):
                event = self._json(text[5:].encode())
                ended = ended or any(one.get("finish_reason") for one in event.get("choices") or ())
                yield event
        if not ended:
            raise self._failed("the connection broke off in the middle of an answer")

    def _json(self, raw: bytes) -> Any:
        try:
            data = json.loads(raw)
        except ValueError as error:
            shown = raw[:80].decode("utf-8", "replace")
            raise self._failed(f"what it answers is no JSON: {shown!r}") from error
        if not isinstance(data, dict):
            raise self._failed(f"what it answers is no completion: {data!r:.80}")
        if data.get("error"):
            raise self._failed(f"it answers an error: {data['error']!r:.200}")
        return data

    def _part(self, data: Any, kind: str) -> str:
        """The text of a completion, or of a piece of one; a piece may say nothing."""
        choices = data.get("choices")
        if kind == "delta" and not choices:
            return ""
        try:
            content = choices[0][kind].get("content")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise self._failed(f"what it answers is no completion: {data!r:.80}") from error
        if content is not None and not isinstance(content, str):
            raise self._failed(f"what it answers is no text: {content!r:.80}")
        return content or ""

    def _failed(self, what: str) -> EndpointError:
        return EndpointError(f"endpoint {self._url}: {what}")

    def _decision(self, request: SampleRequest, text: str) -> TokenDecision:
        return TokenDecision(
            actor=request.actor,
            action=parse(text, request),
            memory_hash=request.memory_hash,
            prompt_ids=(),
            action_ids=(),
            logprobs=(),
        )

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load: the model is elsewhere."""


def _checked_key(key: str) -> str:
    """Raises ConfigError, which does not show the key, where no header can hold it."""
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or key != key.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError("api_key", "…", "it holds blanks, line breaks or signs that no header can have; strip it")
    return key


def _wait(error: urllib.error.HTTPError, usual: float) -> float:
    """Seconds until the next try, by Retry-After where it says a short time."""
    try:
        return min(float(error.headers.get("Retry-After", usual)), 30.0)
    except ValueError:
        return usual


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason) or type(error).__name__


def _make(context: PolicyContext, options: EndpointOptions) -> Endpoint:
    return Endpoint(context.config, options)


register("policy", "endpoint", _make, EndpointOptions)
