"""How well texts fit a query: BM25, late interaction, and ranks put together. Pure arrays.

Shapes: N texts, W words of all texts (each counted once a text), Q words or tokens of the query, T tokens of all texts
in a row, E width of a token vector.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

K1, B = 1.2, 0.75
"""BM25's saturation and length normalisation, at their usual values (Robertson and Zaragoza 2009)."""
FUSION = 60
"""Of reciprocal rank fusion, as published (Cormack et al. 2009)."""


def rarity(df: Floats, num_texts: int) -> Floats:
    """BM25's inverse document frequency ``log(1 + (N - df + 0.5) / (df + 0.5))``, never negative."""
    return np.log1p((num_texts - df + 0.5) / (df + 0.5))


def bm25(tf_W: Floats, idf_W: Floats, text_W: Ints, lengths_N: Floats) -> Floats:
    """[N] scores from the W places at which a word of the query stands in a text.

    Args:
        tf_W: how often it stands there.
        idf_W: ``rarity`` of that word.
        text_W: in which text.
        lengths_N: words of each text.
    """
    mean = max(float(lengths_N.mean()), 1e-9) if len(lengths_N) else 1.0
    norm_N = K1 * (1 - B + B * lengths_N / mean)
    saturated = tf_W * (K1 + 1) / (tf_W + norm_N[text_W])
    return np.bincount(text_W, weights=idf_W * saturated, minlength=len(lengths_N)).astype(np.float64)


def best_match(similarity_TQ: NDArray[np.floating], starts_N: Ints) -> NDArray[np.float32]:
    """[N, Q] the best that any token of a text does for each token of the query; -1 for a text without tokens.

    Args:
        similarity_TQ: cosine of every token of all texts to every token of the query.
        starts_N: where each text's tokens start; they end where the next one's start.
    """
    counts = np.diff(np.append(starts_N, len(similarity_TQ)))
    best = np.full((len(starts_N), similarity_TQ.shape[1]), -1.0, dtype=np.float32)
    has = counts > 0
    if has.any():
        best[has] = np.maximum.reduceat(similarity_TQ, starts_N[has], axis=0)
    return best


def late_interaction(best_NQ: NDArray[np.floating], weight_Q: Floats) -> Floats:
    """[N] mean of the best matches, each query token by its weight: ColBERT's MaxSim (arXiv:2004.12832) with rarity."""
    total = float(weight_Q.sum())
    return best_NQ @ weight_Q / total if total > 0 else np.zeros(len(best_NQ))


def places(scores_N: Floats) -> Ints:
    """[N] rank of each text from 0 for the best; ties go to the older one, which comes first."""
    order = np.argsort(-scores_N, kind="stable")
    out = np.empty(len(order), dtype=np.int64)
    out[order] = np.arange(len(order))
    return out


def fused(*places_N: Ints) -> Floats:
    """[N] reciprocal rank fusion, ``sum 1 / (60 + rank)``."""
    return np.sum([1.0 / (FUSION + 1 + own) for own in places_N], axis=0)
