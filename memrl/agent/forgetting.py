"""Which entries "forget my phone number" means, held or gone long since: those that a search finds above a score.

an id ─────────> that entry            ─┐
an exact text ─> all that said it       ├─> with them what they took the place of, and other pieces of their texts
words ─────────> score >= threshold    ─┘
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memory_stores.types import Entry, Item
from memory_stores.words import words
from memrl.agent.keeping import Former, Keeping, found, key_of
from memrl.agent.results import Found
from memrl.agent.searching import search, similarity
from memrl.agent.texts import whole_of
from memrl.contracts.errors import InputError
from memrl.contracts.texts import TextTable

THRESHOLD = 0.5
"""Score of ``search`` from which an entry is what was meant."""
SHOWN = 5
"""How many of those that stay are told of."""
_ID = re.compile(r"[tga][0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What is to go and what stays, best first. Only items can go: an edge's text is not its own."""

    gone: tuple[Found, ...]
    past: tuple[Found, ...]
    together: tuple[str, ...]
    keeps: tuple[Found, ...]
    entries: tuple[Entry, ...]
    """All that goes, held or not, the predecessors of each included."""


def checked_threshold(threshold: Any) -> float:
    """Raises InputError unless it is a finite number."""
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not number or not math.isfinite(threshold):
        raise InputError(f"forget(threshold=) = {threshold!r:.60}: it must be a number, such as {THRESHOLD}")
    return float(threshold)


def meant(keeping: Keeping, table: TextTable, what: str, threshold: float) -> Meant:
    """What ``what`` means in one memory and its past.

    Args:
        what: an id, an exact text or words; what looks like an id is never taken for words.
    """
    held: dict[str, Entry] = {one.id: one for one in keeping.memory.entries() if isinstance(one, Item)}
    past = {one.entry.id: one for one in keeping.past() if one.entry.id not in held}
    every = {**{id: one.entry for id, one in past.items()}, **held}
    exact = scores = _named(keeping, every, what)
    if not scores:
        if not _ID.fullmatch(what):
            scores = _scores(keeping, table, what, [one.entry for one in past.values()])
        exact = {id: 1.0 for id, one in every.items() if _same(one.text, what)}
        scores |= exact
    least = min(threshold, 1.0)
    wanted = list(exact) or [id for id, score in scores.items() if score >= least]
    pieces = _pieces(every, wanted)
    going = _with_predecessors(every, [*wanted, *pieces])

    def told(ids: Iterable[str]) -> tuple[Found, ...]:
        shown = [_shown(keeping, every[id], past.get(id), scores.get(id, 0.0)) for id in ids]
        return tuple(sorted(shown, key=lambda one: -one.score))

    gone = told(id for id in going if id in held)
    said = {key_of(one.text) for one in gone}
    return Meant(
        gone=gone,
        past=_each_once(told(id for id in going if id in past), said),
        together=tuple(pieces),
        keeps=told(id for id in scores if id in held and id not in going)[:SHOWN],
        entries=tuple(every[id] for id in going),
    )


def _same(text: str, what: str) -> bool:
    """The same text, or the same words in the same order."""
    return key_of(text) == key_of(what) or (words(text) == words(what) and bool(words(what)))


def _named(keeping: Keeping, every: Mapping[str, Entry], what: str) -> dict[str, float]:
    """The entry of an id that it has or had; empty where it is none."""
    return next(({id: 1.0} for id in (keeping.current(what), what) if id in every), {})


def _scores(keeping: Keeping, table: TextTable, what: str, past: Sequence[Entry]) -> dict[str, float]:
    """Of all held and past items, as ``search`` has them."""
    entries = keeping.memory.entries()
    hits = search(keeping, table, what, max(1, len(entries)))
    scores = {one.id: one.score for one in hits if isinstance(one.entry, Item)}
    if past:
        both = [*past, *entries]
        scores |= {one.id: float(score) for one, score in zip(past, similarity(both, table, what), strict=False)}
    return scores


def _pieces(every: Mapping[str, Entry], wanted: Sequence[str]) -> list[str]:
    """Ids of the other pieces of texts that were cut."""
    cut = {whole_of(every[id].stamp.observation_id) for id in wanted} - {""}
    return [id for id, one in every.items() if id not in wanted and whole_of(one.stamp.observation_id) in cut]


def _with_predecessors(every: Mapping[str, Entry], ids: Sequence[str]) -> list[str]:
    """Those and all that they took the place of, each once."""
    going: dict[str, None] = {}
    for id in ids:
        step: str | None = id
        while step is not None and step in every and step not in going:
            going[step] = None
            step = every[step].replaces
    return list(going)


def _shown(keeping: Keeping, entry: Entry, former: Former | None, score: float) -> Found:
    return found(entry, score, keeping, None if former is None else former.details)


def _each_once(past: Iterable[Found], said: set[str]) -> tuple[Found, ...]:
    """Without texts that are told of already."""
    first: dict[str, Found] = {}
    for one in past:
        if key_of(one.text) not in said:
            first.setdefault(key_of(one.text), one)
    return tuple(first.values())
