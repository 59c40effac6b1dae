"""A question to an answer: what the controller brings into view, as lines within the budget, and what the model says.

    question ─> controller: hits ─> lines, each with the day it was said where that is not today ─> model ─> Answer

The lines never cost more than the read budget, dates included; what does not fit is not shown. List marks count too,
but for a run, which was trained with marks beside its budget.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from threading import Lock
from uuid import uuid4

from memrl.agent.engine import Engine, said
from memrl.agent.keeping import Keeping
from memrl.agent.results import Answer, Observed
from memrl.agent.texts import dated, day, one_line
from memrl.contracts.errors import InputError
from memrl.contracts.protocols import Brief, SampleRequest
from memrl.contracts.types import Decision, Observation, TokenDecision, ViewLine

MARK = "- "
"""What a line of memory begins with in a prompt."""


class Looked:
    """A question and what is in view for it; made while nobody changes the memory.

    Args:
        now: clock time of the question.
    """

    def __init__(self, engine: Engine, keeping: Keeping, question: Observation, brief: Brief, now: float) -> None:
        memory = keeping.memory
        with engine.parts:
            self.decisions, hits = keeping.looked_at(lambda memory: engine.retrieve(memory, question))
        order = {hit.id: place for place, hit in enumerate(hits)}
        found = engine.view(memory, hits)
        today = day(now, engine.zone)
        self.view = _shown(engine, keeping, found, order, today, bool(brief.background))
        self.question = question.text
        plain = {line.entry_id: one_line(line.text) for line in found}
        dates = any(line.text != plain[line.entry_id] for line in self.view)
        told = replace(brief, header=f"{brief.header} Today is {today}.".lstrip()) if dates else brief
        self.request: SampleRequest = engine.request(memory, question, self.view, told)


class Answering(Iterator[str]):
    """An answer as it is written: iterate over its pieces, then ``answer`` is there."""

    def __init__(self, engine: Engine, looked: Looked, stream: bool, observed: tuple[Observed, ...] = ()) -> None:
        self._looked, self._observed = looked, observed
        self._pieces: Generator[str, None, TokenDecision] = engine.speak(looked.request, stream)
        self._answer: Answer | None = None
        self._turn = Lock()
        """Held by the thread that waits for a piece: any thread may take the next one, or close."""

    def __next__(self) -> str:
        with self._turn:
            try:
                return next(self._pieces)
            except StopIteration as stop:
                if self._answer is None and isinstance(stop.value, TokenDecision):
                    self._answer = replace(_answer(self._looked, stop.value), observed=self._observed)
                raise StopIteration from None

    def close(self) -> None:
        """Stop before the end, and let go of the model."""
        with self._turn:
            self._pieces.close()

    @property
    def used(self) -> tuple[ViewLine, ...]:
        """What is in view; known from the start."""
        return self._looked.view

    @property
    def answer(self) -> Answer:
        """The whole answer; what was not iterated over yet is waited for. Raises InputError where it broke off."""
        for _ in self:
            pass
        if self._answer is None:
            raise InputError("stream.answer: the answer was closed, or failed, before its end; ask again")
        return self._answer


def _answer(looked: Looked, decision: TokenDecision) -> Answer:
    decisions: tuple[Decision, ...] = (*looked.decisions, decision)
    return Answer(
        text=said(decision),
        used=looked.view,
        ops=tuple(op for one in looked.decisions for op in one.ops if not one.refused),
        id=uuid4().hex,
        question=looked.question,
        prompt_tokens=len(decision.prompt_ids),
        decisions=decisions,
    )


def _shown(
    engine: Engine, keeping: Keeping, view: tuple[ViewLine, ...], order: dict[str, int], today: str, alone: bool
) -> tuple[ViewLine, ...]:
    """The lines as they read, as many as fit: token memory first, then hits, the best first; each text once.

    Args:
        order: place of each hit, 0 the first that was read.
        alone: whether that one is to stand last.
    """
    count, left = engine.agent.count_tokens, engine.read_tokens
    kept: dict[str, ViewLine] = {}
    texts: set[str] = set()
    for line in sorted(view, key=lambda line: order.get(line.entry_id, -1)):
        if one_line(line.text) in texts:
            continue
        with_day = dated(line.text, keeping.details(line.entry_id).time, today, engine.zone)
        for text in dict.fromkeys((with_day, one_line(line.text))):
            cost = count(f"{MARK}{text}\n" if engine.keeps_all else text)
            if cost <= left:
                left -= cost
                kept[line.entry_id] = replace(line, text=text)
                texts.add(one_line(line.text))
                break
    lines = tuple(kept[line.entry_id] for line in view if line.entry_id in kept)
    return tuple(sorted(lines, key=lambda line: order.get(line.entry_id) == 0)) if alone else lines
