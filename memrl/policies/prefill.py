"""Reading prompts: each distinct one once, in padded batches, into a key-value cache that decoding goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memrl.algos.lengths import like_length
from memrl.policies.frozen_prefix import FrozenPrefix
from memrl.policies.growing_cache import ROOM

# Shapes: P distinct prompts of one batch, S their padded length, V vocabulary.


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
    rest = inputs["input_ids"].shape[1]
    mask = torch.cat([inputs["attention_mask"].new_ones(len(batch), known), inputs["attention_mask"]], dim=1)
    out = model(
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=inputs["position_ids"] + known,
        past_key_values=prefix.cache(model, len(batch), device, rest + ROOM),
        use_cache=True,
        logits_to_keep=1,
    )
    return Prefilled(tuple(batch), mask, out.logits[:, -1].float(), out.past_key_values)
