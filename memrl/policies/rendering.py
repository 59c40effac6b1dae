"""Renderers: the one place that knows how a model is spoken to, and where its answer ends.

PlainRenderer   text for any model; an answer of so many lines ends with a line break or the end of text
ChatRenderer    the model's own chat template, with tool schemas where it takes them; ends where its turn ends

What was seen or remembered is data: a special token spelled out in it stays text, so that it forges no turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Prompt, SampleRequest
from memrl.contracts.types import Action
from memrl.policies.parsing import parse
from memrl.policies.prompts import as_turns, as_user, render_prompt, tool_schema

Ids = tuple[int, ...]
_MARK = "memrl-answer"


class PlainRenderer:
    """The readable layout of ``prompts.py``.

    Args:
        ends: tokens that end a text, as the model's generation config says.
    """

    def __init__(self, tokenizer: Any, config: PolicyConfig, ends: Sequence[int]) -> None:
        self._tokenizer, self._config = tokenizer, config
        self._special = spelled(special_tokens(tokenizer))
        self.ends: Ids = tuple(sorted(ends))

    def render(self, request: SampleRequest) -> Prompt:
        [prompt] = self.render_all([request])
        return prompt

    def render_all(self, requests: Sequence[SampleRequest]) -> list[Prompt]:
        """``render`` of many, whose texts are tokenised in one call."""
        encoded = self.encode([self.text(request) for request in requests])
        return [
            Prompt(ids, self._stops(request), request.brief.max_new_tokens or self._config.max_new_tokens)
            for ids, request in zip(encoded, requests, strict=True)
        ]

    def text(self, request: SampleRequest) -> str:
        """The prompt before it becomes tokens."""
        return self.data(render_prompt(request))

    def data(self, text: str) -> str:
        """The text with every special token that is spelled out in it broken by a blank."""
        return broken(text, self._special)

    def encode(self, prompts: Sequence[str]) -> list[Ids]:
        """Token ids of prompts, with whatever special tokens the tokenizer puts in front."""
        return [tuple(ids) for ids in self._tokenizer(list(prompts))["input_ids"]] if prompts else []

    def completion(self, request: SampleRequest, text: str) -> Ids:
        """One blank, the answer, the end of text."""
        return (*self._piece(f" {text}"), *self._end)

    def parse(self, ids: Sequence[int], request: SampleRequest) -> Action:
        return parse(self._tokenizer.decode(ids, skip_special_tokens=True), request)

    @property
    def _end(self) -> Ids:
        end = self._tokenizer.eos_token_id
        return () if end is None else (end,)

    def _stops(self, request: SampleRequest) -> Ids:
        return self.ends if request.brief.lines is None else self._ends_and_breaks

    @cached_property
    def _ends_and_breaks(self) -> Ids:
        return tuple(sorted({*self.ends, *line_breaks(self._tokenizer)}))

    def _piece(self, text: str) -> Ids:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


class ChatRenderer(PlainRenderer):
    """The plain layout said by the user, through the tokenizer's chat template.

    ``policy.template`` holds options of the template, such as ``enable_thinking: false``. A line break ends no answer.

    Raises:
        ConfigError: the tokenizer has no chat template, or the template breaks on its options.
    """

    def __init__(self, tokenizer: Any, config: PolicyConfig, ends: Sequence[int]) -> None:
        if not tokenizer.chat_template:
            raise ConfigError("policy.prompt", "chat", "this model's tokenizer has no chat template; use 'plain'")
        super().__init__(tokenizer, config, ends)
        self._takes_tools = "tools" in str(tokenizer.chat_template)
        self._takes_system = self._heard_system()
        self._turn_end = self._found_end()
        self.ends = tuple(sorted({*ends, *self._turn_end}))

    def text(self, request: SampleRequest) -> str:
        tools = [tool_schema(tool) for tool in request.brief.tools] if self._takes_tools else []
        turns = as_turns(request, self.data, tools=not tools, system=self._takes_system)
        return self._framed(turns, tools, add_generation_prompt=True)

    def encode(self, prompts: Sequence[str]) -> list[Ids]:
        # The template writes its own special tokens.
        return [self._piece(prompt) for prompt in prompts]

    def completion(self, request: SampleRequest, text: str) -> Ids:
        """The answer as the assistant's turn, with the token that ends the turn."""
        return (*self._piece(text), *(self._turn_end or self._end))

    def _stops(self, request: SampleRequest) -> Ids:
        return self.ends

    def _framed(self, messages: list[dict[str, str]], tools: list[dict[str, object]] | None = None, **more: Any) -> str:
        options = {**dict(self._config.template), **more, **({"tools": tools} if tools else {})}
        try:
            return self._tokenizer.apply_chat_template(messages, tokenize=False, **options)
        except Exception as error:
            way_out = (
                f"the chat template failed ({type(error).__name__}: {error}); change it, or policy.prompt = 'plain'"
            )
            raise ConfigError("policy.template", dict(self._config.template), way_out) from error

    def _heard_system(self) -> bool:
        """Whether the template tells the model what a system message says."""
        try:
            return _MARK in self._framed([{"role": "system", "content": _MARK}, *as_user("?")])
        except ConfigError:
            return False

    def _found_end(self) -> Ids:
        """The token that the template writes after an assistant's words, which need not be the end of text; empty where
        it writes none that stands for itself."""
        whole = self._framed([*as_user("?"), {"role": "assistant", "content": _MARK}])
        first = self._piece(whole.rpartition(_MARK)[2].strip())[:1]
        marks = {*self._tokenizer.all_special_ids, *self._tokenizer.get_added_vocab().values()}
        return first if set(first) <= marks else ()


def make_renderer(tokenizer: Any, config: PolicyConfig, ends: Sequence[int]) -> PlainRenderer:
    """The renderer that ``policy.prompt`` names."""
    return (ChatRenderer if config.prompt == "chat" else PlainRenderer)(tokenizer, config, ends)


def special_tokens(tokenizer: Any) -> list[str]:
    """The texts that stand for a token of their own in this tokenizer."""
    added = {str(token) for token in tokenizer.get_added_vocab()}
    return sorted(one for one in added | set(tokenizer.all_special_tokens) if len(one) > 1 and one == one.strip())


def spelled(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of some tokens in a text, the longest first; None for no tokens."""
    longest = sorted(map(re.escape, tokens), key=len, reverse=True)
    return re.compile("|".join(longest)) if longest else None


def broken(text: str, tokens: re.Pattern[str] | None) -> str:
    """The text with a blank after the first sign of every token in it, until none is left."""
    while tokens is not None and tokens.search(text):
        text = tokens.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
    return text


def line_breaks(tokenizer: Any) -> list[int]:
    """Every token with a line break in it."""
    marks = ("Ċ", "\n", "<0x0A>")
    return sorted(i for token, i in tokenizer.get_vocab().items() if any(mark in token for mark in marks))


def text_ends(tokenizer: Any, model: Any) -> list[int]:
    """Tokens that end a text, by the tokenizer and by the model's generation config."""
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends: set[Any] = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return sorted(ends - {None})
