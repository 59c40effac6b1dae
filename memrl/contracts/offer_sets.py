"""``OfferSet``: the legal ops of one moment; ``stacked``: the arrays of many moments in one piece.

Shapes: C candidate ops of one moment, N of several moments in a row, D moments, K text columns and F numbers of a
candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import MemoryOp


class Stacked(NamedTuple):
    """The candidates of several moments in a row, N in all."""

    rows: NDArray[np.int32]
    """[N, K]"""
    numbers: NDArray[np.float32]
    """[N, F]"""
    counts: NDArray[np.int64]
    """[D] candidates of each moment."""


class Describes(Protocol):
    """Moments that were described together: each of them only remembers which it was."""

    def stacked(self, moments: Sequence[int] | None = None) -> Stacked:
        """The candidates of these moments, in that order; None for all."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OfferSet:
    """The legal ops of one moment, and what a scorer may know of each.

    A subclass may make ``ops``, ``rows`` and ``numbers`` only when they are asked for: what a run keeps of a decision
    is then small. Ask ``len`` and ``op(index)`` where that is enough, and ``stacked`` for the arrays of many.
    """

    ops: tuple[MemoryOp, ...]
    """[C] the first is always ``Keep``."""
    rows: NDArray[np.integer]
    """[C, K] rows into the text table: the observation, what the op would write, what it would touch; -1 for none.
    Who makes the offers says whether more columns follow."""
    numbers: NDArray[np.float32]
    """[C, F] plain numbers, named by who makes the offers (``Offers.names``)."""
    batch: ClassVar[Describes | None] = None
    """What it was described with, if anything; it is then moment number ``moment`` of that."""
    moment: ClassVar[int] = 0

    def __len__(self) -> int:
        """C"""
        return len(self.ops)

    def op(self, index: int) -> MemoryOp:
        """One of ``ops``."""
        return self.ops[index]


def stacked(offers: Sequence[OfferSet]) -> Stacked:
    """The candidates of all sets in a row; in one piece what was described together."""
    groups: dict[int, list[int]] = {}
    for i, one in enumerate(offers):
        groups.setdefault(id(one.batch), []).append(i)
    batch = offers[0].batch
    if len(groups) == 1 and batch is not None:
        return batch.stacked([one.moment for one in offers])
    counts = np.array([len(one) for one in offers], dtype=np.int64)
    starts = counts.cumsum() - counts
    columns, width = offers[0].rows.shape[1], offers[0].numbers.shape[1]
    rows = np.empty((int(counts.sum()), columns), dtype=np.int32)
    numbers = np.empty((len(rows), width), dtype=np.float32)
    for places in groups.values():
        batch = offers[places[0]].batch
        if batch is None:
            piece = Stacked(
                np.concatenate([offers[i].rows for i in places]),  # pyright: ignore[reportArgumentType]
                np.concatenate([offers[i].numbers for i in places]),
                counts[places],
            )
        else:
            piece = batch.stacked([offers[i].moment for i in places])
        own = counts[places]
        at = np.repeat(starts[places] - (own.cumsum() - own), own) + np.arange(int(own.sum()))
        rows[at], numbers[at] = piece.rows, piece.numbers
    return Stacked(rows, numbers, counts)
