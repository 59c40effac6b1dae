"""Sequences that begin alike as the branches of one tree, so that what they share is held once.

Causal attention lets a token see its own past alone. A tree in which every token sees its ancestors alone, at the
place it had in its sequence, therefore computes what the sequences would one by one, and their gradients add up in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Shapes: N tokens of a tree.


@dataclass(slots=True)
class PrefixTree:
    """Some sequences, each token after its parent."""

    ids: list[int] = field(default_factory=list)
    """[N]"""
    parents: list[int] = field(default_factory=list)
    """[N] index of the token before; -1 for a first one."""
    places: list[int] = field(default_factory=list)
    """[N] how many tokens stand before it in its sequence."""
    paths: dict[int, list[int]] = field(default_factory=dict)
    """Index of each sequence -> indices of its tokens, in order."""

    def __len__(self) -> int:
        return len(self.ids)

    def sees(self) -> NDArray[np.bool_]:
        """[N, N] whether the token of the row sees that of the column: itself and its ancestors."""
        sees_NN = np.zeros((len(self), len(self)), dtype=bool)
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                sees_NN[i] = sees_NN[parent]
            sees_NN[i, i] = True
        return sees_NN

    def grow(self, index: int, sequence: Sequence[int], shared: Sequence[int]) -> None:
        """Add a sequence that begins with the tokens at ``shared``."""
        path = list(shared)
        for token in sequence[len(shared) :]:
            self.parents.append(path[-1] if path else -1)
            self.places.append(len(path))
            path.append(len(self.ids))
            self.ids.append(token)
        self.paths[index] = path


def prefix_trees(sequences: Sequence[Sequence[int]], limit: int) -> list[PrefixTree]:
    """Trees of at most ``limit`` tokens that hold every sequence; one that is longer has a tree of its own.

    Sequences that begin alike stand side by side in sorted order, and each is compared with the one before it.
    """
    trees: list[PrefixTree] = []
    before: Sequence[int] = ()
    path: list[int] = []
    for index in sorted(range(len(sequences)), key=lambda i: tuple(sequences[i])):
        sequence = sequences[index]
        shared = common(before, sequence) if trees else 0
        if not trees or len(trees[-1]) + len(sequence) - shared > limit:
            trees.append(PrefixTree())
            shared = 0
        trees[-1].grow(index, sequence, path[:shared])
        before, path = sequence, trees[-1].paths[index]
    return trees


def begin_alike(sequences: Sequence[Sequence[int]], budget: int) -> list[list[int]]:
    """Indices of sequences in batches, those that begin alike together, the tree of each within ``budget``."""
    return [list(tree.paths) for tree in prefix_trees(sequences, budget)]


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens with which both begin."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
