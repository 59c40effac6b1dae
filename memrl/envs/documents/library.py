"""The streams of a run: chunked, with the questions that are asked of them, in two splits that share no stream."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.questions import said_questions
from memrl.contracts.types import Split
from memrl.envs.documents.chunking import chunked
from memrl.envs.documents.options import DocumentsOptions, DocumentsTheta
from memrl.envs.documents.records import Stream
from memrl.envs.documents.sources import StreamSet, load_set

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One stream as it is played."""

    stream: Stream
    """Chunked; only with questions that may be asked."""
    place: dict[str, int]
    """Unit id -> its place among the units."""
    told: frozenset[str]
    """Questions that units themselves put into words: no other may say the same, or writing would know it."""

    def __len__(self) -> int:
        return len(self.stream.units)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shelf:
    """The parts of one set."""

    name: str
    train: tuple[Part, ...]
    eval: tuple[Part, ...]

    def parts(self, split: Split) -> tuple[Part, ...]:
        return self.train if split == "train" else self.eval


class Library:
    """All sets of the options.

    Raises:
        DataError: as ``load_set``; two streams of a set share an id; no question is left to ask.
        ConfigError: ``held_out`` names no stream, or ``horizon`` is more than a split holds.
    """

    def __init__(self, options: DocumentsOptions) -> None:
        self.options = options
        if not options.entries or not all(options.entries):
            way_out = "name a set, a file or a folder of streams; `memrl data list` says which sets are known"
            raise ConfigError("env.options.data", options.data, way_out)
        sets = _named([load_set(entry) for entry in options.entries], options.entries)
        _check_held_out(sets, options)
        self.shelves = {one.name: _shelf(one, options) for one in sets}
        self._streams = {(one.name, stream.id): stream for one in sets for stream in _streams(one)}
        self._parts = lru_cache(maxsize=1024)(self._part)
        for shelf in self.shelves.values():
            _check_horizon(shelf, options.horizon)

    def stream(self, name: str, id: str) -> Stream:
        """As it was read."""
        return self._streams[name, id]

    def parts(self, theta: DocumentsTheta) -> list[Part]:
        """The streams that a task plays, by its own knobs. Raises ConfigError where these data lack one."""
        knobs = (theta.categories, theta.min_agree, theta.chunk_tokens)
        return [self._parts(theta.set, id, *knobs) for id in theta.streams]

    def _part(self, name: str, id: str, categories: tuple[str, ...], min_agree: int, chunk_tokens: int) -> Part:
        if (name, id) not in self._streams:
            way_out = f"the task plays stream {id!r} of set {name!r}, which is not in it"
            raise ConfigError("env.options.data", self.options.data, way_out)
        return part_of(self._streams[name, id], categories, min_agree, chunk_tokens)


def part_of(stream: Stream, categories: Sequence[str], min_agree: int, chunk_tokens: int) -> Part:
    """The stream as it is played: chunked, with the questions that the knobs let through."""
    told = frozenset(said for unit in stream.units for said in said_questions(unit.shown))
    kept = tuple(
        question
        for question in stream.questions
        if (question.agree is None or question.agree >= min_agree)
        and (not categories or question.category in categories)
        and not said_questions(question.question) & told
    )
    cut = chunked(replace(stream, questions=kept), chunk_tokens)
    return Part(stream=cut, place={unit.id: i for i, unit in enumerate(cut.units)}, told=told)


def _named(sets: list[StreamSet], entries: Sequence[str]) -> list[StreamSet]:
    """Each under a name of its own: the entry itself where two would share one."""
    names = [one.name for one in sets]
    if len({os.path.realpath(one) if os.path.exists(one) else one for one in entries}) < len(entries):  # noqa: PTH110
        raise ConfigError("env.options.data", list(entries), "it names one thing twice")
    return [replace(s, name=e if names.count(s.name) > 1 else s.name) for s, e in zip(sets, entries, strict=True)]


def _streams(one: StreamSet) -> tuple[Stream, ...]:
    return (*one.train, *(one.valid or ()))


def _check_held_out(sets: Sequence[StreamSet], options: DocumentsOptions) -> None:
    for wanted in options.held_out:
        if isinstance(wanted, int):
            if len(sets) > 1:
                raise ConfigError("env.options.held_out", wanted, "of several sets, name streams by their id")
            count = len(_streams(sets[0]))
            if not 0 <= wanted < count:
                raise ConfigError("env.options.held_out", wanted, f"the set has {count} streams, from 0")
        elif wanted != ALL and not any(stream.id == wanted for one in sets for stream in _streams(one)):
            ids = [stream.id for stream in _streams(sets[0])][:8]
            raise ConfigError("env.options.held_out", wanted, f"no stream has this id; there are {', '.join(ids)}, ...")


def _shelf(one: StreamSet, options: DocumentsOptions) -> Shelf:
    streams = _streams(one)
    ids = [stream.id for stream in streams]
    for i, id in enumerate(ids):
        if ids.index(id) < i:
            raise DataError(f"set {one.name!r}: two of its streams have the id {id!r}; give each its own")
    kinds = sorted({question.category for stream in streams for question in stream.questions if question.category})
    if options.categories and not set(options.categories) & set(kinds):
        there = f"set {one.name!r} has none of these kinds of question; it has {', '.join(kinds) or 'no kinds'}"
        raise ConfigError("env.options.categories", list(options.categories), there)
    held = _held_ids(one, options)
    knobs = (options.categories, options.min_agree, options.chunk_tokens)
    parts = [part for stream in streams if (part := part_of(stream, *knobs)).stream.questions]
    shelf = Shelf(
        name=one.name,
        train=tuple(part for part in parts if part.stream.id not in held),
        eval=tuple(part for part in parts if part.stream.id in held),
    )
    if not shelf.eval:
        way_out = f"no question of set {one.name!r} is left for evaluation; see env.options.categories and min_agree"
        raise DataError(f"env.options.data = {options.data!r}: {way_out}")
    return shelf


def _held_ids(one: StreamSet, options: DocumentsOptions) -> set[str]:
    """Ids of the streams that only evaluation plays."""
    ids = [stream.id for stream in _streams(one)]
    if ALL in options.held_out:
        return set(ids)
    listed = {ids[wanted] if isinstance(wanted, int) else wanted for wanted in options.held_out} & set(ids)
    if listed:
        return listed
    if one.valid is not None:
        return {stream.id for stream in one.valid}
    return set(ids[-max(1, len(ids) // 5) :])


def _check_horizon(shelf: Shelf, horizon: int) -> None:
    for split, parts in (("training", shelf.train), ("evaluation", shelf.eval)):
        units = sum(map(len, parts))
        if parts and horizon > units:
            way_out = f"all {split} streams of set {shelf.name!r} together have {units} units; choose at most that"
            raise ConfigError("env.options.horizon", horizon, way_out)
