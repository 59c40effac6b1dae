"""The records of a stream.

One JSON object a stream: ``id, source, licence, units: [{id, text, speaker?, time?}], questions: [{id, question,
answers, evidence: [unit ids], after_unit, category, ...}]``. Units stand in the order in which they arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Scoring = Literal["f1", "locomo"]
SCORINGS: tuple[str, ...] = ("f1", "locomo")
Asked = Literal["later", "at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of text, seen at one moment."""

    id: str
    """Unique in its stream."""
    text: str
    speaker: str = ""
    """Who says it, where that is known."""
    time: float | None = None
    """Seconds since 1970 (UTC), where known; in a file also ISO 8601, without a zone taken for UTC."""

    @property
    def shown(self) -> str:
        """The text as it is shown, after whoever says it."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question on a stream."""

    id: str
    """Unique in its stream."""
    question: str
    answers: tuple[str, ...]
    """Any of them is right; none where the stream holds no answer, and abstaining is right."""
    evidence: tuple[str, ...]
    """Ids of the units that support the answer together; none where nobody has labelled them."""
    evidence_alt: tuple[tuple[str, ...], ...] = ()
    """All accepted sets, any one is enough; ``evidence`` is one of them. Empty where it is the only one."""
    outdated: tuple[tuple[str, ...], ...] = ()
    """Evidence sets of what held before: who has one in view, and no accepted one, answers with what is over."""
    after_unit: str | None = None
    """The unit after which it may be asked; None for the end of the stream."""
    ask: Asked = "later"
    """"at": its answer holds directly after ``after_unit`` only."""
    category: str = ""
    """The kind of question, for tables."""
    agree: int | None = None
    """Annotators who named that evidence, where several did."""
    region: tuple[str, ...] = ()
    """A wider label by a person."""
    scope: str = ""
    """The part of the stream that it is about."""

    @property
    def supports(self) -> tuple[tuple[str, ...], ...]:
        """Every accepted evidence set, ``evidence`` first; empty where nothing is labelled."""
        sets = dict.fromkeys((self.evidence, *self.evidence_alt))
        return tuple(one for one in sets if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Units in order, and questions on them."""

    id: str
    """Unique in its set."""
    units: tuple[Unit, ...]
    questions: tuple[Question, ...]
    source: str = ""
    licence: str = ""
    scoring: Scoring = "f1"
    """How answers are judged: "f1" (SQuAD's token F1, best of the answers) or "locomo" (by its categories)."""


def stream_of(raw: Mapping[str, Any]) -> Stream:
    """The stream of a record without faults."""
    return Stream(
        id=raw["id"],
        units=tuple(_unit(unit) for unit in raw["units"]),
        questions=tuple(_question(question) for question in raw["questions"]),
        source=raw.get("source", ""),
        licence=raw.get("licence", ""),
        scoring=raw.get("scoring", "f1"),
    )


def record_of(stream: Stream) -> dict[str, Any]:
    """The record of a stream, JSON-ready; fields that say nothing are left out."""
    units = [_said(id=u.id, text=u.text, speaker=u.speaker, time=u.time) for u in stream.units]
    questions = [
        {
            "id": q.id,
            "question": q.question,
            "answers": list(q.answers),
            "evidence": list(q.evidence),
            "after_unit": q.after_unit,
            **_said(
                category=q.category,
                ask="" if q.ask == "later" else q.ask,
                evidence_alt=[list(one) for one in q.evidence_alt],
                outdated=[list(one) for one in q.outdated],
                agree=q.agree,
                region=list(q.region),
                scope=q.scope,
            ),
        }
        for q in stream.questions
    ]
    scoring = {} if stream.scoring == "f1" else {"scoring": stream.scoring}
    head = {"id": stream.id, "source": stream.source, "licence": stream.licence}
    return {**head, **scoring, "units": units, "questions": questions}


def seconds(time: str | float | None) -> float | None:
    """Seconds since 1970 of a number or an ISO 8601 text; UTC where it names no zone. Raises ValueError."""
    if time is None or not isinstance(time, str):
        return None if time is None else float(time)
    when = datetime.fromisoformat(time)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, [])}


def _unit(raw: Mapping[str, Any]) -> Unit:
    return Unit(id=raw["id"], text=raw["text"], speaker=raw.get("speaker") or "", time=seconds(raw.get("time")))


def _sets(raw: Iterable[Iterable[str]] | None) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(tuple(dict.fromkeys(one)) for one in raw or ()))


def _question(raw: Mapping[str, Any]) -> Question:
    return Question(
        id=raw["id"],
        question=raw["question"],
        answers=tuple(dict.fromkeys(raw["answers"])),
        evidence=tuple(dict.fromkeys(raw["evidence"])),
        evidence_alt=_sets(raw.get("evidence_alt")),
        outdated=_sets(raw.get("outdated")),
        after_unit=raw.get("after_unit"),
        ask=raw.get("ask") or "later",
        category=raw.get("category") or "",
        agree=raw.get("agree"),
        region=tuple(raw.get("region") or ()),
        scope=raw.get("scope") or "",
    )
