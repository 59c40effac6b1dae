"""What ``chooser`` reads, as arrays: texts to ids, and where words of a choice occur in them.

A text is cut into clauses, at punctuation and line breaks. A word of a choice that occurs in a clause is an event: it
knows the words around it there, which of them the choice has too, what kind of text the clause is of, and how old. A
command of one's own ("> ...") is a kind of its own, so that what was done already can be told from what is to be done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.protocols import SampleRequest
from memrl.policies.pointer import FUNCTION_IDS, word_id, words

# Shapes: C choices, V events, K occurrences that some event is at, J words of choices that some event is of,
# W words of the longest choice, H·K kinds of text, F numbers.

Ids = tuple[int, ...]
HEAD, LINE, SEEN, NOTE, DONE, PART, CHOICE = 1, 2, 3, 4, 5, 6, 7
"""Marks that open the brief, a line of memory, the observation, a note to oneself; within one of these an own command
and a further clause; and a choice."""
FIRST = 8
"""The least id of a word; smaller ones are marks."""
KINDS = 5
"""Marks HEAD to DONE: what kind of text a clause is of."""
BUCKETS = 1024
REACH = 6
"""Words to the left and right of an occurrence whose presence in the choice is looked at."""
NEAR = 3
"""Words to the left and right that are read by what was learned of them."""
AROUND, SPAN = 2 * REACH + 1, 2 * NEAR + 1
EVENT_NUMBERS = AROUND + KINDS + 5
CHOICE_NUMBERS = 7
OLDEST = 16
_FUNCTION = np.sort(np.append(FUNCTION_IDS, 2**62))
_CLAUSE = re.compile(r"[.,;:!?\n]+")


class Reading(NamedTuple):
    """One observation with its choices."""

    events_V3: NDArray[np.int64]
    """[V, 3] of each event: its choice, its occurrence, its word of the choice."""
    event_numbers: NDArray[np.float32]
    """[V, F]"""
    occurrences: NDArray[np.int64]
    """[K, SPAN] buckets of the words around each occurrence, its own in the middle; BUCKETS for none."""
    spoken: NDArray[np.int64]
    """[J, SPAN] the same of the word of a choice within that."""
    choices: NDArray[np.int64]
    """Buckets of all choices' words, in order."""
    lengths: NDArray[np.int64]
    """[C] words of each choice."""
    choice_numbers: NDArray[np.float32]
    """[C, F]"""
    seen: NDArray[np.int64]
    """Buckets of the observation's words."""
    done: NDArray[np.int64]
    """Buckets of the newest own command's words."""


def encode(request: SampleRequest) -> Ids:
    """Brief, memory, notes, observation and choices as ids, each opened by its mark, clauses apart."""
    texts = [(HEAD, request.brief.header), *((LINE, line.text) for line in request.view)]
    texts += [*((NOTE, text) for text in request.scratch), (SEEN, request.observation.text)]
    ids = [id for mark, text in texts for id in _clauses(mark, text)]
    return (*ids, *(id for text in request.observation.choices for id in (CHOICE, *map(word_id, words(text)))))


@lru_cache(maxsize=16_384)
def _clauses(mark: int, text: str) -> Ids:
    return (mark, *_cut(mark, text))


def _cut(mark: int, text: str) -> Iterator[int]:
    first = True
    for line in text.split("\n"):
        own = mark == LINE and line.startswith(">")
        for clause in _CLAUSE.split(line):
            found = words(clause)
            if found:
                if own or not first:
                    yield DONE if own else PART
                yield from map(word_id, found)
                first = False


class _Layout(NamedTuple):
    """Where what stands in a prompt; every array is as long as the prompt."""

    ids: NDArray[np.int64]
    is_word: NDArray[np.bool_]
    clause: NDArray[np.int64]
    """Number of the clause."""
    line: NDArray[np.int64]
    """Number of the text."""
    kind: NDArray[np.int64]
    """Mark of the clause, a further one's being that of its text."""


@lru_cache(maxsize=4096)
def read(prompt: Ids) -> Reading:
    """Arrays of one prompt. It must have choices, each with a word."""
    layout = _laid_out(np.array(prompt, dtype=np.int64))
    ids, is_word, _, line, kind = layout
    spoken = np.flatnonzero(is_word & (kind == CHOICE))
    first = line[spoken[0]]
    chosen = line[spoken] - first
    count = int(line[-1] - first) + 1
    within = spoken - np.searchsorted(line, line[spoken]) - 1
    told = _FUNCTION[np.searchsorted(_FUNCTION, ids[spoken])] != ids[spoken]
    table = np.zeros((count, int(within.max()) + 1), dtype=np.int64)
    table[chosen, within] = np.where(told, ids[spoken], 0)
    others = np.flatnonzero(is_word & (kind != CHOICE))
    j, i = np.nonzero((ids[spoken][:, None] == ids[others][None, :]) & told[:, None])
    choice, at, word = chosen[j], others[i], spoken[j]
    numbers, shares, age = _event_numbers(layout, table, choice, at, within[j], int(first))
    places, occurrence = _numbered(at, len(ids))
    named, which = _numbered(word, len(ids))
    done = np.flatnonzero(is_word & (kind == DONE))
    return Reading(
        np.stack([choice, occurrence, which], axis=1),
        numbers,
        _buckets(_around(layout, places, NEAR)),
        _buckets(_around(layout, named, NEAR)),
        _buckets(ids[spoken]),
        np.bincount(chosen, minlength=count),
        _choice_numbers(table, choice, shares, kind[at], age),
        _buckets(ids[is_word & (kind == SEEN)]),
        _buckets(ids[done[layout.clause[done] == layout.clause[done[-1]]]] if len(done) else ids[:0]),
    )


def _laid_out(ids: NDArray[np.int64]) -> _Layout:
    is_word = ids >= FIRST
    opens = ~is_word & (ids != PART) & (ids != DONE)
    line = opens.cumsum() - 1
    marks = np.where(ids[~is_word] == PART, ids[opens][line[~is_word]], ids[~is_word])
    clause = (~is_word).cumsum() - 1
    return _Layout(ids, is_word, clause, line, marks[clause])


def _event_numbers(
    layout: _Layout,
    table: NDArray[np.int64],
    choice: NDArray[np.int64],
    at: NDArray[np.int64],
    within: NDArray[np.int64],
    lines: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """[V, F] numbers of events; [V] the share of the choice's words that occur in the same clause; [V] age in texts.

    Args:
        table: [C, W] ids of the words of each choice, 0 for none or a function word.
        choice, at, within: [V] of each event its choice, where in the prompt it is, which of the choice's words it is.
        lines: texts before the choices.
    """
    around = _around(layout, at, REACH)
    flags = ((around[:, :, None] == table[choice][:, None, :]) & (around > 0)[:, :, None]).any(2)
    in_clause = _share(table, choice, layout.clause[at], within)
    in_line = _share(table, choice, layout.line[at], within)
    age = np.minimum(lines - 1 - layout.line[at], OLDEST)
    kinds = layout.kind[at][:, None] == np.arange(1, KINDS + 1)
    told = np.stack([in_clause, in_clause == 1, in_line, 1 / (1.0 + age), age / OLDEST], axis=1)
    return np.concatenate([flags, kinds, told], axis=1).astype(np.float32), in_clause, age


def _share(
    table: NDArray[np.int64], choice: NDArray[np.int64], place: NDArray[np.int64], within: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[V] which part of the choice's words occurs in the clause or text of each event."""
    known, number = _numbered(place, int(place.max(initial=0)) + 1)
    found = np.zeros((len(table), len(known), table.shape[1]), dtype=bool)
    found[choice, number, within] = True
    return found.sum(2)[choice, number] / np.maximum(1, (table > 0).sum(1))[choice]


def _choice_numbers(
    table: NDArray[np.int64],
    choice: NDArray[np.int64],
    shares: NDArray[np.float64],
    kind: NDArray[np.int64],
    age: NDArray[np.int64],
) -> NDArray[np.float32]:
    """[C, F]: most of it in one clause of the observation, of memory, of own commands; how lately and how often it was
    said whole; its length, and the number of choices."""
    numbers = np.zeros((len(table), CHOICE_NUMBERS), dtype=np.float32)
    length = (table > 0).sum(1)
    for column, mark in enumerate((SEEN, LINE, DONE)):
        np.maximum.at(numbers[:, column], choice[kind == mark], shares[kind == mark])
    whole = (kind == DONE) & (shares == 1)
    np.maximum.at(numbers[:, 3], choice[whole], 1 / (1.0 + age[whole]))
    numbers[:, 4] = np.log1p(np.bincount(choice[whole], minlength=len(table)) / np.maximum(1, length))
    numbers[:, 5] = length / 8
    numbers[:, 6] = np.log(len(table)) / 4
    return numbers


def _numbered(values: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different ones of values below ``size`` in order, and the place of each value among them."""
    there = np.zeros(size, dtype=bool)
    there[values] = True
    return np.flatnonzero(there), (there.cumsum() - 1)[values]


def _around(layout: _Layout, at: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """[len(at), 2·reach + 1] ids around each place, 0 beyond its clause."""
    places = at[:, None] + np.arange(-reach, reach + 1)
    near = np.clip(places, 0, len(layout.ids) - 1)
    inside = (near == places) & (layout.clause[near] == layout.clause[at][:, None]) & layout.is_word[near]
    return np.where(inside, layout.ids[near], 0)


def _buckets(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(ids >= FIRST, ids % BUCKETS, BUCKETS)
