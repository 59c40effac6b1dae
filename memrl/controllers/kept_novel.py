"""What nothing else says stays: of the two held texts that are most alike the older makes room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memory_stores.types import Entry
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import Menu, Rule, remember


class Novel(Rule):
    """Like ``Fifo``, but who leaves is the older of the two texts with the highest cosine, the new one among them."""

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        return remember(request, menu, _redundant_first, forgets=64)


def _redundant_first(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
    table = request.table
    matrix = table.matrix[[table.row(text) for text in (*(e.text for e in entries), request.observation.text)]]
    cosines = matrix @ matrix.T
    np.fill_diagonal(cosines, -np.inf)
    older = int(np.unravel_index(int(np.argmax(cosines)), cosines.shape)[0])  # the first of a pair stands earlier
    return [entries[older], *(entry for i, entry in enumerate(entries) if i != older)]


register("controller", "novel", lambda context: Novel())
