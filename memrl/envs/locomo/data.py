"""Reads LoCoMo's official file (``locomo10.json``) and, if wanted, the audit of its gold answers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memrl.contracts.errors import DataError
from memrl.envs.locomo.scoring import CATEGORIES, NOT_MENTIONED

FILES = ("locomo10.json", "locomo6.json")
AUDITS = ("gold_errors.json", "errors.json")
WAY_OUT = (
    "take data/locomo10.json of github.com/snap-research/locomo, and set env.options.data or MEMRL_DATA to its folder"
)
AUDIT_WAY_OUT = "put errors.json of github.com/dial481/locomo-audit there, or set env.options.corrected = False"

_DATE = re.compile(r"\bon (\d{1,2} \w+),? (\d{4})")
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_NOTE = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said on one day of the dialogue."""

    id: str
    text: str
    """Day, speaker, words, and what a shared photo shows."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a dialogue."""

    text: str
    gold: str
    category: int
    """A key of ``scoring.CATEGORIES``."""
    evidence: tuple[str, ...]
    """Ids of the turns that the answer rests on; the file names none for a few questions."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Some weeks or months of talk between two people."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def find_file(data: str | None) -> Path:
    """The dialogues' file: ``data`` itself or in that folder, else in ``MEMRL_DATA``. Raises DataError if missing."""
    named = data or os.environ.get("MEMRL_DATA")
    roots = [Path(named).expanduser()] if named else _default_folders()
    for root in roots:
        tries = [root, *(folder / name for folder in (root / "locomo", root) for name in FILES)]
        for path in tries:
            if path.is_file():
                return path
    raise DataError(f"env.options.data = {str(roots[0])!r}: no {' or '.join(FILES)} there; {WAY_OUT}")


def _default_folders() -> list[Path]:
    checkout = Path(__file__).resolve().parents[3]
    return [Path("../shared/data"), checkout.parent / "shared" / "data"]


def load(path: Path) -> tuple[Dialogue, ...]:
    """Every dialogue of the file. Raises DataError, naming the file and the way out, if it is none of LoCoMo's."""
    raw = _read_list(path, "env.options.data", WAY_OUT)
    try:
        dialogues = tuple(_dialogue(entry) for entry in raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"not in LoCoMo's official format ({type(error).__name__}: {error})"
        raise DataError(f"env.options.data = {str(path)!r}: {problem}; {WAY_OUT}") from error
    if not dialogues:
        raise DataError(f"env.options.data = {str(path)!r}: no dialogue in it; {WAY_OUT}")
    return dialogues


def correct(dialogues: tuple[Dialogue, ...], path: Path) -> tuple[Dialogue, ...]:
    """The dialogues with the answers that the audit beside ``path`` gives. Raises DataError if there is no audit."""
    audit = next((path.with_name(name) for name in AUDITS if path.with_name(name).is_file()), path.with_name(AUDITS[0]))
    try:
        fixes = dict(_fix(entry) for entry in _read_list(audit, "the audit", AUDIT_WAY_OUT))
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"not in the audit's format ({type(error).__name__}: {error})"
        raise DataError(f"the audit = {str(audit)!r}: {problem}; {AUDIT_WAY_OUT}") from error
    return tuple(replace(dialogue, questions=_corrected(dialogue.questions, fixes)) for dialogue in dialogues)


def _fix(entry: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    # The auditors' remarks stand in brackets and would count as words of the answer.
    answer = _NOTE.sub("", str(entry["correct_answer"])).strip()
    return (entry["question"], str(entry["golden_answer"])), answer


def _corrected(questions: tuple[Question, ...], fixes: Mapping[tuple[str, str], str]) -> tuple[Question, ...]:
    return tuple(replace(q, gold=fixes.get((q.text, q.gold)) or q.gold) for q in questions)


def _read_list(path: Path, what: str, way_out: str) -> list[Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{what} = {str(path)!r}: no such file; {way_out}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{what} = {str(path)!r}: not readable as JSON ({error}); {way_out}") from error
    if not isinstance(raw, list):
        raise DataError(f"{what} = {str(path)!r}: a JSON {type(raw).__name__} where a list is expected; {way_out}")
    return raw


def _dialogue(raw: Mapping[str, Any]) -> Dialogue:
    talk: Mapping[str, Any] = raw["conversation"]
    sessions = sorted((int(m[1]), key) for key in talk if (m := re.fullmatch(r"session_(\d+)", key)))
    turns = [_turn(turn, str(talk.get(f"{key}_date_time", ""))) for _, key in sessions for turn in talk[key]]
    if len({turn.id for turn in turns}) < len(turns) or not turns:
        raise ValueError("a dialogue needs turns, and every dia_id once")
    return Dialogue(
        name=str(raw.get("sample_id", "")),
        turns=tuple(turns),
        questions=tuple(_question(question) for question in raw["qa"]),
    )


def _turn(raw: Mapping[str, Any], when: str) -> Turn:
    found = _DATE.search(when)
    day = f"{found[1]} {found[2]}" if found else when
    text = f"{raw['speaker']}: {raw['text']}"
    if day:
        text = f"[{day}] {text}"
    if raw.get("blip_caption"):
        text += f" [shares {raw['blip_caption']}]"
    return Turn(str(raw["dia_id"]), " ".join(text.split()))


def _question(raw: Mapping[str, Any]) -> Question:
    category = int(raw["category"])
    if category not in CATEGORIES:
        raise ValueError(f"category {category} is none of {', '.join(map(str, CATEGORIES))}")
    evidence = _EVIDENCE.findall(" ".join(raw.get("evidence", ())))
    return Question(
        text=" ".join(raw["question"].split()),
        gold=NOT_MENTIONED if category == 5 else str(raw["answer"]),
        category=category,
        evidence=tuple(f"D{int(session)}:{int(turn)}" for session, turn in evidence),
    )
