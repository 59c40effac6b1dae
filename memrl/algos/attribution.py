"""Attribution of rewards to memory ops: pure functions on arrays, each with its source.

Shapes: N decisions of all siblings in a row, L lines of one view, T steps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def minus_siblings(gains_N: Array, sibling_N: Index, place_N: Index, weight: float = 1.0) -> Array:
    """Each decision's gain minus ``weight`` times what the *other* siblings' decisions gained on average at its place.

    A gain is Q(op) - Q(Keep) in one state, so Keep gains 0 and is itself a baseline that depends on the state alone:
    with ``weight`` 0 the policy gradient is unbiased already. The mean over siblings stands for E_pi[gain]; it holds
    nothing of the sibling that it judges, so no weight adds a bias (RLOO, arXiv:2402.14740). It lets Keep be blamed,
    but siblings in other states of memory also add noise. One who was alone at a place is judged against Keep.

    Args:
        gains_N: one number a decision.
        sibling_N: whose decision it was, from 0.
        place_N: at which observation, from 0.
        weight: of the siblings' mean, in [0, 1].
    """
    if not len(gains_N):
        return np.zeros(0)
    shape = (int(sibling_N.max()) + 1, int(place_N.max()) + 1)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (sibling_N, place_N), gains_N)
    np.add.at(counts, (sibling_N, place_N), 1.0)
    other_sums = (sums.sum(axis=0) - sums)[sibling_N, place_N]
    other_counts = (counts.sum(axis=0) - counts)[sibling_N, place_N]
    return gains_N - weight * other_sums / np.maximum(other_counts, 1.0)


def discounted_from(values_T: Array, step: int, discount: float = 1.0) -> float:
    """The sum of values from a step on, later ones discounted per step."""
    ahead = np.asarray(values_T, dtype=np.float64)[step:]
    return float(ahead @ discount ** np.arange(len(ahead)))


def evidence_shares(lines: Sequence[str], target: str) -> Array:
    """Which lines of a view carry the answer: equal shares, [L], of those that say most of ``target``; they sum to 1.

    A line scores a word of ``target`` by 1 / (number of lines that have it) - 1 / (L + 1), so that what every line
    says tells next to nothing.
    Lines with at least half of the best score share; nobody does where no line has a word of it. Fine-Mem
    (arXiv:2601.08435) shares among all that was retrieved; here most of a view is memory that nobody asked for.

    Args:
        target: the question and its right answer.
    """
    wanted = _words(target)
    said = [_words(line) & wanted for line in lines]
    spread = Counter(word for words in said for word in words)
    scores = np.array(
        [sum(1 / spread[word] - 1 / (len(lines) + 1) for word in words) for words in said], dtype=np.float64
    )
    if not scores.any():
        return np.zeros(len(lines))
    used = scores >= scores.max() / 2
    return used / used.sum()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))
