"""Log-probabilities of given tokens, in chunks: neither pass holds the vocabulary of all positions in fp32 at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Shapes: N positions, V vocabulary.

CHUNK = 64
"""Positions whose fp32 logits exist at the same time: 12 MiB at a vocabulary of 49,152."""


def selected_logprobs(logits_NV: Tensor, ids_N: Tensor, temperature: float = 1.0, chunk: int = CHUNK) -> Tensor:
    """[N] ``log_softmax(logits / temperature)`` at ``ids``, in fp32, with gradients into the logits' own dtype.

    Forward keeps the logits as they came and one log-sum-exp a position; backward makes ``softmax - onehot`` chunk by
    chunk. The plain way keeps two fp32 copies of the logits.
    """
    return _Selected.apply(logits_NV, ids_N, temperature, chunk)  # pyright: ignore[reportReturnType]


class _Selected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, ids_N: Tensor, temperature: float, chunk: int) -> Tensor:
        chosen_N = torch.empty(len(logits_NV), dtype=torch.float32, device=logits_NV.device)
        norms_N = torch.empty_like(chosen_N)
        for start in range(0, len(logits_NV), chunk):
            part = slice(start, start + chunk)
            scaled = logits_NV[part].float() / temperature
            norms_N[part] = scaled.logsumexp(dim=1)
            chosen_N[part] = scaled.gather(1, ids_N[part, None]).squeeze(1) - norms_N[part]
        ctx.save_for_backward(logits_NV, ids_N, norms_N)
        ctx.temperature, ctx.chunk = temperature, chunk
        return chosen_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        logits_NV, ids_N, norms_N = ctx.saved_tensors
        grad_N = grads[0] / ctx.temperature
        grad_NV = torch.empty_like(logits_NV)
        for start in range(0, len(logits_NV), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            softmax = (logits_NV[part].float() / ctx.temperature - norms_N[part, None]).exp_()
            flow = softmax.mul_(-grad_N[part, None])
            flow.scatter_add_(1, ids_N[part, None], grad_N[part, None])
            grad_NV[part] = flow
        return grad_NV, None, None, None
