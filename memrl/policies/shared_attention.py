"""Attention of a few new tokens on a CPU, where query heads share keys and values.

A row's new tokens and the query heads of one key-value head are one matrix, so keys and values are read once and never
repeated for every query head, as transformers does for torch's fused kernel when more than one token is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

# Shapes: W rows, H query heads, K key-value heads, N new tokens, C tokens held, D numbers of a head.

NAME = "memrl_shared"


@contextmanager
def shared_attention(model: Any) -> Iterator[None]:
    """Inside, a model with fused attention on a CPU attends this way; one on another device or kernel as it does."""
    usual = model.config._attn_implementation
    fits = usual == "sdpa" and model.device.type == "cpu"
    if fits:
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        if fits:
            model.set_attn_implementation(usual)


def attend(
    module: nn.Module,
    query_WHND: Tensor,
    key_WKCD: Tensor,
    value_WKCD: Tensor,
    mask_W1NC: Tensor | None,
    scaling: float | None = None,
    **named: Any,
) -> tuple[Tensor, None]:
    """[W, N, H, D] ``softmax(query key^T scaling + mask) value`` in transformers' form of an attention function.

    What brings no repetition to save (one new token, a head of its own for every query) or asks for more than this
    (a soft cap, a bias by position, causality without a mask) goes to the fused kernel.
    """
    rows, heads, new, size = query_WHND.shape
    groups = heads // key_WKCD.shape[1]
    more = any(named.get(name) is not None for name in ("softcap", "position_bias", "s_aux")) or named.get("dropout")
    if mask_W1NC is None or new == 1 or groups == 1 or more:
        fused = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return fused(module, query_WHND, key_WKCD, value_WKCD, mask_W1NC, scaling=scaling, **named)
    stacked = query_WHND.reshape(rows, -1, groups * new, size) * (size**-0.5 if scaling is None else scaling)
    scores = (stacked @ key_WKCD.transpose(2, 3)).view(rows, -1, groups, new, key_WKCD.shape[2])
    weights = scores.add_(mask_W1NC[:, :, None]).softmax(dim=-1, dtype=torch.float32).to(value_WKCD.dtype)
    mixed = weights.view(rows, -1, groups * new, key_WKCD.shape[2]) @ value_WKCD
    return mixed.view(rows, heads, new, -1).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)
