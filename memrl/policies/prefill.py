"""Reading prompts: each distinct one once, in padded batches, into a key-value cache that decoding goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memrl.algos.lengths import least_work, like_length
from memrl.policies.frozen_prefix import FrozenPrefix
from memrl.policies.growing_cache import ROOM
from memrl.policies.prefix_cache import NOTHING, PrefixCache, Start, first_of_each, past_of

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
    model: Any,
    prompts: Sequence[tuple[int, ...]],
    budget: int,
    device: torch.device,
    prefix: FrozenPrefix,
    lately: PrefixCache | None = None,
) -> Iterator[Prefilled]:
    """Prefill in batches of like length, each within ``budget`` tokens, padding included.

    Prompts that begin with ``prefix``, or like one of those read ``lately``, take these keys and values from there, and
    only the rest is read. Of prompts that begin alike one is read before the others.
    """
    if lately is None or not lately.holds:
        yield from _read_all(model, prompts, [NOTHING] * len(prompts), budget, device, prefix, None)
        return
    for at in range(0, len(prompts), CHUNK):
        left = list(prompts[at : at + CHUNK])
        for wave in range(WAVES):
            starts = [lately.longest(prompt) for prompt in left]
            now = first_of_each(left, starts) if wave + 1 < WAVES else list(range(len(left)))
            chosen = [left[i] for i in now]
            yield from _read_all(model, chosen, [starts[i] for i in now], budget, device, prefix, lately)
            read = set(now)
            left = [prompt for i, prompt in enumerate(left) if i not in read]
            if not left:
                break


CHUNK = 256
"""Prompts that are looked through for common starts: those of one episode and its siblings stand close together."""
WAVES = 4
"""Passes over a chunk at the most: each reads on from what those before have read."""


PASS = 200
"""Tokens whose reading takes a CPU as long as the passes of a batch of its own: one that reads, some that write."""


def _together(lengths: Sequence[int], budget: int, device: torch.device) -> list[list[int]]:
    """Who is read with whom. On a CPU tokens cost, on a GPU passes."""
    return least_work(lengths, budget, PASS) if device.type == "cpu" else like_length(lengths, budget)


def _read_all(
    model: Any,
    prompts: Sequence[tuple[int, ...]],
    starts: Sequence[Start],
    budget: int,
    device: torch.device,
    prefix: FrozenPrefix,
    lately: PrefixCache | None,
) -> Iterator[Prefilled]:
    known = [prefix.begins(prompt) for prompt in prompts]
    going_on = [start.length > known[i] * len(prefix.ids) for i, start in enumerate(starts)]
    for indices in _batches([i for i, on in enumerate(going_on) if on], prompts, starts, budget, device):
        yield _read_on(model, [prompts[i] for i in indices], [starts[i] for i in indices], device, lately)
    for has in (True, False):
        own = [prompt for i, prompt in enumerate(prompts) if known[i] is has and not going_on[i]]
        for indices in _together([len(prompt) for prompt in own], budget, device):
            batch = [own[i] for i in indices]
            yield _after(model, prefix, batch, device, lately) if has else _whole(model, batch, device, lately)


WIDE = 8
"""Times the budget that keys and values of a batch may take up where most of its tokens were read before."""


def _batches(
    chosen: Sequence[int],
    prompts: Sequence[tuple[int, ...]],
    starts: Sequence[Start],
    budget: int,
    device: torch.device,
) -> Iterator[list[int]]:
    """Those whose rests are of like length, within the budget; as wide as their whole lengths allow."""
    for places in _together([len(prompts[i]) - starts[i].length for i in chosen], budget, device):
        indices = [chosen[place] for place in places]
        rows = max(1, WIDE * budget // max(len(prompts[i]) for i in indices))
        yield from (indices[at : at + rows] for at in range(0, len(indices), rows))


def _whole(model: Any, batch: Sequence[tuple[int, ...]], device: torch.device, lately: PrefixCache | None) -> Prefilled:
    inputs = pad_left(batch, device)
    out = model(**inputs, use_cache=True, logits_to_keep=1)
    return _prefilled(batch, inputs["attention_mask"], out, lately)


def _after(
    model: Any, prefix: FrozenPrefix, batch: Sequence[tuple[int, ...]], device: torch.device, lately: PrefixCache | None
) -> Prefilled:
    """The padding stands between prefix and rest, where the mask hides it."""
    known = len(prefix.ids)
    inputs = pad_left([prompt[known:] for prompt in batch], device)
    past = prefix.cache(model, len(batch), device, inputs["input_ids"].shape[1] + ROOM)
    before = inputs["attention_mask"].new_ones(len(batch), known)
    return _rest(model, batch, inputs, past, before, inputs["position_ids"] + known, lately)


def _read_on(
    model: Any,
    batch: Sequence[tuple[int, ...]],
    starts: Sequence[Start],
    device: torch.device,
    lately: PrefixCache | None,
) -> Prefilled:
    """Rows of which each has a start of its own; padding stands in front of a start, and between it and the rest."""
    inputs = pad_left([prompt[start.length :] for prompt, start in zip(batch, starts, strict=True)], device)
    past, before = past_of(starts, inputs["input_ids"].shape[1] + ROOM)
    return _rest(model, batch, inputs, past, before, inputs["position_ids"] + before.sum(1, keepdim=True), lately)


def _rest(
    model: Any, batch: Sequence[tuple[int, ...]], inputs: dict[str, Tensor], past: Any, before_PC: Tensor,
    places_PS: Tensor, lately: PrefixCache | None,
) -> Prefilled:  # fmt: skip
    """Read what follows the C tokens that ``past`` holds of each row."""
    mask = torch.cat([before_PC, inputs["attention_mask"]], dim=1)
    out = model(
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=places_PS,
        past_key_values=past,
        use_cache=True,
        logits_to_keep=1,
    )
    return _prefilled(batch, mask, out, lately)


def _prefilled(batch: Sequence[tuple[int, ...]], mask_PS: Tensor, out: Any, lately: PrefixCache | None) -> Prefilled:
    if lately is not None:
        lately.keep(batch, mask_PS, out.past_key_values)
    return Prefilled(tuple(batch), mask_PS, out.logits[:, -1].float(), out.past_key_values)
