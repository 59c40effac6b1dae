"""The small loop under ``HFPolicy.act``: prefill distinct prompts, then decode all who asked, with a KV cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from memrl.algos.lengths import like_length
from memrl.contracts.config import PolicyConfig
from memrl.policies.frozen_prefix import FrozenPrefix

# Shapes: P distinct prompts of one batch, S their padded length, R requests, V vocabulary.


class Drawn(NamedTuple):
    """One answer: sampled ids, the stop token included, and their log-probabilities."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts that the model has read."""

    prompts: tuple[tuple[int, ...], ...]
    mask_PS: Tensor
    logits_PV: Tensor
    cache: Any


def pad_left(sequences: Sequence[Sequence[int]], device: torch.device) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask`` and ``position_ids``, all [P, S], padded on the left with token 0."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, sequence in enumerate(sequences):
        ids[i, width - len(sequence) :] = torch.tensor(sequence)
        mask[i, width - len(sequence) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "position_ids": positions.to(device)}


def read_prompts(
    model: Any, prompts: Sequence[tuple[int, ...]], budget: int, device: torch.device, prefix: FrozenPrefix
) -> Iterator[Prefilled]:
    """Prefill in batches of like length, each within ``budget`` tokens, padding included.

    Prompts that begin with ``prefix`` take its keys and values from the cache, and only the rest is read.
    """
    for known in (True, False):
        own = [prompt for prompt in prompts if prefix.begins(prompt) is known]
        for indices in like_length([len(prompt) for prompt in own], budget):
            batch = [own[i] for i in indices]
            yield _after(model, prefix, batch, device) if known else _whole(model, batch, device)


def _whole(model: Any, batch: Sequence[tuple[int, ...]], device: torch.device) -> Prefilled:
    inputs = pad_left(batch, device)
    out = model(**inputs, use_cache=True, logits_to_keep=1)
    return Prefilled(tuple(batch), inputs["attention_mask"], out.logits[:, -1].float(), out.past_key_values)


def _after(model: Any, prefix: FrozenPrefix, batch: Sequence[tuple[int, ...]], device: torch.device) -> Prefilled:
    """The padding stands between prefix and rest, where the mask hides it."""
    known = len(prefix.ids)
    inputs = pad_left([prompt[known:] for prompt in batch], device)
    mask = torch.cat([inputs["attention_mask"].new_ones(len(batch), known), inputs["attention_mask"]], dim=1)
    out = model(
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=inputs["position_ids"] + known,
        past_key_values=prefix.cache(model, len(batch), device),
        use_cache=True,
        logits_to_keep=1,
    )
    return Prefilled(tuple(batch), mask, out.logits[:, -1].float(), out.past_key_values)


def decode(
    model: Any,
    prefilled: Prefilled,
    asked: Sequence[int],
    seeds: Sequence[int | None],
    config: PolicyConfig,
    stops: Tensor,
) -> list[Drawn]:
    """Decode R answers, each from the prompt of index ``asked[r]``; a seed of None takes the likeliest token.

    Rows that have stopped leave the batch at once. The cache of ``prefilled`` is used up.
    """
    rows = torch.tensor(asked, device=prefilled.mask_PS.device)
    prefilled.cache.batch_select_indices(rows)
    mask, logits = prefilled.mask_PS[rows], prefilled.logits_PV[rows]
    alive = list(range(len(asked)))
    ids: list[list[int]] = [[] for _ in asked]
    logprobs: list[list[float]] = [[] for _ in asked]
    for position in range(config.max_new_tokens):
        tokens, chosen = draw(logits / config.temperature, [seeds[r] for r in alive], position)
        for r, token, logprob in zip(alive, tokens.tolist(), chosen.tolist(), strict=True):
            ids[r].append(token)
            logprobs[r].append(logprob)
        going = ~torch.isin(tokens, stops)
        if position + 1 == config.max_new_tokens or not bool(going.any()):
            break
        keep = going.nonzero().squeeze(1)
        if len(keep) < len(alive):
            prefilled.cache.batch_select_indices(keep)
            mask, tokens = mask[keep], tokens[keep]
            alive = [alive[i] for i in keep.tolist()]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        out = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=mask.sum(1, keepdim=True) - 1,
            past_key_values=prefilled.cache,
            use_cache=True,
        )
        logits = out.logits[:, -1].float()
    return [Drawn(tuple(i), tuple(p)) for i, p in zip(ids, logprobs, strict=True)]


def draw(logits_RV: Tensor, seeds: Sequence[int | None], position: int) -> tuple[Tensor, Tensor]:
    """Tokens [R] and their log-probabilities [R]: one uniform number per (seed, position), by inverse CDF."""
    logprobs = logits_RV.log_softmax(dim=-1)
    tokens = logprobs.argmax(dim=-1)
    sampled = [r for r, seed in enumerate(seeds) if seed is not None]
    if sampled:
        uniform = [np.random.default_rng([seed, position]).random() for seed in seeds if seed is not None]
        cumulative = logprobs[sampled].exp().double().cumsum(dim=-1)
        target = torch.tensor(uniform, device=logprobs.device, dtype=torch.float64)[:, None] * cumulative[:, -1:]
        found = torch.searchsorted(cumulative, target, right=True).squeeze(1)
        tokens[sampled] = found.clamp(max=logprobs.shape[1] - 1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)
