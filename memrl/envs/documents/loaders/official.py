"""What all loaders share: files of an official form, one line for each of their faults, and checked streams."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from memrl.contracts.errors import DataError
from memrl.envs.documents.check import faults_of
from memrl.envs.documents.records import Question, Stream, Unit, record_of


def files_of(path: Path, form: str, *patterns: str) -> list[Path]:
    """The file itself, or the files of a folder that match a pattern, in order of their names. Raises DataError."""
    if path.is_file():
        return [path]
    found = sorted({file for pattern in patterns for file in path.rglob(pattern)}) if path.is_dir() else []
    if not found:
        raise DataError(f"{path}: no {' or '.join(patterns)} of {form} there")
    return found


def read_json(path: Path, form: str) -> Any:
    """The JSON value of a file, or the list of those of its lines. Raises DataError."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n") if path.suffix == ".jsonl" else []
        return [json.loads(line) for line in lines if line.strip()] if lines else json.loads(text)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not readable as the JSON of {form} ({reason})") from error


@contextlib.contextmanager
def official(path: object, form: str, origin: str) -> Iterator[None]:
    """Whatever is missing or of another type in there is one DataError: file, form, what, and where to get it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{path}: not in the official form of {form} ({reason}); take it from {origin}") from error


def checked(streams: Sequence[Stream], path: object, form: str) -> tuple[Stream, ...]:
    """The streams that ask something. Raises DataError where one is at fault, or none asks anything."""
    asking = tuple(stream for stream in streams if stream.questions)
    for stream in asking:
        for fault in faults_of(record_of(stream)):
            raise DataError(f"{path} (stream {stream.id!r} of {form}): {fault.field}: {fault.problem}")
    if not asking:
        raise DataError(f"{path}: no question of {form} in it")
    return asking


def plain(text: Any) -> str:
    """A text with single spaces. Raises TypeError for what is none."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return " ".join(text.split())


def groups(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Neighbours, ``size`` at a time."""
    return [items[i : i + size] for i in range(0, len(items), size)]


class Pages:
    """Pages in one stream, each once, in an order that their texts decide; a unit is a sentence after its title."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, tuple[str, ...]], None] = {}

    def add(self, title: str, sentences: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Its key: the same page is met again with the next question."""
        key = (title, tuple(sentences))
        self._pages[key] = None
        return key

    def units(self) -> tuple[tuple[Unit, ...], Mapping[tuple[tuple[str, tuple[str, ...]], int], str]]:
        """All units, and (page, place of the sentence in it) -> unit id; empty sentences are no units."""
        keys = list(self._pages)
        seed = int(sha256(repr(keys).encode()).hexdigest()[:12], 16)
        order = np.random.default_rng(seed).permutation(len(keys))
        units: list[Unit] = []
        ids: dict[tuple[tuple[str, tuple[str, ...]], int], str] = {}
        for page, index in enumerate(order):
            title, sentences = keys[index]
            for place, sentence in enumerate(sentences):
                if text := plain(sentence):
                    ids[keys[index], place] = f"p{page:03}_{place:02}"
                    units.append(Unit(id=f"p{page:03}_{place:02}", text=f"{title}: {text}"))
        return tuple(units), ids


def last_of(units: Sequence[Unit], ids: Sequence[str]) -> str | None:
    """The one of these units that arrives last; None of none."""
    wanted = set(ids)
    return next((unit.id for unit in reversed(units) if unit.id in wanted), None)


def in_order(units: Sequence[Unit], ids: Sequence[str]) -> tuple[str, ...]:
    """The ids in the order in which their units arrive, each once."""
    wanted = set(ids)
    return tuple(unit.id for unit in units if unit.id in wanted)


def unique(questions: Sequence[Question]) -> list[Question]:
    """The questions, the first of each id."""
    return list({question.id: question for question in reversed(questions)}.values())[::-1]
