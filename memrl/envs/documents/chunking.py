"""Long units in pieces, cut at sentence ends; evidence follows to the pieces that hold the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.documents.spans import sentences

MOST_SETS = 8
"""Evidence sets that one may turn into; beyond it all pieces with the answer are asked for together."""

_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Kana and Han, written without blanks: each sign counts as a word."""
_TOKENS = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s]")

Pieces = Mapping[str, tuple[Unit, ...]]
"""Unit id -> the pieces of a unit that was cut."""


def count(text: str) -> int:
    """Words and marks."""
    return len(_TOKENS.findall(text))


def chunked(stream: Stream, most: int) -> Stream:
    """The stream with every unit of at most ``most`` words and marks; 0 leaves it as it is.

    A unit "u3" that is longer becomes "u3#0", "u3#1", ...; one sentence that is longer by itself is cut between words.
    Evidence that names it then names the pieces that hold an answer's text, any of them, or else all pieces; what is
    outdated names all, as nobody knows the answers of then.
    """
    if not most or all(count(unit.text) <= most for unit in stream.units):
        return stream
    mark = "#"
    while any(mark in unit.id for unit in stream.units):
        mark += "#"
    pieces = {
        unit.id: tuple(
            replace(unit, id=f"{unit.id}{mark}{k}", text=text) for k, text in enumerate(cut(unit.text, most))
        )
        for unit in stream.units
        if count(unit.text) > most
    }
    units = tuple(piece for unit in stream.units for piece in pieces.get(unit.id, (unit,)))
    return replace(stream, units=units, questions=tuple(_follows(q, pieces) for q in stream.questions))


def cut(text: str, most: int) -> list[str]:
    """Pieces of at most ``most`` words and marks, in order; as many whole sentences a piece as fit."""
    pieces: list[str] = []
    held = ""
    for sentence in _sentences(text, most):
        joined = f"{held} {sentence}" if held else sentence
        if held and count(joined) > most:
            pieces.append(held)
            joined = sentence
        held = joined
    return [*pieces, held] if held else pieces


def _sentences(text: str, most: int) -> list[str]:
    return [part for sentence in sentences(text) for part in _in_words(sentence, most)]


def _in_words(sentence: str, most: int) -> list[str]:
    if count(sentence) <= most:
        return [sentence]
    parts: list[str] = []
    held: list[str] = []
    for word in (part for one in sentence.split() for part in _slices(one, most)):
        if held and count(" ".join((*held, word))) > most:
            parts.append(" ".join(held))
            held = []
        held.append(word)
    return [*parts, " ".join(held)]


def _slices(word: str, most: int) -> list[str]:
    """A run of signs without a blank in parts of at most ``most`` words and marks."""
    if count(word) <= most:
        return [word]
    starts = [token.start() for token in _TOKENS.finditer(word)][::most]
    return [word[start:end] for start, end in zip(starts, [*starts[1:], len(word)], strict=True)]


def _follows(question: Question, pieces: Pieces) -> Question:
    sets = dict.fromkeys(one for given in question.supports for one in _sets(given, question.answers, pieces))
    after = question.after_unit
    return replace(
        question,
        evidence=next(iter(sets), ()),
        evidence_alt=tuple(sets) if len(sets) > 1 else (),
        outdated=tuple(tuple(one for id in ids for one in _all(id, pieces)) for ids in question.outdated),
        after_unit=pieces[after][-1].id if after is not None and after in pieces else after,
        region=tuple(one for id in question.region for one in _all(id, pieces)),
    )


def _all(id: str, pieces: Pieces) -> tuple[str, ...]:
    return tuple(piece.id for piece in pieces[id]) if id in pieces else (id,)


def _sets(evidence: Sequence[str], answers: Sequence[str], pieces: Pieces) -> list[tuple[str, ...]]:
    """The sets of pieces that support what the units of ``evidence`` support together."""
    choices: list[list[tuple[str, ...]]] = []
    for id in evidence:
        holding = [piece.id for piece in pieces.get(id, ()) if _holds(piece.text, answers)]
        choices.append([(one,) for one in holding] or [_all(id, pieces)])
    ways = 1
    for choice in choices:
        ways *= len(choice)
    if ways > MOST_SETS:
        choices = [[tuple(one for ids in choice for one in ids)] for choice in choices]
    return [tuple(one for ids in chosen for one in ids) for chosen in product(*choices)]


def _holds(text: str, answers: Sequence[str]) -> bool:
    plain = " ".join(_TOKENS.findall(text.lower()))
    return any(f" {' '.join(_TOKENS.findall(answer.lower()))} " in f" {plain} " for answer in answers)
