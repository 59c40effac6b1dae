"""Decoding under ``HFPolicy.act``: all who asked at once, token by token, with a KV cache.

    prefilled prompts ─> rows of a batch, answers to one prompt side by side in a row ─> model ─> choose ─> model ...
                                   rows whose answers have all ended leave the batch

Nothing is done answer by answer in Python, and a token costs one read from the device: how many answers go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from memrl.contracts.config import PolicyConfig
from memrl.policies.branches import prompt_owners, seat, seats_table, visible
from memrl.policies.drawing import Choosers, choose, draw
from memrl.policies.frozen_prefix import keeps_places
from memrl.policies.growing_cache import close_gaps, grows, is_plain, spread
from memrl.policies.prefill import Prefilled, pad_left, read_prompts
from memrl.policies.shared_attention import shared_attention

__all__ = ["Drawn", "Prefilled", "decode", "draw", "pad_left", "read_prompts"]

TAKE_MASKS = ("sdpa", "eager")
"""Kinds of attention that take a mask with an entry for every pair of tokens."""

# Shapes: R answers, V vocabulary, T new tokens at most; W rows of the batch, N answers side by side in a row, C tokens
# held of a row.


class Drawn(NamedTuple):
    """One answer: sampled ids, the stop token included, and their log-probabilities."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is being decoded. The cache, which changes in place, goes beside it."""

    seats_WN: Tensor
    """The answer at every place; R at empty ones."""
    going_WN: Tensor
    """Whether it goes on."""
    tokens_WN: Tensor
    """Its newest token, which the model has not read."""
    owners_WC: Tensor
    """Who sees which token of the row, with room for those to come."""
    lengths_W: Tensor
    """Tokens of the row's prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """What has been written so far; the last row takes what is drawn at empty places."""

    ids_RT: Tensor
    logprobs_RT: Tensor
    ends_V: Tensor
    """Whether a token ends an answer."""


def decode(
    model: Any,
    prefilled: Prefilled,
    asked: Sequence[int],
    seeds: Sequence[int | None],
    config: PolicyConfig,
    stops: Tensor,
) -> list[Drawn]:
    """Decode R answers, each from the prompt of index ``asked[r]``; a seed of None takes the likeliest token.

    The cache of ``prefilled`` is used up.
    """
    if not asked:
        return []
    limit, device = config.max_new_tokens, prefilled.mask_PS.device
    branching = _can_branch(model, prefilled.cache)
    batch, logits_WNV = _start(prefilled, asked, limit, branching)
    choosers = Choosers.of(seeds, device).with_nobody()
    paper = _Paper(
        ids_RT=torch.zeros(len(asked) + 1, limit, dtype=torch.long, device=device),
        logprobs_RT=torch.zeros(len(asked) + 1, limit, device=device),
        ends_V=_ends(stops, logits_WNV.shape[-1]),
    )
    filled = prefilled.mask_PS.shape[1]
    with shared_attention(model) if branching else nullcontext():
        for position in range(limit):
            logits_WNV = logits_WNV if config.temperature == 1 else logits_WNV.float() / config.temperature
            batch = _write(batch, logits_WNV, choosers, position, paper)
            if position + 1 == limit or not (going := _still_going(batch))[0]:
                break
            batch = _close_up(batch, prefilled.cache, *going)
            logits_WNV = _read(model, batch, prefilled.cache, filled, position, branching)
            filled += batch.tokens_WN.shape[1]
    return _cut(paper)


def _can_branch(model: Any, cache: Any) -> bool:
    """Whether a model takes a mask that says who sees whom, and knows a token's place by its position alone."""
    takes_masks = getattr(model, "_supports_attention_backend", False)
    return takes_masks and is_plain(cache) and keeps_places(model) and model.config._attn_implementation in TAKE_MASKS


def _start(prefilled: Prefilled, asked: Sequence[int], limit: int, branching: bool) -> tuple[_Batch, Tensor]:
    """The batch before its first token, and the logits [W, N, V] of that one. The cache takes the batch's rows."""
    prompts, length = prefilled.mask_PS.shape
    # In a wider row the siblings' tokens, which an answer passes over, would outnumber the prompt's.
    seats = seat(asked, 1 + length // limit if branching else 1)
    rows = torch.tensor(seats.prompts, device=prefilled.mask_PS.device)
    room = seats.width * limit
    if seats.prompts != tuple(range(prompts)) or not grows(prefilled.cache):
        spread(prefilled.cache, rows, room)
    mask_WS = prefilled.mask_PS[rows]
    seats_WN = seats_table(seats, len(asked), rows.device)
    batch = _Batch(
        seats_WN=seats_WN,
        going_WN=seats_WN < len(asked),
        tokens_WN=torch.zeros_like(seats_WN),
        owners_WC=prompt_owners(mask_WS, room),
        lengths_W=mask_WS.sum(1),
    )
    return batch, prefilled.logits_PV[rows][:, None].expand(-1, seats.width, -1)


def _write(batch: _Batch, logits_WNV: Tensor, choosers: Choosers, position: int, paper: _Paper) -> _Batch:
    """Choose a token for every place, put it on paper, see who goes on. What comes after an end is cut off later."""
    seats = batch.seats_WN.flatten()
    tokens, logprobs = choose(logits_WNV.flatten(0, 1), choosers.rows(seats), position)
    paper.ids_RT[seats, position] = tokens
    paper.logprobs_RT[seats, position] = logprobs
    tokens_WN = tokens.view_as(batch.seats_WN)
    return replace(batch, tokens_WN=tokens_WN, going_WN=batch.going_WN & ~paper.ends_V[tokens_WN])


def _still_going(batch: _Batch) -> tuple[int, int]:
    """Rows in which an answer goes on, and how many do in the fullest. The one wait for the device at a token."""
    in_row = batch.going_WN.sum(1)
    rows, width = torch.stack([(in_row > 0).sum(), in_row.max()]).tolist()
    return rows, width


def _close_up(batch: _Batch, cache: Any, rows: int, width: int) -> _Batch:
    """Answers that go on move to the left, and rows without any leave the batch, where that pays.

    On a CPU a row costs in proportion, and leaving costs a copy of the one row that takes its place. Elsewhere rows
    cost little and moving them a wait for the device, so they leave when half have ended.
    """
    if width < batch.seats_WN.shape[1]:
        left = (~batch.going_WN).long().argsort(dim=1, stable=True)[:, :width]
        named = ("seats_WN", "going_WN", "tokens_WN")
        batch = replace(batch, **{name: getattr(batch, name).gather(1, left) for name in named})
    held = len(batch.seats_WN)
    if rows == held or (batch.seats_WN.device.type != "cpu" and rows > held // 2):
        return batch
    live_W = batch.going_WN.any(1)
    into = (~live_W[:rows]).nonzero().squeeze(1)
    out_of = live_W[rows:].nonzero().squeeze(1) + rows
    order = torch.arange(rows, device=live_W.device).index_copy(0, into, out_of)
    close_gaps(cache, order, into, out_of)
    named = ("seats_WN", "going_WN", "tokens_WN", "owners_WC", "lengths_W")
    return replace(batch, **{name: getattr(batch, name)[order] for name in named})


def _read(model: Any, batch: _Batch, cache: Any, filled: int, position: int, branching: bool) -> Tensor:
    """The model reads the newest tokens, which stand at ``position`` of their answers: logits [W, N, V]."""
    end = filled + batch.seats_WN.shape[1]
    batch.owners_WC[:, filled:end] = batch.seats_WN
    mask_WNC = visible(batch.owners_WC[:, :end], batch.seats_WN)
    return model(
        input_ids=batch.tokens_WN,
        attention_mask=_added(mask_WNC, model.dtype) if branching else mask_WNC[:, 0].long(),
        position_ids=(batch.lengths_W + position)[:, None].expand_as(batch.tokens_WN),
        past_key_values=cache,
        use_cache=True,
    ).logits


def _added(mask_WNC: Tensor, dtype: torch.dtype) -> Tensor:
    """[W, 1, N, C] what is added to the attention scores: transformers takes such a mask as it is."""
    return torch.zeros_like(mask_WNC, dtype=dtype).masked_fill_(~mask_WNC, torch.finfo(dtype).min)[:, None]


def _ends(stops: Tensor, vocabulary: int) -> Tensor:
    """[V] whether a token is one of the stops; a tokenizer may name more tokens than the model has."""
    ends_V = torch.zeros(vocabulary, dtype=torch.bool, device=stops.device)
    ends_V[stops[(stops >= 0) & (stops < vocabulary)]] = True
    return ends_V


def _cut(paper: _Paper) -> list[Drawn]:
    """Every answer up to its first end, or up to the limit."""
    ended_RT = paper.ends_V[paper.ids_RT].cumsum(1) > 0
    lengths = ((~ended_RT).sum(1) + 1).clamp(max=ended_RT.shape[1]).tolist()
    written = zip(paper.ids_RT.tolist(), paper.logprobs_RT.tolist(), lengths, strict=True)
    return [Drawn(tuple(ids[:length]), tuple(logprobs[:length])) for ids, logprobs, length in written][:-1]
