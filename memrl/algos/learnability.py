"""How much there is to learn from a task: pure functions of its success rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def success_variance(successes: float, tries: int) -> float:
    """Unbiased estimate of ``p (1 - p)`` from n tries: ``n / (n - 1) * q (1 - q)``, 0 below two tries.

    ``q (1 - q)`` is the learnability of Rutherford et al. 2024 (arXiv:2408.15099); its plug-in estimate
    is too small by the factor (n - 1) / n, which the first term mends.

    Args:
        successes: sum of the tries' success, each in [0, 1].
        tries: n.
    """
    if tries < 2:
        return 0.0
    q = successes / tries
    return tries / (tries - 1) * q * (1.0 - q)


def softmax_with_floor(scores: NDArray[np.float64], temperature: float, floor: float) -> NDArray[np.float64]:
    """Probabilities that follow the scores, mixed with a uniform share of ``floor``."""
    if temperature <= 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    weights = np.exp((scores - scores.max()) / temperature)
    return (1.0 - floor) * weights / weights.sum() + floor / len(scores)
