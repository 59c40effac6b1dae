"""Overwrite what says nearly the same; otherwise add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memory_stores.types import Entry
from memrl.contracts.checks import check
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import Menu, Rule, held, remember


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityOptions:
    """Of the controller "similarity"."""

    threshold: float = 0.6
    """From this cosine on the most similar entry is overwritten even while there is room."""

    def __post_init__(self) -> None:
        check(self, "controller.options.", threshold="[-1, 1]")


class Similarity(Rule):
    """The victim is the entry most similar to the observation, by cosine of their embeddings.

    Args:
        threshold: from this cosine on it is overwritten even while there is room.
    """

    def __init__(self, threshold: float = 0.6) -> None:
        self._threshold = threshold

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        store = request.memory.token
        items = store.entries() if store is not None else ()
        if items and not held(request, items):
            cosines = _cosines(request, items)
            nearest = items[int(cosines.argmax())].id
            if cosines.max() >= self._threshold and nearest in menu.overwrite:
                return menu.overwrite[nearest]
        return remember(request, menu, _most_similar_first)


def _cosines(request: ControllerRequest, entries: Sequence[Entry]) -> np.ndarray:
    """[N] cosine of each entry to the observation."""
    table = request.table
    rows = [table.row(entry.text) for entry in entries]
    here = table.row(request.observation.text)
    return table.matrix[rows] @ table.matrix[here]


def _most_similar_first(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
    if not entries:
        return entries
    return [entries[i] for i in np.argsort(-_cosines(request, entries), kind="stable")]


def _make(context: ControllerContext, options: SimilarityOptions) -> Similarity:
    return Similarity(options.threshold)


register("controller", "similarity", _make, SimilarityOptions)
