"""Eight gates between a proposed task and the solver, cheap ones first. A reject names its gate and never trains.

Order and purpose: ``../shared/research/self_training.md`` 2.3. Each gate is a function of a ``Case`` that returns None
or a reason; the first reason ends the examination.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from memrl.contracts.capabilities import Bounds
from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Task
from memrl.envs.memworld import backward, forward, oracles
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.case import Candidate, Case, Cost, Limits, read_candidate
from memrl.envs.memworld.events import QUERIES, UNKNOWN, form
from memrl.envs.memworld.names import NUMBERS
from memrl.envs.memworld.program import Program, Written
from memrl.envs.memworld.signature import fingerprint, signature_of
from memrl.envs.memworld.task_json import drafted, program_to_json, task_to_json

__all__ = [
    "GATES", "Candidate", "Case", "Cost", "Gate", "Judgement", "Limits", "guess_floor", "judge", "leak_in",
]  # fmt: skip

_SAME_EVERYWHERE = frozenset((UNKNOWN, *NUMBERS))
"""Answers that mean the same in every task, so that saying them needs no memory of this one."""


Gate = Callable[[Case], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of one candidate."""

    accepted: bool
    gate: str = ""
    """The gate that turned it away; empty if none did."""
    reason: str = ""
    signature: str = ""
    """Key of its signature; empty if it was turned away before that was known."""
    fingerprint: str = ""
    bounds: Bounds | None = None
    """p* and g under the limits' budget; None if it was turned away before they were known."""
    task: Task | None = None
    """Ready to play; set if it was accepted."""

    def to_json(self) -> dict[str, Any]:
        """One row of a log: everything, the task in its JSON form. Feed it to ``bank.append_line``."""
        return {
            "accepted": self.accepted,
            "gate": self.gate,
            "reason": self.reason,
            "signature": self.signature,
            "fingerprint": self.fingerprint,
            "bounds": None if self.bounds is None else list(self.bounds),
            "task": None if self.task is None else task_to_json(self.task),
        }


def judge(candidate: Candidate, bank: Bank, limits: Limits, cost: Cost) -> Judgement:
    """Walk the gates in order. Changes nothing: enter an accepted task with ``bank.add`` yourself.

    Args:
        cost: tokens of a text.
    """
    case = Case(candidate, bank, limits, cost)
    for name, gate in GATES.items():
        reason = gate(case)
        if reason is not None:
            return _judged(case, name, reason)
    return _judged(case, "", "")


def schema(case: Case) -> str | None:
    """Gate 1: it can be read, and is within the limits on steps, questions and tokens."""
    try:
        case.task, case.made = read_candidate(case.candidate, case.limits.max_steps)
    except ConfigError as error:
        return str(error)
    program, limits = case.made, case.limits
    tokens = sum(map(case.cost, program.texts))
    sizes = (
        ("steps", len(program.events), 1, limits.max_steps),
        ("questions", len(program.queries), limits.min_questions, limits.max_questions),
        ("tokens", tokens, 0, limits.max_tokens),
    )
    for what, size, low, high in sizes:
        if not low <= size <= high:
            return f"{what} = {size}: it must lie in [{low}, {high}]"
    return None


def determinism(case: Case) -> str | None:
    """Gate 2: made a second time and made from its own JSON, it says the same."""
    try:
        _, again = read_candidate(case.candidate, case.limits.max_steps)
        returned = drafted(json.loads(json.dumps(program_to_json(case.program))))
    except ConfigError as error:
        return f"it cannot be made twice: {error}"
    if _said(again) != _said(case.program):
        return "made twice, it differs"
    if _said(returned) != _said(case.program):
        return "made from its own JSON, it differs"
    return None


def trackers(case: Case) -> str | None:
    """Gate 3: both trackers give the answer that the program claims, to every question."""
    program = case.program
    one, two = forward.answers(program.events), backward.answers(program.events)
    for query in program.queries:
        found = (program.answers.get(query.step), one[query.step], two[query.step])
        if len(set(found)) > 1:
            return f"step {query.step}: claimed {found[0]!r}, forward {found[1]!r}, backward {found[2]!r}"
    return None


def solvable(case: Case) -> str | None:
    """Gate 4: the best keeper under the budget answers enough of it."""
    best = oracles.keeper_score(case.program, case.limits.budget, case.cost)
    case.bounds = Bounds(best, guess_floor(case.program))
    if best < case.limits.solvable:
        return f"p* = {best:.2f} under {case.limits.budget} tokens: it must be at least {case.limits.solvable}"
    return None


def necessity(case: Case) -> str | None:
    """Gate 5: neither an empty memory, nor the last observation, nor one word for everything does nearly as well."""
    program, limits = case.program, case.limits
    most = _ceiling(case) - limits.necessity
    for who, share in (("an empty memory", _held(program, 0)), ("the last observation alone", _held(program, 1))):
        if share > most + 1e-9:
            return f"{who} answers {share:.2f}: it must be {max(0.0, most):.2f} at most"
    word, count = Counter(program.answers.values()).most_common(1)[0]
    share, by_hand = count / len(program.queries), case.task is not None and isinstance(case.task.theta, Written)
    if by_hand and len(program.queries) >= 3 and share > limits.one_word:
        return f"{word!r} answers {share:.2f} of the questions: it must be {limits.one_word} at most"
    return None


def headroom(case: Case) -> str | None:
    """Gate 6: there is something to learn between guessing and the best keeper."""
    best, guess = _ceiling(case), case.bounds.floor if case.bounds else 0.0
    if best - guess < case.limits.headroom:
        return f"p* - g = {best:.2f} - {guess:.2f}: it must be at least {case.limits.headroom}"
    return None


def leak(case: Case) -> str | None:
    """Gate 7: no question holds its answer, and no question's text is told before or after it is asked."""
    program = case.program
    asked = [(program.texts[query.step], program.answers[query.step]) for query in program.queries]
    told = (text for text, event in zip(program.texts, program.events, strict=True) if not isinstance(event, QUERIES))
    return leak_in(asked, told)


def novelty(case: Case) -> str | None:
    """Gate 8: it is no task of before, and its skills are not asked for too often."""
    program, bank, limits = case.program, case.bank, case.limits
    signature = signature_of(program, limits.budget, case.cost).key
    case.signature, case.fingerprint = signature, fingerprint(program)
    if case.fingerprint in bank:
        return "the bank has a task of the same events"
    most = max(limits.alike_free, limits.alike * bank.window)
    if bank.alike(signature) >= most:
        return f"the bank has {bank.alike(signature)} recent tasks of signature {signature}: {most:g} are enough"
    return None


GATES: dict[str, Gate] = {
    "schema": schema,
    "determinism": determinism,
    "trackers": trackers,
    "solvable": solvable,
    "necessity": necessity,
    "headroom": headroom,
    "leak": leak,
    "novelty": novelty,
}
"""Name -> gate, in the order in which they are asked."""


def guess_floor(program: Program) -> float:
    """g: the better of the blind guesser, who trusts theta, and one fixed word for each form of question.

    Only words that mean the same in every task count ("unknown", numbers), so that a program whose theta hides how
    often they are right gains nothing. In [0, 1].
    """
    by_form: dict[str, Counter[str]] = defaultdict(Counter)
    for query in program.queries:
        if program.answers[query.step] in _SAME_EVERYWHERE:
            by_form[form(query)][program.answers[query.step]] += 1
    fixed = sum(counts.most_common(1)[0][1] for counts in by_form.values()) / max(1, len(program.queries))
    return max(oracles.blind_score(program), fixed)


def leak_in(asked: Iterable[tuple[str, str]], told: Iterable[str]) -> str | None:
    """The first leak among (question, answer) pairs and told texts, or None.

    An answer leaks as a whole word, a question as a whole sentence, as ``guards.LeakGuard`` has it in play.
    """
    questions: set[str] = set()
    for text, answer in asked:
        if re.search(rf"\b{re.escape(answer.lower())}\b", text.lower()):
            return f"the answer {answer!r} stands in the question {text!r}"
        questions |= _questions(text)
    for text in told:
        if again := questions & _questions(text):
            return f"the question {min(again)!r} stands in what is told"
    return None


def _judged(case: Case, gate: str, reason: str) -> Judgement:
    return Judgement(
        accepted=not gate,
        gate=gate,
        reason=reason,
        signature=case.signature,
        fingerprint=case.fingerprint,
        bounds=case.bounds,
        task=None if gate else case.task,
    )


def _questions(text: str) -> set[str]:
    sentences = (sentence.strip().lower() for sentence in re.findall(r"[^.?!\n]+\??", text))
    return {sentence for sentence in sentences if sentence.endswith("?")}


def _said(program: Program) -> tuple[object, ...]:
    return program.theta, program.seed, program.split, program.cast, program.events, program.texts


def _ceiling(case: Case) -> float:
    """p*, for a gate that may be asked alone."""
    if case.bounds is None:
        solvable(case)
    assert case.bounds is not None
    return case.bounds.ceiling


def _held(program: Program, newest: int) -> float:
    """Share of the questions that the ``newest`` observations before them answer, read without error."""
    right = sum(
        forward.answer(program.told(range(query.step - newest, query.step), query.step), query)
        == program.answers[query.step]
        for query in program.queries
    )
    return right / max(1, len(program.queries))
