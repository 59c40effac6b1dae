"""Texts by their tokens, for a scorer: what a text says, and whether two speak of the same.

    tokens of a text [T, E] ─┬─ projection, best of each column over T ──────> features [W]
                             └─ salience of each token, softmax over T ─┐
    ids of its tokens ─ a signed vector each [T, V] ────────────────────┴─ weighted sum, unit length ──> subjects [H, V]

A feature is a detector that fires wherever in the text it stands (max over time, Collobert et al. 2011,
arXiv:1103.0398). A subject says which tokens weigh most: the product of two texts' subjects is the cosine of their
tokens, each by its learned salience, so words that were never seen in training still match themselves. Ids become
signs by hashing (arXiv:0902.2206).

Shapes: U texts, T tokens of all of them in a row, E width of a token vector, W features, H subjects, V signs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding

from memrl.contracts.texts import TextTable

SIGNS = 64
"""V: two different tokens have a product of 0 ± 1/8."""
BUCKETS = 32_768
"""Counters of tokens; ids beyond share them."""
MATCH = 4.0
"""What a product of two subjects is multiplied by: it is as loud as the features."""
SCALE = 8.0
"""What unit vectors are multiplied by, so that projections at their initial size tell tokens apart."""


class Bag(NamedTuple):
    """The tokens of U texts in a row. A text begins with an empty one, so none is without."""

    vectors: Tensor
    """[T, E] float16."""
    ids: Tensor
    """[T] 0 for the empty one."""
    lengths: Tensor
    """[U]"""


class TokenBank:
    """The tokens of a table's texts, by row, in one piece that only grows.

    Args:
        table: keeps texts by token (``TextTable.by_token``).
    """

    def __init__(self, table: TextTable) -> None:
        self._table = table
        self._clear()

    def _clear(self) -> None:
        self._generation = self._table.generation
        self._vectors: NDArray[np.float16] = np.zeros((1024, self._table.dim), dtype=np.float16)
        self._ids: NDArray[np.int64] = np.zeros(1024, dtype=np.int64)
        self._starts: NDArray[np.int64] = np.zeros(1, dtype=np.int64)

    def take(self, rows: NDArray[np.int64]) -> Bag:
        """The tokens of these rows, in that order."""
        self._grow()
        starts = self._starts[rows]
        lengths = self._starts[rows + 1] - starts
        at = np.repeat(starts - (lengths.cumsum() - lengths), lengths) + np.arange(int(lengths.sum()))
        return Bag(*map(torch.from_numpy, (self._vectors[at], self._ids[at], lengths)))

    def _grow(self) -> None:
        """Take in the texts that are new in the table."""
        if self._generation != self._table.generation:
            self._clear()
        known = len(self._starts) - 1
        if known == len(self._table):
            return
        new = self._table.tokens(self._table.texts[known:])
        ends = self._starts[-1] + np.cumsum([1 + len(one.ids) for one in new])
        while ends[-1] > len(self._ids):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
        for one, end in zip(new, ends.tolist(), strict=True):
            own = slice(end - len(one.ids), end)
            self._vectors[own], self._ids[own] = one.vectors, 1 + one.ids.astype(np.int64)
        self._starts = np.concatenate([self._starts, ends])


class TokenPool(nn.Module):
    """Tokens of texts to features and subjects.

    Which tokens are rare it counts over the texts of training; the count is part of its state and stands still when
    nothing is learned. A token's salience begins as its rarity.

    Args:
        dim: E.
        width: W.
        heads: H.
    """

    seen: Tensor
    """[BUCKETS] how many of the texts counted have a token."""
    num_seen: Tensor
    """How many texts were counted."""

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.detect = nn.Linear(dim, width, bias=False)
        self.salience = nn.Linear(dim, heads, bias=False)
        self.rareness = nn.Parameter(torch.ones(heads))
        self.register_buffer("seen", torch.zeros(BUCKETS, dtype=torch.float32))
        self.register_buffer("num_seen", torch.zeros(()))

    def count(self, bag: Bag) -> None:
        """Texts whose tokens from now on count as seen."""
        owner = torch.repeat_interleave(torch.arange(len(bag.lengths)), bag.lengths)
        buckets = torch.stack([owner, bag.ids % BUCKETS], dim=1).unique(dim=0)[:, 1]
        self.seen += torch.bincount(buckets, minlength=BUCKETS)
        self.num_seen += len(bag.lengths)

    def rarity(self, ids_T: Tensor) -> Tensor:
        """[T] log of all texts counted over those with a token; nothing before any was counted."""
        return ((self.num_seen + 1) / (self.seen[ids_T % BUCKETS] + 1)).log()

    def forward(self, bag: Bag) -> Tensor:
        """[U, W + H V]"""
        x_TE = scaled(bag)
        size = len(bag.ids)
        features = torch.segment_reduce(self.detect(x_TE)[:size], "max", lengths=bag.lengths)
        if not self.heads:
            return features
        salience_TH = self.salience(x_TE)[:size] + self.rareness * self.rarity(bag.ids)[:, None]
        owner = torch.repeat_interleave(torch.arange(len(bag.lengths)), bag.lengths)
        with torch.no_grad():
            highest = torch.segment_reduce(salience_TH, "max", lengths=bag.lengths)[owner]
        weight_TH = (salience_TH - highest).exp()
        weighted = (weight_TH[:, :, None] * signs(bag.ids)[:, None]).flatten(1)
        subjects = torch.segment_reduce(weighted, "sum", lengths=bag.lengths).unflatten(1, (self.heads, SIGNS))
        subjects = subjects / subjects.norm(dim=2, keepdim=True).clamp(min=1e-6)
        return torch.cat([features, subjects.flatten(1)], dim=1)

    def compare(self, rows_N3: Tensor, pooled_UP: Tensor, counts_D: Tensor | None = None) -> list[Tensor]:
        """Features [N, W] of observation, new and touched text; then how far the first and the second speak of the same
        as the third, the most that the first does in any candidate of the moment, and what is missing to that: [N, H]
        each."""
        seen = list(embedding(rows_N3, pooled_UP[:, : self.width]).unbind(1))
        if self.heads:
            subjects = pooled_UP[:, self.width :].unflatten(1, (self.heads, SIGNS))
            o, w, t = rows_N3.unbind(1)
            pairs = torch.cat([torch.stack([o, t], dim=1), torch.stack([w, t], dim=1)])
            codes, place = (pairs[:, 0] * len(subjects) + pairs[:, 1]).unique(return_inverse=True)
            one, other = codes // len(subjects), codes % len(subjects)
            read, written = (MATCH * (subjects[one] * subjects[other]).sum(2))[place].split(len(rows_N3))
            best = best_of_moment(read, counts_D)
            seen += [read, written, best, torch.where(t[:, None] == len(subjects) - 1, 0.0, best - read)]
        return seen


def scaled(bag: Bag) -> Tensor:
    """[T and more, E] token vectors as loud as projections want them, in whole blocks: a row adds up the same way
    wherever it stands (``scorer.BLOCK``)."""
    return torch.nn.functional.pad(bag.vectors.float() * SCALE, (0, 0, 0, -len(bag.ids) % 32))


def best_of_moment(values_NX: Tensor, counts_D: Tensor | None) -> Tensor:
    """[N, X] the highest of each column among the candidates of the same moment; ``counts_D`` None for one each."""
    lengths = torch.ones(len(values_NX), dtype=torch.int64) if counts_D is None else counts_D[counts_D > 0]
    best = torch.segment_reduce(values_NX.contiguous(), "max", lengths=lengths)
    return torch.repeat_interleave(best, lengths, dim=0)


def signs(ids_T: Tensor) -> Tensor:
    """[T, V] a unit vector of signs for each id, the same in every process; zeros for id 0."""
    bit = torch.arange(SIGNS, dtype=torch.int64)
    mixed = ids_T[:, None] * 0x9E3779B97F4A7 + bit * 0x2545F4914F6CD  # int64 wraps around
    mixed = (mixed ^ (mixed >> 29)) * 0x5851F42D4C957F2D
    mixed = (mixed ^ (mixed >> 32)) * 0x2127599BF4325C37
    found = ((mixed >> 40) & 1).float() * 2 - 1
    return found * (ids_T > 0)[:, None] / SIGNS**0.5
