"""The sampler beside a transformers model: requests in batches, equal prompts read once, answers by seed alone.

requests ─ renderer ─> prompts ─ equal ones read once ─> decode a few tokens ─ renderer ─> TokenDecision
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from memrl.contracts.config import PolicyConfig
from memrl.contracts.protocols import Prompt, SampleRequest
from memrl.contracts.types import TokenDecision
from memrl.policies.frozen_prefix import FrozenPrefix
from memrl.policies.merging import MergedWeights
from memrl.policies.prefix_cache import PrefixCache
from memrl.policies.rendering import PlainRenderer
from memrl.policies.sampling import Drawn, decode, read_prompts
from memrl.policies.usable import check_prompts, context_length

Ids = tuple[int, ...]


class Ask(NamedTuple):
    """What decides an answer: equal ones are answered once."""

    prompt: Prompt
    seed: int | None
    """None takes the likeliest token at every place."""


class HFSampler:
    """Samples with a model's weights as they are, LoRA folded in.

    Args:
        model: with LoRA, on its device.
        prefix: token ids that all prompts begin with, chosen once; empty for none.
        keeps_places: whether padding may stand in the middle of a row; starts are only then held.
    """

    def __init__(
        self,
        model: Any,
        renderer: PlainRenderer,
        config: PolicyConfig,
        prefix: Ids = (),
        *,
        keeps_places: bool = False,
    ) -> None:
        self._model, self._renderer, self._config = model, renderer, config
        self._device = next(model.parameters()).device
        self._context_length = context_length(model.get_base_model())
        self._greedy: dict[Ask, Drawn] = {}
        self._merged = MergedWeights(model)
        self._prefix = FrozenPrefix(prefix)
        self._lately = PrefixCache(config.prefix_cache_mib * 2**20 if keeps_places else 0)
        self.version = 0

    def merged(self) -> AbstractContextManager[None]:
        """Inside, the model computes with LoRA folded in."""
        return self._merged.in_place()

    def forget(self) -> None:
        """The weights changed: what was answered before is stale."""
        self._greedy.clear()
        self._merged.forget()
        self._prefix.forget()
        self._lately.forget()

    def rest(self) -> None:
        """A play begins or is over: nobody goes on from what was read before."""
        self._lately.forget()

    def sync(self, weights: Mapping[str, Any], version: int) -> None:
        """The weights are the model's own and are here already; only what rests on them is forgotten."""
        self.forget()
        self.version = version

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One sampled (or greedy) answer a request. A sample depends on its request's seed, not on its neighbours."""
        prompts = self._renderer.render_all(requests)
        check_prompts(self._config, self._context_length, [prompt.ids for prompt in prompts])
        asks = [Ask(prompt, None if r.greedy else r.seed) for prompt, r in zip(prompts, requests, strict=True)]
        drawn = self._draw([ask for ask in dict.fromkeys(asks) if ask not in self._greedy])
        self._greedy.update((ask, answer) for ask, answer in drawn.items() if ask.seed is None)
        return [
            self._decision(request, ask.prompt.ids, drawn[ask] if ask in drawn else self._greedy[ask])
            for request, ask in zip(requests, asks, strict=True)
        ]

    def _draw(self, asks: Sequence[Ask]) -> dict[Ask, Drawn]:
        """Those that end alike are decoded together."""
        alike: dict[tuple[Ids, int], list[Ask]] = {}
        for ask in asks:
            alike.setdefault((ask.prompt.stops, ask.prompt.max_new_tokens), []).append(ask)
        drawn: dict[Ask, Drawn] = {}
        for (stops, most), group in alike.items():
            drawn |= self._draw_alike(group, torch.tensor(stops, device=self._device), most)
        return drawn

    def _draw_alike(self, asks: Sequence[Ask], stops: torch.Tensor, most: int) -> dict[Ask, Drawn]:
        """Read every distinct prompt once, then decode all who share it."""
        drawn: dict[Ask, Drawn] = {}
        wanted: dict[Ids, list[Ask]] = {}
        for ask in asks:
            wanted.setdefault(ask.prompt.ids, []).append(ask)
        config = replace(self._config, max_new_tokens=most)
        with torch.inference_mode(), self._merged.in_place():
            read = read_prompts(
                self._model, list(wanted), config.batch_tokens, self._device, self._prefix, self._lately
            )
            for batch in read:
                askers = [(k, ask) for k, prompt in enumerate(batch.prompts) for ask in wanted[prompt]]
                rows, seeds = [k for k, _ in askers], [ask.seed for _, ask in askers]
                answers = decode(self._model, batch, rows, seeds, config, stops)
                drawn.update((ask, answer) for (_, ask), answer in zip(askers, answers, strict=True))
        return drawn

    def _decision(self, request: SampleRequest, prompt: Ids, drawn: Drawn) -> TokenDecision:
        return TokenDecision(
            actor=request.actor,
            action=self._renderer.parse(drawn.ids, request),
            memory_hash=request.memory_hash,
            prompt_ids=prompt,
            action_ids=drawn.ids,
            logprobs=drawn.logprobs,
        )
