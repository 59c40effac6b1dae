"""FairytaleQA (Xu et al. 2022, arXiv:2203.13947): one story a stream.

People labelled sections. Inside them the sentence that holds most words of an answer is taken where it holds at least
half of them, any answer's; a question without such a sentence is left out, which favours answers in the story's words.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from memrl.contracts.errors import DataError
from memrl.envs.documents.loaders.official import checked, official, plain
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.documents.spans import sentences

ORIGIN = "github.com/uci-soe/FairytaleQAData (questions/*-questions.csv and section-stories/*-story.csv)"
LICENCE = "Apache-2.0"
LEAST = 0.5
"""Share of an answer's words that a sentence must hold."""
_WORDS = re.compile(r"\w+")
_EMPTY = frozenset(
    ("a", "an", "the", "and", "of", "to", "in", "was", "were", "is", "he", "she", "it", "they", "his", "her")
)

Row = Mapping[str, str]


def load(path: Path) -> tuple[Stream, ...]:
    """The stories of a folder that holds both kinds of file somewhere below it. Raises DataError."""
    stories = {
        file.name.removesuffix("-story.csv"): file for file in sorted(path.rglob("*-story.csv")) if _by_section(file)
    }
    asked = {file.name.removesuffix("-questions.csv"): file for file in sorted(path.rglob("*-questions.csv"))}
    names = [name for name in asked if name in stories]
    if not names:
        raise DataError(f"{path}: no pair of NAME-questions.csv and NAME-story.csv (by section); take it from {ORIGIN}")
    streams = []
    for name in names:
        with official(asked[name], "FairytaleQA", ORIGIN):
            streams.append(_stream(name, _rows(stories[name]), _rows(asked[name])))
    return checked(streams, path, "FairytaleQA")


def _by_section(file: Path) -> bool:
    """The other kind, by sentence, has the same name and says nothing of sections."""
    return "section" in next(iter(_rows(file)), {})


def _rows(file: Path) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not readable as the CSV of FairytaleQA ({error})") from error


def _stream(name: str, sections: Sequence[Row], questions: Sequence[Row]) -> Stream:
    units: list[Unit] = []
    by_section: dict[str, list[Unit]] = {}
    for row in sections:
        told = [Unit(id=f"u{len(units) + i:04}", text=text) for i, text in enumerate(sentences(row["text"]))]
        by_section.setdefault(row["section"].strip(), []).extend(told)
        units += told
    asked = [_question(row, name, by_section) for row in questions]
    found = {question.id: question for question in asked if question is not None}
    return Stream(
        id=f"fairytaleqa_{name}",
        units=tuple(units),
        questions=tuple(found.values()),
        source="FairytaleQA",
        licence=LICENCE,
    )


def _question(row: Row, story: str, by_section: Mapping[str, Sequence[Unit]]) -> Question | None:
    region = [unit for section in row["cor_section"].split(",") for unit in by_section.get(section.strip(), ())]
    answers = [answer for k in range(1, 7) if (answer := plain(row.get(f"answer{k}") or ""))]
    best = sorted((-share, unit) for answer in answers for share, unit in _best(answer, region))
    sets = tuple(dict.fromkeys((unit,) for _, unit in best))
    if not sets or not plain(row["question"]):
        return None
    return Question(
        id=f"{story}_{row['question_id']}",
        question=plain(row["question"]),
        answers=tuple(dict.fromkeys(answers)),
        evidence=sets[0],
        evidence_alt=sets if len(sets) > 1 else (),
        category=plain(row["attribute1"]),
        region=tuple(unit.id for unit in region),
    )


def _best(answer: str, region: Sequence[Unit]) -> list[tuple[float, str]]:
    """(share of the answer's words, unit) of the sentence that holds most of them; none below the least."""
    wanted = _words(answer)
    shares = [(len(wanted & _words(unit.text)) / len(wanted), unit.id) for unit in region] if wanted else []
    top = max((share for share, _ in shares), default=0.0)
    return [next(pair for pair in shares if pair[0] == top)] if top >= LEAST else []


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(text.lower())) - _EMPTY
