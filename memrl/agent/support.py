"""How far a text is believed that several sources say: each may be wrong, but by itself.

    trust = 1 - (1 - t1) (1 - t2) …        a noisy or; a source counts once, one without a name not at all

Only the very same text counts as the same: texts that are merely alike may differ in the one word that matters.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from memrl.agent.results import Details


def again(trust: float, before: Details, said_trust: float, said: Details) -> tuple[float, Details]:
    """Trust and details of a text that is held and was now said again.

    Args:
        trust: of the one that is held; ``before`` are its details.
    """
    known = {_folded(name) for name in (*before.also, before.source)}
    both = bool(before.source and said.source) and _folded(said.source) not in known
    # To nine digits: 0.3 and 0.3 make 0.51, and not a float beside it.
    together = round(1 - (1 - trust) * (1 - said_trust), 9) if both else max(trust, said_trust)
    source = said.source or before.source
    also = tuple(name for name in dict.fromkeys((*before.also, before.source)) if name not in ("", source))
    return together, replace(said, source=source, also=also, metadata={**before.metadata, **said.metadata})


def _folded(source: str) -> str:
    """One name however it is written: case and forms of the same letter aside."""
    return unicodedata.normalize("NFKC", source).casefold().strip()
