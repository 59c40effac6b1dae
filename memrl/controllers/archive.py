"""Write everything to the archive and read the most: what retrieval without memory management can do."""

from __future__ import annotations

from collections.abc import Sequence

from memory_stores.types import Retrieve, Write
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.contracts.registry import register


class ArchiveAll(Chooser):
    """Keeps every text (unlimited writes where the archive's budget allows) and asks for as many hits as are on offer.

    With a BM25 archive this is the bar to fear: plain BM25 beat a re-run of Memory-R1 on LoCoMo's F1.
    """

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(_choose(request), 0.0) for request in requests]


def _choose(request: ControllerRequest) -> int:
    best, most = 0, 0
    for i, op in enumerate(request.offers.ops):
        if isinstance(op, Write) and op.store == "archive" and request.count == 0:
            return i
        if isinstance(op, Retrieve) and op.store == "archive" and op.k > most:
            best, most = i, op.k
    return best


register("controller", "bm25_archive", lambda context: ArchiveAll())
