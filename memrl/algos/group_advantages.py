"""Advantages relative to a group, one number a row: GRPO, Dr. GRPO, RLOO by any key, and SPIRAL's baseline per role.

Shapes: N rows (an episode, a conversation, a decision: whatever the caller stamps one number on).
Rows with equal keys form a group; a key is any hashable value. No key here is a turn index: a policy that can
stop early decides who reaches a turn, so who stands beside whom there would depend on what is being judged.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EPS = 1e-6
"""Added to a standard deviation, as the published implementations do."""


def group_index(keys_N: Sequence[Hashable]) -> NDArray[np.int64]:
    """Number of each row's group, shape [N], groups counted in the order of first sight."""
    number_of: dict[Hashable, int] = {}
    return np.array([number_of.setdefault(key, len(number_of)) for key in keys_N], dtype=np.int64)


def centred(values_N: Array, keys_N: Sequence[Hashable]) -> Array:
    """Each value minus the mean of its group, itself included: Dr. GRPO (Liu et al. 2025, arXiv:2503.20783).

    It is RLOO times (n - 1) / n, so the direction is right and the size is not. Who stands alone gets 0.

    Raises:
        ValueError: values and keys differ in number.
    """
    values, group = _checked(values_N, keys_N)
    counts = np.bincount(group)
    return values - (np.bincount(group, weights=values) / counts)[group]


def standardised(values_N: Array, keys_N: Sequence[Hashable], eps: float = EPS) -> Array:
    """Centred, then divided by the group's sample standard deviation (n - 1) plus ``eps``.

    GRPO (Shao et al. 2024, arXiv:2402.03300, section 4.1.2). Division by the spread lifts the weight of groups
    that nearly always win or nearly always lose; who stands alone gets 0.

    Raises:
        ValueError: values and keys differ in number.
    """
    deviations = centred(values_N, keys_N)
    group = group_index(keys_N)
    freedom = np.maximum(np.bincount(group) - 1, 1)
    spread = np.sqrt(np.bincount(group, weights=deviations**2) / freedom)
    scale = spread[group] + eps
    return np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)


def leave_one_out_by_key(values_N: Array, keys_N: Sequence[Hashable]) -> Array:
    """Each value minus the mean of the *others* of its group: RLOO (Ahmadian et al. 2024, arXiv:2402.14740).

    Unbiased, because no sample stands in its own baseline. Who stands alone gets 0.

    Raises:
        ValueError: values and keys differ in number.
    """
    deviations = centred(values_N, keys_N)
    group = group_index(keys_N)
    counts = np.bincount(group)
    return deviations * (counts / np.maximum(counts - 1, 1))[group]


def relative(
    values_N: Array, keys_N: Sequence[Hashable], with_std: bool, eps: float = EPS, lone_keeps_value: bool = False
) -> Array:
    """GRPO where ``with_std``, else Dr. GRPO; shape [N].

    Args:
        lone_keeps_value: judge who stands alone against mean 0 and deviation 1, as verl and what was built on it
            do (MemAgent, ReMemR1, UMA). Off by default: one try says nothing about whether it was a good one.

    Raises:
        ValueError: values and keys differ in number.
    """
    out = standardised(values_N, keys_N, eps) if with_std else centred(values_N, keys_N)
    if lone_keeps_value:
        group = group_index(keys_N)
        scale = 1.0 + eps if with_std else 1.0
        out = np.where(np.bincount(group)[group] == 1, np.asarray(values_N) / scale, out)
    return out


class RoleBaseline:
    """SPIRAL's role-conditioned baseline: a return minus an exponential moving average of that role's returns.

    Role-conditioned Advantage Estimation (Liu et al. 2025, arXiv:2506.24119): the average starts at 0, moves by
    ``b <- decay * b + (1 - decay) * R`` once a return, and a return is judged by the value before its own update.
    No standard deviation. It needs no siblings, and so serves self-play, where every game is another one. It has
    state that must outlive a group and go into checkpoints, so it is no estimator of ``memrl.advantages``.
    """

    def __init__(self, decay: float = 0.95) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"expected a decay in [0, 1), got {decay}")
        self.decay = decay
        self._mean_of: dict[str, float] = {}

    def mean(self, role: str) -> float:
        """The role's present average; 0 for a role never seen."""
        return self._mean_of.get(role, 0.0)

    def advantages(self, returns_N: Array, roles_N: Sequence[str]) -> Array:
        """Judge the returns one after the other, shape [N], and take each into its role's average.

        Raises:
            ValueError: returns and roles differ in number.
        """
        if len(returns_N) != len(roles_N):
            raise ValueError(f"expected one role a return, got {len(roles_N)} for {len(returns_N)}")
        out = np.zeros(len(returns_N))
        for n, (value, role) in enumerate(zip(returns_N, roles_N, strict=True)):
            before = self.mean(role)
            out[n] = value - before
            self._mean_of[role] = self.decay * before + (1.0 - self.decay) * float(value)
        return out

    def state_dict(self) -> dict[str, Any]:
        """The averages, for a checkpoint; the decay belongs to whoever made the baseline."""
        return {"mean_of": dict(self._mean_of)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the averages of a checkpoint."""
        self._mean_of = dict(state["mean_of"])


def _checked(values_N: Array, keys_N: Sequence[Hashable]) -> tuple[Array, NDArray[np.int64]]:
    values = np.asarray(values_N, dtype=np.float64)
    if values.shape != (len(keys_N),):
        raise ValueError(f"expected one key a value, got {len(keys_N)} keys for values of shape {values.shape}")
    return values, group_index(keys_N)
