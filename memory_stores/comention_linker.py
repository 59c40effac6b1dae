"""Proposes edges between names that stand in one text, found by capitals and counts, with no word of any language.

A name is a run of capitalised words. At the start of a sentence every word is capitalised: there a run counts without a
first word that the text has in small letters too, or without which it is part of an earlier name; a single word counts
only if it is a name elsewhere in the text. Text without capitals has no names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice

from memory_stores.linker import ProposedEdge

RELATION = "with"
_TOKEN = re.compile(r"[^\W\d_][\w-]*(?:['’](?=[^\W\d_a-z])\w+)*|\d+|\S")
_ENDS = frozenset('.!?:;"“”«»')
"""What a sentence, or something said in it, may begin after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComentionOptions:
    """Of the linker "comention"."""

    most: int = 4
    """Edges a text. The first name, which often says what the text is about, is paired first."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most must be at least 1, got {self.most}")


class ComentionLinker:
    """Links each pair of names in reading order; one pair never takes the place of another (``ProposedEdge.many``)."""

    def __init__(self, most: int = 4) -> None:
        self._most = most

    def link(self, text: str) -> tuple[ProposedEdge, ...]:
        """See ``EntityLinker``. Results are cached."""
        pairs = islice(combinations(names_in(text), 2), self._most)
        return tuple(ProposedEdge(one, RELATION, other, many=True) for one, other in pairs)


@lru_cache(maxsize=16_384)
def names_in(text: str) -> tuple[str, ...]:
    """The different names of a text in reading order. One whose words a longer name has is that name."""
    small = frozenset(token for token in _TOKEN.findall(text) if token.islower())
    runs = list(_runs(text, small))
    inside = {word for run, opens in runs if not opens for word in run}
    named: dict[str, None] = {}
    for i, (run, opens) in enumerate(runs):
        rest = set(run[1:])
        if opens and rest and any(rest <= set(other) for other, _ in runs[:i]):
            run, opens = run[1:], False
        if not opens or len(run) > 1 or run[0] in inside:
            named[" ".join(run)] = None
    return tuple(name for name in named if not any(set(name.split()) < set(other.split()) for other in named))


def _runs(text: str, small: frozenset[str]) -> Iterator[tuple[list[str], bool]]:
    """Runs of capitalised words, and whether nothing but the start of a sentence speaks for them."""
    run: list[str] = []
    opens = starts = True
    for token in [*_TOKEN.findall(text), "."]:
        if token[0].isupper():
            opens = starts if not run else opens
            run.append(token)
        elif run:
            if opens and run[0].lower() in small:
                run, opens = run[1:], False
            if run and (len(run) > 1 or len(run[0]) > 1):
                yield run, opens
            run = []
        starts = token in _ENDS


def _make(options: ComentionOptions) -> ComentionLinker:
    return ComentionLinker(options.most)


PARTS = (("linker", "comention", _make, ComentionOptions),)
"""What can be had by name: (kind, name, make, options)."""
