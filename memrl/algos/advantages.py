"""Advantages: pure functions on arrays, each with its source.

Shapes: G siblings of one task, T steps of their common clock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def returns_to_go(rewards_GT: Array, discount: float = 1.0) -> Array:
    """Sum of the rewards from each step on, later ones discounted per step (Sutton & Barto 2018, eq. 3.8).

    Args:
        rewards_GT: reward of each step, shape [G, T] (or [T]).
        discount: in (0, 1].
    """
    if not 0 < discount <= 1:
        raise ValueError(f"expected a discount in (0, 1], got {discount}")
    out = np.array(rewards_GT, dtype=np.float64)
    for t in range(out.shape[-1] - 2, -1, -1):
        out[..., t] += discount * out[..., t + 1]
    return out


def leave_one_out(values_GT: Array, present_GT: NDArray[np.bool_] | None = None) -> Array:
    """Each sibling's value minus the mean of the *other* siblings that were at the same place of the clock.

    The baseline never contains the sample that it judges, so the estimate stays unbiased
    (RLOO, Ahmadian et al. 2024, arXiv:2402.14740). Valid step by step because what the siblings
    compare is one clock that none of them drives: the caller aligns columns by observation id.

    Args:
        values_GT: shape [G, T], G >= 2.
        present_GT: where a sibling was there at all; elsewhere the result is 0. So is it for one who was alone.
    """
    if values_GT.ndim != 2 or len(values_GT) < 2:
        raise ValueError(f"expected values of shape [G, T] with G >= 2, got {values_GT.shape}")
    present = np.ones_like(values_GT, dtype=bool) if present_GT is None else present_GT
    values = np.where(present, values_GT, 0.0)
    others = present.sum(axis=0) - 1
    mean_of_others = (values.sum(axis=0) - values) / np.maximum(others, 1)
    return np.where(present & (others > 0), values - mean_of_others, 0.0)


def broadcast(rewards_GT: Array, present_GT: NDArray[np.bool_] | None = None) -> Array:
    """One advantage an episode, stamped on all its steps (Dr. GRPO without the std, arXiv:2503.20783).

    Kept to compare with: it cannot tell the write that won an answer from the one that lost another.
    """
    totals_G1 = np.asarray(rewards_GT, dtype=np.float64).sum(axis=1, keepdims=True)
    advantages = np.broadcast_to(leave_one_out(totals_G1), rewards_GT.shape)
    return advantages if present_GT is None else np.where(present_GT, advantages, 0.0)
