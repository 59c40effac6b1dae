"""Which old task to play again: pure functions of scores and of how long ago each was played."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rank_weights(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """[N] probabilities by rank: proportional to ``rank ** (-1 / temperature)``, the highest score having rank 1.

    Prioritized Level Replay (arXiv:2010.03934). Equal scores keep their order, the earlier one ranking higher.

    Example: scores (0.1, 0.3) at temperature 0.5 have ranks (2, 1), weights (1/4, 1), probabilities (0.2, 0.8).

    Raises ValueError for a temperature of 0 or less.
    """
    if temperature <= 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    weights = ranks ** (-1.0 / temperature)
    return weights / weights.sum()


def staleness_weights(last: NDArray[np.float64], now: float) -> NDArray[np.float64]:
    """[N] probabilities proportional to the time since each was last played; even where all were just played."""
    ages = np.maximum(now - last, 0.0)
    total = ages.sum()
    return ages / total if total else np.full(len(ages), 1.0 / len(ages))


def replay_weights(
    scores: NDArray[np.float64], last: NDArray[np.float64], now: float, temperature: float, staleness: float
) -> NDArray[np.float64]:
    """[N] the mixture ``(1 - staleness) * rank + staleness * age`` of the two above."""
    return (1.0 - staleness) * rank_weights(scores, temperature) + staleness * staleness_weights(last, now)
