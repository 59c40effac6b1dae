"""HotpotQA, distractor form (Yang et al. 2018, arXiv:1809.09600), and whatever else has its form.

Ten questions and all their paragraphs make one stream. Evidence is the supporting sentences; a supporting fact that
names no sentence is left out, as some of the official file do. A question may be asked once its evidence was shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import Pages, checked, files_of, groups, in_order, official, plain, read_json
from memrl.envs.documents.records import Question, Stream

ORIGIN = "hotpotqa.github.io (hotpot_dev_distractor_v1.json)"
LICENCE = "CC BY-SA 4.0"
A_STREAM = 10
"""Questions whose paragraphs are mixed into one stream."""


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``hotpot*.json``. Raises DataError."""
    rows = [row for file in files_of(path, "HotpotQA", "hotpot*distractor*.json") for row in _rows(file)]
    return from_rows(rows, path)


def from_rows(rows: Sequence[Mapping[str, Any]], path: object = "rows") -> tuple[Stream, ...]:
    """Rows as in the official file, or as the hub stores them."""
    return streams_of(rows, path, "HotpotQA", ORIGIN, LICENCE, "hotpotqa")


def _rows(file: Path) -> list[Any]:
    return rows_of(file, "HotpotQA", ORIGIN)


def rows_of(file: Path, form: str, origin: str) -> list[Any]:
    """The rows of an official file. Raises DataError where it holds no list."""
    found = read_json(file, form)
    with official(file, form, origin):
        if not isinstance(found, list):
            raise TypeError(f"a JSON {type(found).__name__} where a list is expected")
    return found


def streams_of(
    rows: Sequence[Mapping[str, Any]], path: object, form: str, origin: str, licence: str, name: str
) -> tuple[Stream, ...]:
    """Streams of ten questions each, with the paragraphs of all ten."""
    with official(path, form, origin):
        named = [(plain(row.get("_id") or row.get("id") or f"{name}_{i}"), row) for i, row in enumerate(rows)]
        streams = [
            _stream(part, f"{name}_{k:04}", form, licence)
            for k, part in enumerate(groups(list(dict(named).items()), A_STREAM))
        ]
    return checked(streams, path, form)


def _stream(rows: Sequence[tuple[str, Mapping[str, Any]]], name: str, form: str, licence: str) -> Stream:
    pages = Pages()
    of_row = [
        {title: pages.add(title, sentences) for title, sentences in _pairs(row["context"], "title", "sentences")}
        for _, row in rows
    ]
    units, ids = pages.units()
    questions = []
    for (id, row), keys in zip(rows, of_row, strict=True):
        named = _pairs(row["supporting_facts"], "title", "sent_id")
        facts = [(keys[title], place) for title, place in named if title in keys]
        evidence = in_order(units, [ids[fact] for fact in facts if fact in ids])
        if not evidence:
            continue
        questions.append(
            Question(
                id=id,
                question=plain(row["question"]),
                answers=(plain(row["answer"]),),
                evidence=evidence,
                after_unit=evidence[-1],
                category=str(row.get("type", "")),
            )
        )
    return Stream(id=name, units=units, questions=tuple(questions), source=form, licence=licence)


def _pairs(found: Any, first: str, second: str) -> list[tuple[Any, Any]]:
    """[[title, x], ...] of the official file; {title: [...], x: [...]} of the hub."""
    if isinstance(found, Mapping):
        return list(zip(found[first], found[second], strict=True))
    return [(one, other) for one, other in found]
