"""Agents for tests: a scripted policy with words for tokens, in RAM, and what its prompts looked like."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from memrl.agent import MemoryAgent, wrap
from memrl.contracts.protocols import SampleRequest
from memrl.policies.scripted import ScriptedPolicy
from memrl.policies.tiny import tiny_model

NOON = 1_795_780_800.0
"""2026-11-27, 12:00 UTC."""
DAY = 86_400.0


class Reader(ScriptedPolicy):
    """Answers by a function of the request and keeps the requests."""

    def __init__(self, answer: Callable[[SampleRequest], str] = lambda request: "yes") -> None:
        super().__init__(self._noted)
        self.seen: list[SampleRequest] = []
        self._say = answer

    def _noted(self, request: SampleRequest) -> str:
        self.seen.append(request)
        return self._say(request)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class Clock:
    """Tells whatever time it was set to."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def agent_of(
    reader: Reader | None = None, memory: str | Path | None = None, clock: Clock | None = None, **knobs: Any
) -> MemoryAgent:
    """An agent whose memory shows 64 words at a question."""
    return wrap(reader or Reader(), memory, **{"read_tokens": 64, "clock": clock or Clock(), **knobs})


@cache
def chat_model() -> tuple[Any, Any]:
    """The random little model with a chat template and marks of turns as special tokens."""
    model, tokenizer = tiny_model()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    model.resize_token_embeddings(len(tokenizer))
    return model, tokenizer
