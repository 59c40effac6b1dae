"""Groups within a group: decisions taken in equal states are compared with each other (GiGPO, arXiv:2505.10978).

Shapes: N rows, each a decision of some episode of one group of siblings.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from memrl.algos.group_advantages import EPS, relative

Array = NDArray[np.float64]


def state_groups(
    totals_G: Array,
    episode_N: NDArray[np.int64],
    to_go_N: Array,
    states_N: Sequence[Hashable],
    weight: float = 1.0,
    with_std: bool = False,
    eps: float = EPS,
) -> Array:
    """``A = A_episode + weight * A_step`` (Feng et al. 2025, eqs. 3, 7 and 8), shape [N].

    ``A_episode`` compares an episode's return with its siblings', ``A_step`` a row's discounted return-to-go
    with those of all rows in an equal state (the anchor state), several of one episode included. A state seen
    once has ``A_step = 0``. The episode mean is taken over episodes, as in the paper, so a long one counts once;
    its public code takes it over rows.

    Args:
        totals_G: undiscounted return of each episode, shape [G].
        episode_N: which episode a row belongs to, shape [N].
        to_go_N: discounted return from each row on (eq. 5), shape [N].
        states_N: a hashable state a row: an environment state, a memory hash, or both.
        weight: the paper's omega, 0 or more.
        with_std: divide both terms by their group's standard deviation (the paper's F_norm = std), else by 1.

    Raises:
        ValueError: arrays that must run along the rows differ in length, or ``weight`` is negative.
    """
    if weight < 0:
        raise ValueError(f"expected a step weight of at least 0, got {weight}")
    if len(episode_N) != len(states_N):
        raise ValueError(f"expected one episode a state, got {len(episode_N)} for {len(states_N)}")
    of_episode_G = relative(totals_G, ["task"] * len(totals_G), with_std, eps)
    return of_episode_G[np.asarray(episode_N, dtype=np.int64)] + weight * relative(to_go_N, states_N, with_std, eps)
