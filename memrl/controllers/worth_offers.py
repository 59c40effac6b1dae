"""Offers for a memory that must choose what it is worth to hold: who leaves, of the new text and of all that is held.

    room for the text        Keep | Write
    none                     Keep | for each item: Overwrite, or Forget where the text needs the room of several

Both texts of an offer are described alike, by the numbers with which they arrived (``arrivals``). Nothing here reads:
wherever something may be brought into view only Keep is on offer, so token memory is what a policy sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from memory_stores.memory import AgentMemory
from memory_stores.types import Forget, Keep, MemoryOp, Overwrite, Write
from memrl.contracts.contexts import OffersContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import OfferRequest
from memrl.contracts.registry import register
from memrl.contracts.texts import TextTable
from memrl.contracts.types import OfferSet
from memrl.controllers.arrivals import ARRIVAL_NAMES, NUM_ARRIVAL, Arrivals, Told

WORTH_NAMES = (
    "enters", "leaves", "fits", "age",
    *(f"new_{name}" for name in ARRIVAL_NAMES), *(f"held_{name}" for name in ARRIVAL_NAMES),
)  # fmt: skip
"""What the numbers of an offer mean, in order: whether the text enters (at once or after more has left), whether an
item leaves, whether that is all that must leave, steps since the item was written; and both texts' arrival numbers."""
FLAGS = 4


class WorthOffers:
    """Offers of token memory.

    Args:
        table: where texts get their embedding rows.
        count_tokens: the reader's own count.
    """

    def __init__(self, table: TextTable, count_tokens: Callable[[str], int]) -> None:
        self._table, self._count = table, count_tokens
        self._arrivals: WeakKeyDictionary[AgentMemory, Arrivals] = WeakKeyDictionary()
        self._told: Told = {}
        self.names, self.columns = WORTH_NAMES, 3

    def offers(self, requests: Sequence[OfferRequest]) -> list[OfferSet]:
        """One set a request, in order."""
        self._table.add([one.observation.text for one in requests if not one.reads and one.observation.text.strip()])
        return [self._writes(one) for one in requests]

    def _writes(self, request: OfferRequest) -> OfferSet:
        token, seen = request.memory.token, request.observation
        if request.reads or token is None or not seen.text.strip():
            return WorthSet(None, seen.text, -1, -1, False, (), _NONE)
        tokens = token.cost(seen.text)
        arrivals = self._arrivals.get(request.memory)
        if arrivals is None:
            arrivals = self._arrivals[request.memory] = Arrivals(self._table, self._told)
        line, row = arrivals.arrive(seen, tokens), self._table.row(seen.text)
        room, items = token.budget - token.tokens_used, token.entries()
        if tokens > token.budget or any(item.stamp.observation_id == seen.id for item in items):
            return WorthSet(arrivals, seen.text, row, line, False, (), _NONE)
        if tokens <= room:
            return WorthSet(arrivals, seen.text, row, line, True, (), _NONE)
        held = [
            (
                self._table.row(item.text),
                arrivals.of(item.stamp.observation_id, item.text, item.tokens),
                seen.step - item.stamp.step,
                item.tokens >= tokens - room,
            )
            for item in items
        ]
        ids = tuple(item.id for item in items)
        return WorthSet(arrivals, seen.text, row, line, False, ids, np.array(held, dtype=np.int32))


class WorthSet(OfferSet):
    """The offers of one moment; described when somebody asks.

    Args:
        arrivals: the texts of its stream; None where nothing can be written.
        row: of the new text in the text table.
        line: of the new text in ``arrivals``.
        write: whether there is room for it.
        ids: [I] of the items that may leave.
        held: [I, 4] of each its row, its line, its age in steps, and whether its leaving makes room enough.
    """

    __slots__ = ("_arrivals", "_held", "_ids", "_line", "_row", "_text", "_write")

    def __init__(
        self,
        arrivals: Arrivals | None,
        text: str,
        row: int,
        line: int,
        write: bool,
        ids: tuple[str, ...],
        held: NDArray[np.int32],
    ) -> None:
        for name, value in (
            ("_arrivals", arrivals), ("_text", text), ("_row", row), ("_line", line), ("_write", write),
            ("_ids", ids), ("_held", held),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return 1 + self._write + len(self._ids)

    def op(self, index: int) -> MemoryOp:
        if index == 0:
            return Keep()
        if self._write:
            return Write(self._text)
        id = self._ids[index - 1]
        return Overwrite(id, self._text) if self._held[index - 1, _ENOUGH] else Forget(id)

    @property
    def ops(self) -> tuple[MemoryOp, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(map(self.op, range(len(self))))

    @property
    def rows(self) -> NDArray[np.integer]:  # pyright: ignore[reportIncompatibleVariableOverride]
        rows = np.full((len(self), 3), -1, dtype=np.int32)
        rows[:, 0] = rows[1:, 1] = self._row
        if self._ids:
            rows[1:, 2] = self._held[:, _ROW]
        return rows

    @property
    def numbers(self) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleVariableOverride]
        out = np.zeros((len(self), len(WORTH_NAMES)), dtype=np.float32)
        out[1:, 0] = 1.0
        if self._arrivals is not None:
            out[:, FLAGS : FLAGS + NUM_ARRIVAL] = self._arrivals.lines[self._line]
        if self._ids and self._arrivals is not None:
            out[1:, 1] = 1.0
            out[1:, 2] = self._held[:, _ENOUGH]
            out[1:, 3] = np.minimum(self._held[:, _AGE] / 500.0, 2.0)
            out[1:, FLAGS + NUM_ARRIVAL :] = self._arrivals.lines[self._held[:, _LINE]]
        return out


_ROW, _LINE, _AGE, _ENOUGH = range(4)
_NONE = np.zeros((0, 4), dtype=np.int32)


def _make(context: OffersContext) -> WorthOffers:
    if context.edges:
        way_out = "these offers know token memory alone; set it to 0"
        raise ConfigError("memory.graph_budget", "above 0", way_out)
    context.table.keep_vectors(context.cache)
    return WorthOffers(context.table, context.count_tokens)


register("offers", "worth", _make)
