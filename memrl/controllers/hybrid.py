"""A scorer decides, a language model writes: the op and its entry are chosen among offers, its text is a short note.

    offers ─ scorer ─> Write, Overwrite 2, Forget 1, Keep …        OpDecision, the scorer's own weights
    entry + observation ─ policy model ─> a note of n tokens       TokenDecision, the policy's weights

A text is offered as if it took the note's tokens, so that one too long for memory can be kept in few words. Each of the
two decisions earns its own credit and is learned in its own part of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory_stores.types import Forget, Overwrite, Write
from memrl.contracts.capabilities import Example
from memrl.contracts.checks import check
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.protocols import Brief, Chooser, ControllerRequest, OpChoice, SampleRequest, TaskSource
from memrl.contracts.registry import register
from memrl.contracts.silent import silent_decision
from memrl.contracts.types import (
    Action,
    Decision,
    MemoryOps,
    OpDecision,
    Say,
    Task,
    TokenDecision,
)
from memrl.controllers.offers import NUMBER_NAMES
from memrl.controllers.overwrite import BETWEEN
from memrl.controllers.passing import answered, lines_of, moments
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.controllers.writing import asked, taught, writer_of

NO_WORDS = Brief(header="")
HEADER = "Write a note in one line in the place of the memory shown: keep what may be needed later, add what is new."


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridOptions(ScorerOptions):
    """Of the controller "hybrid"."""

    note_tokens: int = 24
    """Tokens of a note at the most, and what a text is offered for."""
    header: str = HEADER
    """What the model is told to do."""

    def __post_init__(self) -> None:
        ScorerOptions.__post_init__(self)
        check(self, "controller.options.", note_tokens="[1, inf)")


class HybridMemory(Scorer):
    """A ``Scorer`` whose texts are notes that the policy writes. A note that cannot be read changes nothing; one that
    finds no room is refused by the store.

    Args:
        policy: whose model writes.
    """

    writes_notes = True

    def __init__(self, context: ControllerContext, policy: Any, options: HybridOptions) -> None:
        super().__init__(context.table, options, context.seed, context.names or NUMBER_NAMES)
        self.policy, self._most = policy, options.note_tokens
        self._brief = Brief(header=options.header, sees="New", does="Note", max_new_tokens=options.note_tokens, lines=1)

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One op a request, in order; those that write have a note."""
        chosen = super().decide(requests)
        notes = {
            i: self._asked(request, decision.action)
            for i, (request, decision) in enumerate(zip(requests, chosen, strict=True))
            if isinstance(decision.action, Write | Overwrite)
        }
        said = dict(zip(notes, self.policy.sample(list(notes.values())) if notes else (), strict=True))
        return [with_note(one, said[i]) if i in said else one for i, one in enumerate(chosen)]

    def _asked(self, request: ControllerRequest, op: Write | Overwrite) -> SampleRequest:
        """An entry's successor is written from that entry, a new one from all that is held."""
        token = request.memory.token
        held = () if token is None else token.entries()
        seen = [item for item in held if isinstance(op, Write) or item.id == op.id]
        return asked(request, lines_of(*(item.text for item in seen)), self._brief)

    def ideal(self, source: TaskSource, budget: int, count: Callable[[str], int]) -> IdealNotes:
        """Whoever keeps all of an ideal memory in one note."""
        return IdealNotes(self, source, min(budget, self._most), count)

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """One passing of a task with all of an ideal memory in one note: each note to write, and each answer.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        held, found = "", list[Example]()
        for moment in moments(source, task, min(budget, self._most), count, BETWEEN):
            view = lines_of(held)
            found += answered(source, task, moment, view)
            if moment.observation.writable:
                held = BETWEEN.join(moment.ideal)
                found += [Example(taught(task, moment.observation, view, self._brief), held)] if held else []
        return found


class IdealNotes(Chooser):
    """Writes the ideal memory of a task as one note, anew whenever it changes, and leaves it alone otherwise.

    Args:
        hybrid: in whose place it decides.
        budget: tokens of the note at the most.
    """

    writes_notes = True

    def __init__(self, hybrid: HybridMemory, source: TaskSource, budget: int, count: Callable[[str], int]) -> None:
        self.policy = hybrid.policy
        self._source, self._budget, self._count = source, budget, count
        self._ideals: dict[int, tuple[Task, dict[str, str]]] = {}
        """By the task's identity, which the task beside it keeps."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(self._place(request), 0.0) for request in requests]

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One op a request, in order; those that write have the ideal memory for a note."""
        return [
            with_note(one, silent_decision(self._ideal(request), asked(request, (), NO_WORDS)))
            if isinstance(one, OpDecision) and isinstance(one.action, Write | Overwrite)
            else one
            for request, one in zip(requests, super().decide(requests), strict=True)
        ]

    def _place(self, request: ControllerRequest) -> int:
        """Of the offer to take: the first, Keep, where memory is as it should be or cannot be made so."""
        token, ideal = request.memory.token, self._ideal(request)
        held = () if token is None else token.entries()
        is_ideal = [item.text for item in held] == ([ideal] if ideal else [])
        if is_ideal or request.count or not request.observation.writable:
            return 0
        wanted = Forget if not ideal else Overwrite if held else Write
        return next((i for i, op in enumerate(request.offers.ops) if isinstance(op, wanted)), 0)

    def _ideal(self, request: ControllerRequest) -> str:
        task = request.task
        if id(task) not in self._ideals:
            passing = moments(self._source, task, self._budget, self._count, BETWEEN)
            ideals = {one.observation.id: BETWEEN.join(one.ideal) for one in passing if one.observation.writable}
            self._ideals[id(task)] = task, ideals
        return self._ideals[id(task)][1].get(request.observation.id, "")


def with_note(decision: Decision, note: TokenDecision) -> Decision:
    """A choice to write, with the words that are written in the place of the op's own."""
    assert isinstance(decision, OpDecision)
    return replace(decision, note=replace(note, action=_written(note.action, decision)))


def _written(action: Action, decision: OpDecision) -> Action:
    """The op with a note for its text; what is no text stays what it is."""
    if isinstance(action, Say) and isinstance(decision.action, Write | Overwrite):
        return MemoryOps((replace(decision.action, text=action.text),))
    return action


def _make(context: ControllerContext, options: HybridOptions) -> HybridMemory:
    return HybridMemory(context, writer_of(context, "hybrid"), options)


register("controller", "hybrid", _make, HybridOptions)
