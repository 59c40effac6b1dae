"""LoCoMo (Maharana et al. 2024, arXiv:2402.17753): one dialogue a stream, judged by LoCoMo's own categories.

The text of a turn begins with its day, which many questions ask for. Adversarial questions have no answer. A label that
names no turn is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import checked, official, read_json
from memrl.envs.documents.records import Question, Stream, Unit
from memrl.envs.locomo import data as locomo
from memrl.envs.locomo.scoring import CATEGORIES

ORIGIN = "github.com/snap-research/locomo (data/locomo10.json)"
LICENCE = "CC BY-NC 4.0"
_ADVERSARIAL = 5


def load(path: Path) -> tuple[Stream, ...]:
    """The dialogues of ``locomo10.json`` or of its folder. Raises DataError."""
    file = locomo.find_file(str(path))
    return _streams(file, locomo.load(file))


def load_corrected(path: Path) -> tuple[Stream, ...]:
    """The same with the answers of the audit file beside it. Raises DataError."""
    file = locomo.find_file(str(path))
    return _streams(file, locomo.correct(locomo.load(file), file))


def _streams(file: Path, dialogues: tuple[locomo.Dialogue, ...]) -> tuple[Stream, ...]:
    with official(file, "LoCoMo", ORIGIN):
        raw = read_json(file, "LoCoMo")
        streams = [
            _stream(one, entry["conversation"], i) for i, (one, entry) in enumerate(zip(dialogues, raw, strict=True))
        ]
    return checked(streams, file, "LoCoMo")


def _stream(dialogue: locomo.Dialogue, talk: Mapping[str, Any], index: int) -> Stream:
    speakers: dict[str, str] = {}
    times: dict[str, float | None] = {}
    for key in talk:
        if re.fullmatch(r"session_\d+", key):
            when = _seconds(str(talk.get(f"{key}_date_time", "")))
            for turn in talk[key]:
                speakers[str(turn["dia_id"])], times[str(turn["dia_id"])] = str(turn["speaker"]), when
    units = tuple(
        Unit(id=t.id, text=t.text.replace(f"{speakers[t.id]}: ", "", 1), speaker=speakers[t.id], time=times[t.id])
        for t in dialogue.turns
    )
    name = dialogue.name or f"dialogue_{index}"
    questions = tuple(_question(q, f"{name}_q{i}", speakers) for i, q in enumerate(dialogue.questions))
    return Stream(id=name, units=units, questions=questions, source="LoCoMo", licence=LICENCE, scoring="locomo")


def _question(question: locomo.Question, id: str, turns: Mapping[str, str]) -> Question:
    return Question(
        id=id,
        question=question.text,
        answers=() if question.category == _ADVERSARIAL else (question.gold,),
        evidence=tuple(dict.fromkeys(turn for turn in question.evidence if turn in turns)),
        category=CATEGORIES[question.category],
    )


def _seconds(when: str) -> float | None:
    """Of "1:56 pm on 8 May, 2023"; None where it says something else."""
    try:
        return datetime.strptime(when.strip().upper(), "%I:%M %p ON %d %B, %Y").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
