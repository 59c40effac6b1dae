"""Log-probabilities of given tokens, in chunks: neither pass holds the vocabulary of all positions in fp32 at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Shapes: N positions, M tokens, V vocabulary.

CHUNK = 64
"""Positions whose fp32 logits exist at the same time: 12 MiB at a vocabulary of 49,152."""


def selected_logprobs(
    logits_NV: Tensor, ids_M: Tensor, temperature: float = 1.0, chunk: int = CHUNK, at: Tensor | None = None
) -> Tensor:
    """[M] ``log_softmax(logits / temperature)`` at ``ids``, in fp32, with gradients into the logits' own dtype.

    Forward keeps the logits as they came and one log-sum-exp a position; backward makes ``softmax - onehot`` chunk by
    chunk. The plain way keeps two fp32 copies of the logits.

    Args:
        at: [M] the position of each token, where several are asked of one or the order differs; else M is N.
    """
    at_M = torch.arange(len(logits_NV), device=logits_NV.device) if at is None else at
    return _Selected.apply(logits_NV, ids_M, at_M, temperature, chunk)  # pyright: ignore[reportReturnType]


class _Selected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, ids_M: Tensor, at_M: Tensor, temperature: float, chunk: int) -> Tensor:
        norms_N = torch.empty(len(logits_NV), dtype=torch.float32, device=logits_NV.device)
        for start in range(0, len(logits_NV), chunk):
            part = slice(start, start + chunk)
            norms_N[part] = (logits_NV[part].float() / temperature).logsumexp(dim=1)
        ctx.save_for_backward(logits_NV, ids_M, at_M, norms_N)
        ctx.temperature, ctx.chunk = temperature, chunk
        return logits_NV[at_M, ids_M].float() / temperature - norms_N[at_M]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        logits_NV, ids_M, at_M, norms_N = ctx.saved_tensors
        grad_M = grads[0] / ctx.temperature
        grad_N = torch.zeros_like(norms_N).index_put_((at_M,), grad_M, accumulate=True)
        grad_NV = torch.empty_like(logits_NV)
        for start in range(0, len(logits_NV), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            softmax = (logits_NV[part].float() / ctx.temperature - norms_N[part, None]).exp_()
            flow = softmax.mul_(-grad_N[part, None])
            own = (at_M >= start) & (at_M < start + ctx.chunk)
            flow.index_put_((at_M[own] - start, ids_M[own]), grad_M[own], accumulate=True)
            grad_NV[part] = flow
        return grad_NV, None, None, None, None
