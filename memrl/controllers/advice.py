"""A rule about memory ops as data: a kind of op, and what must be true of its named numbers. No torch.

    {kind: overwrite, states: yes, touched_states: no}
    "Overwrite an entry that states nothing, when the text states something."

It speaks of no name, place or answer, so what it learned from one task it can say about another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import MEMORY_OPS
from memrl.contracts.types import OfferSet
from memrl.controllers.offers import NUMBER_NAMES

_AT = {name: i for i, name in enumerate(NUMBER_NAMES)}
KINDS = tuple(op.__name__.lower() for op in MEMORY_OPS)
LOW_TRUST = 0.5
"""Below it a channel counts as doubtful."""
TOUCHING = ("overwrite", "forget", "relink", "unlink")
"""Kinds of op that take the place of an entry, or remove it."""

OF_TEXT: dict[str, tuple[str, str]] = {
    "states": ("the text states something", "the text states nothing"),
    "takes_back": ("it takes something back", ""),
    "trust": ("its source is doubtful", ""),
    "conflicts_held": ("memory speaks of the same", "memory does not speak of it"),
}
"""Conditions on the observation -> words where they hold and where they do not."""
OF_TOUCHED: dict[str, tuple[str, str]] = {
    "conflict": ("speaks of the same", "speaks of something else"),
    "superseded": ("is out of date", "is up to date"),
    "touched_states": ("states something", "states nothing"),
    "touched_trust": ("came from a doubtful source", ""),
}
"""Conditions on the entry that the op touches."""
_VERBS = {
    "keep": "Leave memory as it is",
    "write": "Write the text down",
    "overwrite": "Put the text in the place of an entry",
    "forget": "Forget an entry",
    "link": "Link what the text relates",
    "relink": "Relink an edge",
    "unlink": "Unlink an edge",
    "retrieve": "Bring entries into view",
}


class Advice(NamedTuple):
    """Take an op of this kind where all conditions hold."""

    kind: str
    """One of ``KINDS``."""
    conditions: tuple[tuple[str, bool], ...]
    """(name of ``OF_TEXT`` or ``OF_TOUCHED``, whether it must hold), by name."""

    @property
    def key(self) -> str:
        """Equal for equal advice; such as ``overwrite states=1 touched_states=0``."""
        return " ".join([self.kind, *(f"{name}={int(holds)}" for name, holds in self.conditions)])

    def matches(self, offers: OfferSet) -> NDArray[np.bool_]:
        """[C] which offers it recommends."""
        found = offers.numbers[:, _AT[self.kind]] > 0
        for name, holds in self.conditions:
            found &= _holds(offers.numbers, name) == holds
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "conditions": [list(pair) for pair in self.conditions]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Advice:
        return cls(data["kind"], tuple((str(name), bool(holds)) for name, holds in data["conditions"]))


def advice_of(offers: OfferSet, index: int) -> Advice:
    """What the offer at ``index`` is an example of."""
    line = offers.numbers[index : index + 1]
    kind = KINDS[int(np.argmax(line[0, : len(KINDS)]))]
    if kind == "retrieve":
        return Advice(kind, ())
    names = ["states", "takes_back", "trust"]
    if kind in TOUCHING:
        names += OF_TOUCHED
    elif kind != "keep":
        names.append("conflicts_held")
    return Advice(kind, tuple((name, bool(_holds(line, name)[0])) for name in sorted(names)))


def worthless(offers: OfferSet, index: int) -> bool:
    """Whether what the offer gives up is, by its numbers, plainly of no use.

    Keep gives up the text: of no use if it states nothing. Other ops give up the entry they touch: of no use if it is
    out of date, about to be, or states nothing.
    """
    line = offers.numbers[index : index + 1]
    if line[0, _AT["keep"]]:
        return not _holds(line, "states")[0]
    return bool(_holds(line, "superseded")[0] or _holds(line, "conflict")[0] or not _holds(line, "touched_states")[0])


def in_words(advice: Advice) -> str:
    """One sentence; holds no word that a task could be about."""
    own, touched = [], []
    for name, holds in advice.conditions:
        words = (OF_TOUCHED if name in OF_TOUCHED else OF_TEXT)[name][0 if holds else 1]
        if words:
            (touched if name in OF_TOUCHED else own).append(words)
    sentence = _VERBS[advice.kind]
    sentence += f" that {_joined(touched)}" if touched else ""
    sentence += f" when {_joined(own)}" if own else ""
    return f"{sentence}."


def _holds(numbers: NDArray[np.float32], name: str) -> NDArray[np.bool_]:
    column = numbers[:, _AT[name]]
    return column < LOW_TRUST if name in ("trust", "touched_trust") else column > 0


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
