"""TimeQA, the part that people wrote (Chen et al. 2021, arXiv:2108.06314): four pages a stream, questions on a time.

A unit is a sentence after its page's title. Evidence is the sentence in which an answer's span begins, any answer's; a
question may be asked once its page was shown. Another sentence may support it too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import checked, files_of, groups, official, plain, read_json, unique
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.documents.spans import spans

ORIGIN = "github.com/wenhuchen/Time-Sensitive-QA (dataset/human_annotated_train.json)"
LICENCE = "BSD-3-Clause (text: Wikipedia, CC BY-SA)"
A_STREAM = 4
"""Pages of one stream."""


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``human_annotated*.json``. Raises DataError."""
    pages: dict[str, list[Mapping[str, Any]]] = {}
    for file in files_of(path, "TimeQA", "human_annotated*.json"):
        with official(file, "TimeQA", ORIGIN):
            for entry in read_json(file, "TimeQA"):
                pages.setdefault(entry["link"], []).append(entry)
    with official(path, "TimeQA", ORIGIN):
        streams = [_stream(part, k) for k, part in enumerate(groups(list(pages.values()), A_STREAM))]
    return checked(streams, path, "TimeQA")


def _stream(pages: Sequence[Sequence[Mapping[str, Any]]], index: int) -> Stream:
    units: list[Unit] = []
    questions: list[Question] = []
    for p, entries in enumerate(pages):
        paragraphs = entries[0]["paras"]
        title = plain(paragraphs[0])
        places = [spans(paragraph) for paragraph in paragraphs]
        ids = [[f"p{p}_{k:03}_{s:02}" for s in range(len(found))] for k, found in enumerate(places)]
        units += [
            Unit(id=id, text=f"{title}: {plain(paragraphs[k][start:end])}")
            for k in range(len(paragraphs))
            for id, (start, end) in zip(ids[k], places[k], strict=True)
        ]
        for entry in entries:
            questions += [
                _question(asked, answers, f"{entry['index']}_{i}", str(entry["type"]), places, ids, units[-1].id)
                for i, (asked, answers) in enumerate(entry["questions"])
            ]
    asked = tuple(unique([question for question in questions if question.evidence or not question.answers]))
    return Stream(id=f"timeqa_{index:04}", units=tuple(units), questions=asked, source="TimeQA", licence=LICENCE)


def _question(
    asked: str,
    answers: Sequence[Mapping[str, Any]],
    id: str,
    category: str,
    places: Sequence[Sequence[tuple[int, int]]],
    ids: Sequence[list[str]],
    after: str,
) -> Question:
    given = [answer for answer in answers if plain(answer["answer"])]
    sets = dict.fromkeys(one for answer in given if (one := _evidence(answer, places, ids)))
    return Question(
        id=id,
        question=plain(asked),
        answers=tuple(dict.fromkeys(plain(answer["answer"]) for answer in given)),
        evidence=next(iter(sets), ()),
        evidence_alt=tuple(sets) if len(sets) > 1 else (),
        after_unit=after,
        category=category,
    )


def _evidence(
    answer: Mapping[str, Any], places: Sequence[Sequence[tuple[int, int]]], ids: Sequence[list[str]]
) -> tuple[str, ...]:
    """The sentence in which the span begins."""
    found = places[answer["para"]]
    at = bisect_right([start for start, _ in found], answer["from"]) - 1
    return (ids[answer["para"]][max(at, 0)],) if found else ()
