"""A causal LM as it is: answers token by token, learns nothing, and the model object stays what it was.

    request ─ renderer ─> prompt ─> model, one token after the other ─> pieces of text, at last a TokenDecision

No adapter is put into the model and no flag of it is changed: whoever handed it over may go on training it. Any model
that transformers can load answers; one that keeps no keys and values reads everything again at every token.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from memrl.contracts.config import PolicyConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Observation, Task, TokenDecision
from memrl.policies.drawing import Choosers, choose
from memrl.policies.loading import load_model
from memrl.policies.rendering import make_renderer, text_ends
from memrl.policies.usable import check_context, check_prompts, context_length

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""How a character reads of which some bytes are still to come."""


class FrozenLM:
    """Answers with a transformers causal LM that nobody trains.

    Args:
        model: in place of ``config.model``; its ``tokenizer`` then goes with it.
        seed: of the model "tiny".

    Raises:
        ModelError: the model cannot be found or loaded.
        ConfigError: no such device, or the chat layout with a tokenizer that has no chat template.
    """

    version = 0
    writes_freely = True

    def __init__(self, config: PolicyConfig, *, seed: int = 0, model: Any = None, tokenizer: Any = None) -> None:
        if model is not None and tokenizer is None:
            raise ConfigError("wrap(tokenizer=)", None, "a model in hand needs its tokenizer as well")
        self.model, self.tokenizer = load_model(config, seed) if model is None else (model, tokenizer)
        self._config = config
        self.renderer = make_renderer(self.tokenizer, config, text_ends(self.tokenizer, self.model))
        self.context_length = context_length(self.model)
        self._device = next(self.model.parameters()).device
        self._own_lock = Lock()
        takes = inspect.signature(self.model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        # Newer versions of transformers say ``cache``.
        self._kept_as = next((name for name in ("cache", "past_key_values") if name in takes), "")
        self.count_tokens = lru_cache(maxsize=200_000)(self._count)

    @property
    def chat(self) -> bool:
        """Whether prompts go through the tokenizer's chat template."""
        return self._config.prompt == "chat"

    def check_view(self, read_budget: int) -> None:
        """Raises ConfigError where a full view, its frame and an answer are longer than the model's context."""
        frame = len(self.renderer.render(_EMPTY).ids)
        check_context(self._config, self.context_length, read_budget, frame)

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One answer a request, in order."""
        return [_last(self.stream(request)) for request in requests]

    def stream(self, request: SampleRequest) -> Generator[str, None, TokenDecision]:
        """The answer in pieces of text; the generator's value is the decision.

        A line break before the first word ends nothing; after it, it ends an answer that may have one line.

        Raises:
            ConfigError: the prompt is longer than the model's context.
        """
        prompt = self.renderer.render(request)
        check_prompts(replace(self._config, max_new_tokens=prompt.max_new_tokens), self.context_length, [prompt.ids])
        one_line = request.brief.lines == 1
        ends = set(self.renderer.ends)
        ids: list[int] = []
        logprobs: list[float] = []
        told = ""
        for token, logprob in self._tokens(prompt.ids, prompt.max_new_tokens, request):
            ids.append(token)
            logprobs.append(logprob)
            text = self.tokenizer.decode(ids, skip_special_tokens=True).lstrip()
            over = token in ends or (one_line and "\n" in text)
            text = text.partition("\n")[0] if one_line else text
            if (over or not text.endswith(UNFINISHED)) and len(text) > len(told):
                yield text[len(told) :]
                told = text
            if over:
                break
        return TokenDecision(
            actor=request.actor,
            action=self.renderer.parse(ids, request),
            memory_hash=request.memory_hash,
            prompt_ids=prompt.ids,
            action_ids=tuple(ids),
            logprobs=tuple(logprobs),
        )

    def _tokens(self, prompt: Sequence[int], most: int, request: SampleRequest) -> Iterator[tuple[int, float]]:
        """Up to ``most`` tokens after a prompt, with their log-probabilities."""
        choosers = Choosers.of([None if request.greedy else request.seed], self._device)
        written, cache = list(prompt), None
        for position in range(most):
            new = written if cache is None else written[-1:]
            with torch.inference_mode(), _at_rest(self.model):
                logits_V, cache = self._read(new, cache)
                logits_V = logits_V if self._config.temperature == 1 else logits_V.float() / self._config.temperature
                tokens, logprobs = choose(logits_V[None], choosers, position)
            written.append(int(tokens[0]))
            yield written[-1], float(logprobs[0])

    def _read(self, ids: Sequence[int], cache: Any) -> tuple[Tensor, Any]:
        """Logits [V] after some tokens, and what the model keeps of them; None where it keeps nothing."""
        inputs = torch.tensor([list(ids)], device=self._device)
        kept = {self._kept_as: cache, "use_cache": True} if self._kept_as else {}
        out = self.model(input_ids=inputs, **kept, **self._last_only)
        return out.logits[0, -1], getattr(out, "past_key_values", None) if self._kept_as else None

    def _count(self, text: str) -> int:
        with self._own_lock:  # several threads may count while one answers
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load: the weights are the model's own."""


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """Inside, no module is in training mode; afterwards each is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _last(pieces: Generator[str, None, TokenDecision]) -> TokenDecision:
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


_EMPTY = SampleRequest(
    task=Task(env="", theta=None, seed=0),
    observation=Observation(id="", step=0, content="", wants_action=True, writable=False),
    view=(),
    memory_hash="",
    seed=0,
)


def is_chat(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template, as that of an instruct model does."""
    return bool(getattr(tokenizer, "chat_template", None))


def _make(context: PolicyContext) -> FrozenLM:
    if context.config.trained:
        raise ConfigError("policy.trained", True, "the policy 'frozen' learns nothing; set it to false, or take 'hf'")
    return FrozenLM(context.config, seed=context.seed)


register("policy", "frozen", _make)
