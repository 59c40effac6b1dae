"""Generalised advantage estimation along one episode (Schulman et al. 2016, arXiv:1506.02438)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def gae(
    rewards_T: Array,
    values_T: Array,
    bootstrap: float,
    discount: float = 1.0,
    lam: float = 0.95,
    steps_T: NDArray[np.integer] | None = None,
) -> Array:
    """``A_t = sum_l (discount * lam)^l delta_{t+l}``, ``delta_t = r_t + discount * V_{t+1} - V_t`` (eqs. 11, 16).

    With ``lam = 1`` it is the return-to-go minus the value, with ``lam = 0`` the one-step TD error.

    Args:
        rewards_T: reward of each place, shape [T]; discounted to it already where it came later.
        values_T: what a critic expects from each place on, its own reward included, shape [T].
        bootstrap: V after the last place: 0 where the task ended by itself, the critic's value of the next
            state where a limit cut the episode off. No default, because a wrong 0 teaches to run into limits.
        discount: in (0, 1].
        lam: in [0, 1], once a place.
        steps_T: environment steps from each place to the next, shape [T], 1 by default. The discount falls once a
            step, so that places which are several steps apart (a semi-Markov process) are discounted by all of them.

    Raises:
        ValueError: shapes differ, steps are negative, or ``discount`` or ``lam`` lies outside its range.
    """
    if rewards_T.ndim != 1 or rewards_T.shape != values_T.shape:
        raise ValueError(f"expected rewards and values of one shape [T], got {rewards_T.shape} and {values_T.shape}")
    if not 0 < discount <= 1 or not 0 <= lam <= 1:
        raise ValueError(f"expected a discount in (0, 1] and a lambda in [0, 1], got {discount} and {lam}")
    steps = np.ones(rewards_T.shape, dtype=np.int64) if steps_T is None else np.asarray(steps_T)
    if steps.shape != rewards_T.shape or np.any(steps < 0):
        raise ValueError(f"expected steps of shape {rewards_T.shape}, none negative, got {steps.tolist()}")
    factors = np.asarray(discount, dtype=np.float64) ** steps
    following = np.append(values_T[1:], bootstrap)
    out = np.asarray(rewards_T + factors * following - values_T, dtype=np.float64)
    if not len(out):
        return np.zeros(0)
    for t in range(len(out) - 2, -1, -1):
        out[t] += factors[t] * lam * out[t + 1]
    return out
