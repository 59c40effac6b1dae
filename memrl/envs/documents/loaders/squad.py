"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016 and 2018, arXiv:1606.05250, arXiv:1806.03822): one article a stream.

Evidence is the sentences that an answer's span touches, an alternative for each annotator who chose another. A question
without an answer has none, and abstaining is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import checked, files_of, official, plain, read_json, unique
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.documents.spans import spans

ORIGIN = "rajpurkar.github.io/SQuAD-explorer (dev-v2.0.json)"
LICENCE = "CC BY-SA 4.0"


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``*-v1.1*.json`` and ``*-v2.0*.json``. Raises DataError."""
    streams: list[Stream] = []
    for file in files_of(path, "SQuAD", "*-v1.1*.json", "*-v2.0*.json"):
        raw = read_json(file, "SQuAD")
        with official(file, "SQuAD", ORIGIN):
            streams += [_stream(article) for article in raw["data"]]
    return checked(streams, path, "SQuAD")


def from_rows(rows: Sequence[Mapping[str, Any]], path: object = "rows") -> tuple[Stream, ...]:
    """One question a row, as the hub stores them."""
    articles: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    with official(path, "SQuAD", ORIGIN):
        for row in rows:
            found = row["answers"]
            answers = [
                {"text": t, "answer_start": s} for t, s in zip(found["text"], found["answer_start"], strict=True)
            ]
            articles.setdefault(row["title"], {}).setdefault(row["context"], []).append({**row, "answers": answers})
        streams = [
            _stream({"title": title, "paragraphs": [{"context": text, "qas": qas} for text, qas in paragraphs.items()]})
            for title, paragraphs in articles.items()
        ]
    return checked(streams, path, "SQuAD")


def _stream(article: Mapping[str, Any]) -> Stream:
    title = plain(article["title"]).replace("_", " ")
    units: list[Unit] = []
    questions: list[Question] = []
    for p, paragraph in enumerate(article["paragraphs"]):
        context: str = paragraph["context"]
        places = spans(context)
        ids = [f"p{p:03}_{s:02}" for s in range(len(places))]
        units += [
            Unit(id=id, text=f"{title}: {plain(context[start:end])}")
            for id, (start, end) in zip(ids, places, strict=True)
        ]
        questions += [_question(raw, list(zip(ids, places, strict=True))) for raw in paragraph["qas"]]
    id = f"squad_{title.replace(' ', '_')}"
    asked = tuple(unique(questions))
    return Stream(id=id, units=tuple(units), questions=asked, source="SQuAD", licence=LICENCE)


def _question(raw: Mapping[str, Any], places: Sequence[tuple[str, tuple[int, int]]]) -> Question:
    sets: list[tuple[str, ...]] = []
    answers = [answer for answer in raw["answers"] if plain(answer["text"])]
    for answer in answers:
        first, last = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        sets.append(tuple(id for id, (start, end) in places if start < last and first < end))
    accepted = [one for one in dict.fromkeys(sets) if one]
    return Question(
        id=str(raw["id"]),
        question=plain(raw["question"]),
        answers=tuple(dict.fromkeys(plain(answer["text"]) for answer in answers)),
        evidence=accepted[0] if accepted else (),
        evidence_alt=tuple(accepted) if len(accepted) > 1 else (),
        after_unit=places[-1][0],
        category="answerable" if answers else "unanswerable",
    )
