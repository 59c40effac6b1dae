"""Read what one measure ranks highest, until the read budget is full: what usual retrieval does, at an equal budget.

    bm25                 by words (Robertson and Zaragoza 2009)
    dense                by the cosine of whole texts
    rrf                  by the ranks of both, fused (Cormack et al. 2009)
    late_interaction     every token of the query finds its best match (ColBERT, arXiv:2004.12832), weighed by rarity
    newest               the newest that has the query's rarest word, if its source is to be believed
    newest_dense         the ranks of ``newest`` and of ``dense``, fused
    dense_trusted        ``dense``, but what is not to be believed comes last
    evidence             what the answer rests on, oldest first: the ceiling, which looks at the solution

Each fills the budget with entries that fit and never stops before. None learns; what may be done to memory they leave
as it is. They need the offers "entries", these three with ``story``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from memory_stores.types import Edge, Retrieve
from memrl.algos.ranking import FUSION
from memrl.contracts.capabilities import EvidenceReader, edges_tell
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.contracts.registry import register
from memrl.controllers.entry_features import HIT

MEASURES = {
    "bm25": "read_bm25_place",
    "dense": "read_cosine_place",
    "rrf": "read_fused_place",
    "late_interaction": "read_tokens_place",
}
"""Name of a controller -> the number that it goes by."""
TOLD = ("read_known_rarest", "read_newer_known", "read_trust", "read_cosine_place")
BELIEVED = 0.5
"""Trust from which a source is believed rather than not."""


class Ranked(Chooser):
    """Takes the entry with the largest number of a given name.

    Args:
        at: where that number stands.
    """

    def __init__(self, at: int) -> None:
        self._at = at

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(self._best(request), 0.0) for request in requests]

    def _best(self, request: ControllerRequest) -> int:
        if not isinstance(request.offers.op(len(request.offers) - 1), Retrieve):
            return 0
        return 1 + int(np.argmax(request.offers.numbers[1:, self._at]))


class Believed(Ranked):
    """Takes what is not to be believed last; before that goes by time among what matches, by ``dense``, or by both.

    Args:
        names: of an offer's numbers.
        time: whether what has the query's rarest word comes first, and of that the newest.
        dense: whether ranks by the cosine of whole texts count.
    """

    def __init__(self, names: Sequence[str], time: bool, dense: bool) -> None:
        self._at = [names.index(name) for name in TOLD]
        self._time, self._dense = time, dense

    def _best(self, request: ControllerRequest) -> int:
        if not isinstance(request.offers.op(len(request.offers) - 1), Retrieve):
            return 0
        match, newer, trust, place = request.offers.numbers[1:, self._at].T.astype(np.float64)
        value = (trust >= BELIEVED).astype(np.float64)
        if self._time:
            value += (match > HIT) + 1.0 / (FUSION + np.expm1(2 * newer))
        if self._dense:
            value += 1.0 / (FUSION + 4 * (1 / place - 1))
        return 1 + int(np.argmax(value))


class Evidence(Chooser):
    """Takes what the answer rests on and is on offer.

    Args:
        reader: knows that.
    """

    def __init__(self, reader: EvidenceReader) -> None:
        self._reader = reader

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(self._needed(request), 0.0) for request in requests]

    def _needed(self, request: ControllerRequest) -> int:
        if not request.observation.wants_action:
            return 0
        needed = self._reader.blame(request.task, request.observation.id, frozenset())
        for i, op in enumerate(request.offers.ops):
            entry = request.memory.get(op.ids[0]) if isinstance(op, Retrieve) and op.ids else None
            if isinstance(entry, Edge) and not edges_tell(self._reader):
                continue
            if entry is not None and entry.stamp.observation_id in needed:
                return i
        return 0


def _ranked(name: str) -> type[Ranked]:
    class Made(Ranked):
        def __init__(self, context: ControllerContext) -> None:
            if MEASURES[name] not in context.names:
                raise ConfigError(
                    "controller.offers", name, "this controller reads entry by entry: take offers 'entries'"
                )
            super().__init__(context.names.index(MEASURES[name]))

    return Made


def _believed(time: bool, dense: bool) -> Callable[[ControllerContext], Believed]:
    def made(context: ControllerContext) -> Believed:
        if not set(TOLD) <= set(context.names):
            way_out = "this controller goes by time and trust: take offers 'entries' with offers_options story"
            raise ConfigError("controller.offers_options.story", False, way_out)
        return Believed(context.names, time, dense)

    return made


def _evidence(context: ControllerContext) -> Evidence:
    if context.evidence is None:
        raise ConfigError("controller.name", "evidence", "nobody knows what answers rest on in this env")
    return Evidence(context.evidence)


register("controller", "bm25", _ranked("bm25"))
register("controller", "dense", _ranked("dense"))
register("controller", "rrf", _ranked("rrf"))
register("controller", "late_interaction", _ranked("late_interaction"))
register("controller", "newest", _believed(time=True, dense=False))
register("controller", "newest_dense", _believed(time=True, dense=True))
register("controller", "dense_trusted", _believed(time=False, dense=True))
register("controller", "evidence", _evidence)
