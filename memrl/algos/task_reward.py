"""What a task was worth to the one who learns from it, and so to the one who wrote it: pure functions."""

from __future__ import annotations

from memrl.algos.learnability import success_variance

INVALID = -0.5
"""Reward of a task that a gate turned away."""


def normalised(success: float, floor: float, ceiling: float) -> float:
    """``q = (p - g) / (p* - g)`` cut to [0, 1]: 0 for a guesser, 1 for the best keeper.

    0 where there is nothing between the two, so that a coin flip, whose p* is its g, is never worth anything.

    Example: p = 0.5 between g = 0.1 and p* = 0.9 is q = 0.5.
    """
    if ceiling <= floor:
        return 0.0
    return min(1.0, max(0.0, (success - floor) / (ceiling - floor)))


def learnability(q: float, tries: int) -> float:
    """``L = n / (n - 1) * q (1 - q)``, in [0, 0.25 n / (n - 1)]; 0 below two tries."""
    return success_variance(q * tries, tries)


def task_reward(q: float, tries: int, penalty: float = 0.0) -> float:
    """What the writer of a valid task earns: ``4 n / (n - 1) q (1 - q) - penalty``.

    A valid task that is always or never solved earns exactly 0, whatever its penalty: writing it was no mistake, unlike
    an invalid one, which earns ``INVALID``.

    Args:
        q: normalised success.
        tries: n, independent tries behind q.
        penalty: for want of novelty, in [0, 1].

    Example: q = 0.25 in 4 tries under a penalty of 0.2 earns 4 * 4/3 * 0.1875 - 0.2 = 0.8.
    """
    if q <= 0.0 or q >= 1.0:
        return 0.0
    return 4.0 * learnability(q, tries) - penalty
