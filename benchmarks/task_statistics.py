"""Means and intervals over tasks that several training seeds have played."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

# Shapes: S training seeds, T tasks.


def task_means(outcomes_ST: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """Mean over seeds of each task, [T]. A task on which the environment failed for some seed is left out."""
    means_T = np.array(outcomes_ST, dtype=np.float64).mean(axis=0)
    return means_T[np.isfinite(means_T)]


def interval(values: NDArray[np.float64]) -> float:
    """Half of the 95 % interval of their mean, by Student's t."""
    count = len(values)
    return float(t.ppf(0.975, count - 1) * values.std(ddof=1)) / math.sqrt(count)
