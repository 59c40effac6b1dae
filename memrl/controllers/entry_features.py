"""What a scorer may know of an entry that could be read: how it fits the query, and what is in view already.

    query + all entries ──> C candidates: the most promising by words, meaning and tokens, and what stands next to them
                        ──> numbers [C, F]   each candidate and the query
                        ──> pairs [C, C, P]  each candidate and each other, for when that one is in view

Nothing here knows a language: there are counts, places, cosines and steps. The measures put side by side are BM25, the
cosine of whole texts, and late interaction, in which every token of the query finds its best match (``algos.ranking``).

Shapes: N entries, C candidates, Q tokens of the query, F numbers, S more, M matches of tokens,
P of a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memrl.algos.ranking import best_match, fused, late_interaction, places
from memrl.contracts.texts import TextTable
from memrl.controllers.entry_index import MOST_PROMISING, WHOLE, EntryIndex, TextFacts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Numbers = NDArray[np.float32]

NEAR = (-2, -1, 1, 2)
"""Steps to the neighbours whose fit counts: what answers a text often stands next to what asks."""
FIT_NAMES = (
    "bm25", "bm25_share", "bm25_place", "cosine_z", "cosine", "cosine_place",
    "tokens_z", "tokens", "tokens_place", "tokens_plain_z", "fused_place", "fused_tokens_place", "fused_tokens_depth",
    "covered", "density", "hits", "rarest_three", "rarest", "least",
    "size", "position", "opening", "digits", "query_length", "newer_twin", "older_twin",
    *(f"{name}_{step:+d}" for step in NEAR for name in ("bm25", "cosine", "tokens")),
)  # fmt: skip
"""[F] of a candidate and the query."""
STORY_NAMES = ("known_rarest", "known_three", "newer_known", "newer_three", "age", "trust")
"""[S] of a candidate in the story, where they are asked for: how it matches the rarest tokens of the query that any
entry has, how many newer entries match them as well, how old it is, and how far its source may be believed."""
MATCH_NAME = "match_{:02}"
"""[M] of a candidate and one of the first tokens of the query, where they are asked for: its best match."""
PAIR_NAMES = ("seen_cosine", "seen_words", "seen_next", "seen_second", "seen_near", "seen_with_query")
"""[P] the most that anything in view has in common with the candidate."""
HIT = 0.6
"""Cosine from which a token counts as found."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """What may be read for one query, most promising first."""

    ids: tuple[str, ...]
    """[C]"""
    costs: Ints
    """[C] tokens."""
    rows: NDArray[np.int32]
    """[C] in the text table."""
    query_row: int
    numbers: Numbers
    """[C, F + S + M]"""
    pairs: NDArray[np.float16]
    """[C, C, P] of a candidate and another that would be in view."""


NOTHING = Candidates(
    ids=(),
    costs=np.zeros(0, dtype=np.int64),
    rows=np.zeros(0, dtype=np.int32),
    query_row=-1,
    numbers=np.zeros((0, len(FIT_NAMES)), dtype=np.float32),
    pairs=np.zeros((0, 0, len(PAIR_NAMES)), dtype=np.float16),
)


class _Fit:
    """How N entries fit a query: all of a memory, or of a large one those that could.

    Places (``at``) count among the N; ``among`` says which entries they are.
    """

    def __init__(self, index: EntryIndex, query: TextFacts, text: str, table: TextTable, may: Ints | None) -> None:
        self.index, self.query = index, query
        [self.tokens] = table.tokens([text])
        self.matrix, self.asked = table.matrix, table.matrix[query.row]
        bm25, cosine = index.bm25(query), index.cosine(query)
        if may is None:
            among = _could_fit(bm25, cosine, index.steps)
        else:
            among = may[_could_fit(bm25[may], cosine[may], index.steps[may])]
        self.among = among
        self.bm25, self.cosine, self.steps = bm25[among], cosine[among], index.steps[among]
        by_words, by_meaning = _found_places(self.bm25), places(self.cosine)
        self.by_words, self.by_meaning = by_words, by_meaning
        if len(index) <= WHOLE:
            which = None if may is None else np.arange(len(among))
        else:
            which = np.sort(_best(fused(by_words, by_meaning), MOST_PROMISING))
        flat, starts = index.tokens(which if which is None else among[which])
        self.weights = index.piece_rarity(self.tokens.ids)
        best = best_match(flat @ self.tokens.vectors.astype(np.float32).T, starts)
        self.best = best if which is None else _spread(best, which, len(among))
        self.late = late_interaction(self.best, self.weights)
        self.late_plain = late_interaction(self.best, np.ones(len(self.weights)))
        self.by_tokens = places(self.late)
        self.fused = fused(by_words, by_meaning)
        self.fused_tokens = fused(by_words, by_meaning, self.by_tokens)
        self.beside = _by_step(self.steps)

    def promising(self, most: int) -> Ints:
        """[C] the entries that fit best by themselves or by their neighbours."""
        promise = self.fused_tokens.copy()
        for step in NEAR:
            promise = np.maximum(promise, self.beside(self.fused_tokens, step) * (0.9 if abs(step) == 1 else 0.75))
        return _best(promise, most)

    def promising_or_new(self, most: int) -> Ints:
        """[C] half of them the most promising, half the newest of four times as many as are wanted."""
        wide = self.promising(4 * most)
        best, rest = wide[: (most + 1) // 2], wide[(most + 1) // 2 :]
        newest = rest[np.argsort(-self.steps[rest], kind="stable")]
        return np.concatenate([best, newest[: most - len(best)]])

    def numbers(self, at: Ints) -> Numbers:
        """[C, F]"""
        index, query = self.index, self.query
        asked = float(index.rarity(query.words).sum()) + 1e-6
        bm25, cosine, late = self.bm25 / (self.bm25.max() + 1e-6), _z(self.cosine), _z(self.late)
        depth = places(self.fused_tokens)
        best, rarest = self.best[at], np.argsort(-self.weights, kind="stable")[:3]
        facts = [index.facts[i] for i in self.among[at]]
        shared, mass = self._weighed([one.words for one in facts])
        opens, opening = self._weighed([one.opening for one in facts])
        steps = self.steps[at]
        span = max(int(index.steps.max() - index.steps.min()), 1)
        columns = [
            bm25[at], self.bm25[at] / asked, _near(self.by_words[at]), cosine[at], self.cosine[at],
            _near(self.by_meaning[at]), late[at], self.late[at], _near(self.by_tokens[at]), _z(self.late_plain)[at],
            _near(places(self.fused)[at]), _near(depth[at]), np.log1p(depth[at]) / 4,
            shared / asked, shared / (mass + 1e-6), late_interaction((best > HIT).astype(np.float32), self.weights),
            *_rarest(best, rarest),
            np.log(np.maximum(index.costs[self.among[at]], 1)) / 4, (steps - index.steps.min()) / span,
            opens / np.maximum(opening, 1e-6), np.array([min(one.digits, 3) / 3 for one in facts]),
            np.full(len(at), min(query.length, 40) / 20), *self._twins(at),
        ]  # fmt: skip
        for step in NEAR:
            columns += [self.beside(values, step)[at] for values in (bm25, cosine, late)]
        return np.clip(np.stack(columns, axis=1), -3, 3).astype(np.float32)

    def story(self, at: Ints) -> Numbers:
        """[C, S]"""
        index = self.index
        known = np.flatnonzero(index.holds_pieces(self.tokens.ids))
        rarest = known[np.argsort(-self.weights[known], kind="stable")]
        one, three = (self.best[:, rarest[:n]].astype(np.float64) for n in (1, 3))
        matches = [m.mean(1) if m.shape[1] else np.zeros(len(self.best)) for m in (one, three)]
        newest = int(index.steps.max())
        columns = [
            *(m[at] for m in matches), *(np.log1p(_newer_as_good(m, self.steps, at)) / 2 for m in matches),
            np.log1p(newest - self.steps[at]) / 4,
            np.array([index.entries[i].stamp.trust for i in self.among[at]]),
        ]  # fmt: skip
        return np.clip(np.stack(columns, axis=1), -3, 3).astype(np.float32)

    def matches(self, at: Ints, most: int) -> Numbers:
        """[C, M] the best match of each of the query's first tokens; 0 where it has no more."""
        own = self.best[at, :most]
        return np.pad(own, ((0, 0), (0, most - own.shape[1]))).astype(np.float32)

    def _weighed(self, words: Sequence[Ints]) -> tuple[Floats, Floats]:
        """Rarity of the words that the query has too, and of all, for each list of words."""
        every, whose = np.concatenate(words), np.repeat(np.arange(len(words)), [len(one) for one in words])
        rare = self.index.rarity(every)
        of_query = np.bincount(whose, weights=rare * _is_in(every, self.query.words), minlength=len(words))
        every_word = np.bincount(whose, weights=rare, minlength=len(words))
        return of_query.astype(np.float64), every_word.astype(np.float64)

    def _twins(self, at: Ints) -> tuple[Floats, Floats]:
        """How like an entry the most alike of the newer ones is, and of the older ones."""
        vectors, steps = self.matrix[self.index.rows[self.among[at]]], self.steps[at]
        alike = (vectors @ vectors.T).astype(np.float64)
        newer = steps[None, :] > steps[:, None]
        older = steps[None, :] < steps[:, None]
        return np.where(newer, alike, 0).max(1), np.where(older, alike, 0).max(1)

    def pairs(self, at: Ints) -> NDArray[np.float16]:
        """[C, C, P]"""
        index, at = self.index, self.among[at]
        vectors = self.matrix[index.rows[at]]
        with_query = vectors + self.asked
        with_query /= np.maximum(np.linalg.norm(with_query, axis=1, keepdims=True), 1e-8)
        apart = np.abs(index.steps[at][:, None] - index.steps[at][None, :])
        others = ~np.eye(len(at), dtype=bool)
        return np.stack(
            [
                vectors @ vectors.T, _shared_words(index, at, self.query), (apart == 1) * 1.0, (apart == 2) * 1.0,
                np.exp(-apart / 5.0) * others, vectors @ with_query.T,
            ], axis=2,
        ).astype(np.float16)  # fmt: skip


def candidates(
    index: EntryIndex,
    query: TextFacts,
    text: str,
    table: TextTable,
    most: int,
    story: bool = False,
    matches: int = 0,
    trusted: float = 0.0,
) -> Candidates:
    """The ``most`` most promising entries for a query, described; with ``story`` by S more numbers, and M matches.

    Entries that are trusted less than ``trusted`` count for nothing, however many there are and however well they fit.
    """
    may = np.flatnonzero(index.trusts >= trusted) if trusted else None
    if may is not None and not len(may):
        return NOTHING
    fit = _Fit(index, query, text, table, None if may is None or len(may) == len(index) else may)
    best = fit.promising_or_new(most) if story else fit.promising(most)
    at = fit.among[best]
    described = [
        fit.numbers(best), fit.story(best) if story else None, fit.matches(best, matches) if matches else None
    ]  # fmt: skip
    return Candidates(
        ids=tuple(index.entries[i].id for i in at),
        costs=index.costs[at],
        rows=index.rows[at].astype(np.int32),
        query_row=query.row,
        numbers=np.concatenate([part for part in described if part is not None], axis=1),
        pairs=fit.pairs(best),
    )


def in_view(own: Candidates, seen: Sequence[int]) -> Numbers:
    """[C, P] the most that anything of ``seen`` has in common with each candidate; nothing where nothing is seen."""
    if not seen:
        return np.zeros((len(own.ids), len(PAIR_NAMES)), dtype=np.float32)
    return own.pairs[:, list(seen)].max(axis=1).astype(np.float32)


def _could_fit(bm25: Floats, cosine: Floats, steps: Ints) -> Ints:
    """Places of the entries to look at, in order: all, or of very many the best by words and by meaning, and what
    stands next to them."""
    if len(bm25) <= WHOLE:
        return np.arange(len(bm25))
    best = np.union1d(_best(bm25, WHOLE), _best(cosine, WHOLE))
    wanted = np.unique(steps[best][:, None] + np.array([0, *NEAR]))
    return np.flatnonzero(np.isin(steps, wanted, kind="table"))


AS_GOOD = 0.05
"""How far below another a match may lie and still count as good."""


def _newer_as_good(match_N: Floats, steps_N: Ints, at: Ints) -> Ints:
    """[C] how many of all entries are of a later step and match as well, nearly."""
    later = steps_N[None, :] > steps_N[at, None]
    return (later & (match_N[None, :] >= match_N[at, None] - AS_GOOD)).sum(axis=1)


def _is_in(words: Ints, query: Ints) -> NDArray[np.bool_]:
    """Which words the query has."""
    has = np.zeros(max(int(words.max(initial=-1)), int(query.max(initial=-1))) + 1, dtype=bool)
    has[query] = True
    return has[words]


def _best(scores: Floats, most: int) -> Ints:
    """The places of the highest scores, highest first, ties to the older."""
    if len(scores) <= 4 * most:
        return np.argsort(-scores, kind="stable")[:most]
    edge = np.partition(scores, len(scores) - most)[len(scores) - most]
    among = np.flatnonzero(scores >= edge)
    return among[np.argsort(-scores[among], kind="stable")][:most]


def _found_places(scores: Floats) -> Ints:
    """Ranks; what was not found at all comes after everything."""
    return np.where(scores > 0, places(scores), len(scores))


def _near(place: Ints) -> Floats:
    return 1.0 / (1.0 + place / 4.0)


def _z(scores: Floats) -> Floats:
    return (scores - scores.mean()) / (scores.std() + 1e-6) / 3.0


def _spread(best: NDArray[np.float32], which: Ints, count: int) -> NDArray[np.float32]:
    """[N, Q]: of entries that were not compared, no match."""
    out = np.zeros((count, best.shape[1]), dtype=np.float32)
    out[which] = best
    return out


def _rarest(best_CQ: NDArray[np.float32], rarest: Ints) -> tuple[Floats, ...]:
    """The best matches of the query's three rarest tokens, of its rarest, and of the one that is matched worst."""
    if not best_CQ.shape[1]:
        return (np.zeros(len(best_CQ)),) * 3
    own = best_CQ[:, rarest].astype(np.float64)
    return own.mean(1), own[:, 0], best_CQ.min(1).astype(np.float64)


def _by_step(steps: Ints) -> Callable[[Floats, int], Floats]:
    """Values of entries to the values of those ``step`` steps on: the best of several, the lowest of all for none."""
    order = np.argsort(steps, kind="stable")
    known, first = np.unique(steps[order], return_index=True)

    spots: dict[int, tuple[Ints, NDArray[np.bool_]]] = {}

    def beside(values: Floats, step: int) -> Floats:
        if step not in spots:
            at = np.minimum(np.searchsorted(known, steps + step), len(known) - 1)
            spots[step] = at, known[at] == steps + step
        at, there = spots[step]
        return np.where(there, np.maximum.reduceat(values[order], first)[at], values.min())

    return beside


def _shared_words(index: EntryIndex, at: Ints, query: TextFacts) -> Floats:
    """[C, C] rarity of the words that two entries share and the query lacks, over the first one's own."""
    own = [index.facts[i].words for i in at]
    every, whose = np.concatenate(own), np.repeat(np.arange(len(at)), [len(one) for one in own])
    others = ~_is_in(every, query.words)
    known, number = np.unique(every[others], return_inverse=True)
    has = np.zeros((len(at), len(known)))
    has[whose[others], number] = 1.0
    rare = index.rarity(known)
    shared = (has * rare) @ has.T
    np.fill_diagonal(shared, 0.0)
    return shared / ((has @ rare)[:, None] + 3.0)
