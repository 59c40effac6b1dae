"""MuSiQue (Trivedi et al. 2022, arXiv:2108.00573): two to four hops, ten questions a stream.

The labels name paragraphs. Of each one the first sentence that holds the answer of its hop is taken, and all of the
paragraph where none does; all sentences of the supporting paragraphs are the ``region``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import Pages, checked, files_of, groups, in_order, official, plain, read_json
from memrl.envs.documents.records import Question, Stream
from memrl.envs.documents.spans import sentences

ORIGIN = "github.com/StonyBrookNLP/musique (musique_ans_v1.0_dev.jsonl)"
LICENCE = "CC BY 4.0"
A_STREAM = 10
"""Questions whose paragraphs are mixed into one stream."""


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``musique*.jsonl``. Raises DataError."""
    files = files_of(path, "MuSiQue", "musique*.jsonl")
    return from_rows([row for file in files for row in read_json(file, "MuSiQue")], path)


def from_rows(rows: Sequence[Mapping[str, Any]], path: object = "rows") -> tuple[Stream, ...]:
    """Rows as in the official file, which the hub stores too."""
    with official(path, "MuSiQue", ORIGIN):
        # The full form asks each question twice, once without what it needs: two ids.
        named = [(f"{plain(row['id'])}{'' if row.get('answerable', True) else '_no'}", row) for row in rows]
        streams = [
            _stream(part, f"musique_{k:04}") for k, part in enumerate(groups(list(dict(named).items()), A_STREAM))
        ]
    return checked(streams, path, "MuSiQue")


def _stream(rows: Sequence[tuple[str, Mapping[str, Any]]], name: str) -> Stream:
    pages = Pages()
    keys = [
        {p["idx"]: pages.add(plain(p["title"]), sentences(p["paragraph_text"])) for p in row["paragraphs"]}
        for _, row in rows
    ]
    units, ids = pages.units()
    questions = []
    for (id, row), of_row in zip(rows, keys, strict=True):
        has_answer = bool(row.get("answerable", True))
        supporting = [p["idx"] for p in row["paragraphs"] if p["is_supporting"]] if has_answer else []
        wanted = {hop["paragraph_support_idx"]: str(hop["answer"]) for hop in row.get("question_decomposition") or ()}
        region = [ids[of_row[k], place] for k in supporting for place in range(len(of_row[k][1]))]
        chosen = [ids[of_row[k], place] for k in supporting for place in _places(of_row[k][1], wanted.get(k, ""))]
        if has_answer and not chosen:
            continue
        evidence = in_order(units, chosen)
        answers = (plain(row["answer"]), *map(plain, row.get("answer_aliases") or ())) if has_answer else ()
        questions.append(
            Question(
                id=id,
                question=plain(row["question"]),
                answers=tuple(dict.fromkeys(answers)),
                evidence=evidence,
                after_unit=evidence[-1] if evidence else None,
                category=id.partition("__")[0] if has_answer else "unanswerable",
                region=in_order(units, region),
            )
        )
    return Stream(id=name, units=units, questions=tuple(questions), source="MuSiQue", licence=LICENCE)


def _places(texts: Sequence[str], answer: str) -> list[int]:
    """Of the first sentence that holds the answer; of all where none does."""
    found = [i for i, text in enumerate(texts) if answer and answer.lower() in text.lower()]
    return found[:1] or list(range(len(texts)))
