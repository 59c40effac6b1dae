"""The interval of a mean that cannot leave [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959964
"""Standard normal quantile of 0.975."""


def bounded_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of scores in [0, 1]: Wilson's score interval (1927) with an effective count.

    Of zeros and ones it is Wilson's own. Scores that vary less than zeros and ones of the same mean count for more
    than one each, by the ratio of the variances, as survey statistics has it (Korn and Graubard 1998); one made-up
    value that is half away keeps a few equal scores from counting for infinitely many.

    Args:
        values: [N] scores, independent of each other.

    Returns:
        Lower and upper end in [0, 1], the mean between them; NaN twice where N is below 2.

    Raises:
        ValueError: a score outside [0, 1].
    """
    scores = np.asarray(values, dtype=np.float64)
    count = len(scores)
    if count < 2:
        return math.nan, math.nan
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise ValueError(f"scores {scores.min()} to {scores.max()}: they must be in [0, 1]")
    mean = float(scores.mean())
    most = mean * (1.0 - mean)
    variance = (count * float(scores.var()) + 0.25) / (count + 1)
    count *= max(1.0, most / variance)
    share = Z95**2 / count
    middle = (mean + share / 2) / (1 + share)
    half = Z95 * math.sqrt(most / count + share / (4 * count)) / (1 + share)
    return min(mean, max(0.0, middle - half)), max(mean, min(1.0, middle + half))
