"""The policy's language model reflects: it chooses one edit and writes the rule behind it, as JSON that always parses.

    trace and feedback ─> prompt ─> {"step": 12, "op_before": "Keep", "op_after": "Write a", "rule": "..."}

Step and ops are held to a list of legal edits, the rule to plain words; all else is the model's own
choice. What it sampled is recorded under the actor "reflector", so that it can be paid by what its rule gains on a
sibling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from memrl.contracts.contexts import ReflectorContext
from memrl.contracts.learning import Lesson, Place
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import register
from memrl.contracts.types import Episode, Group, OpDecision, Say, Step, TokenDecision
from memrl.reflectors.edits import Edit, Worthless, edits_for
from memrl.reflectors.evidence import Evidence, Feedback, ReflectorOptions
from memrl.reflectors.tracker import episodes_of, lesson_of

RULE_TOKENS = 24
"""Longest rule."""
DECOYS = 2
"""Edits on the list that nothing speaks for, for each one that something does."""
END = '"}'
REMEMBERED = 4096
"""Reflections that can still be learned from: those of one step, and far more."""

Ids = tuple[int, ...]


class Written(Protocol):
    """What ``write_under`` gives."""

    @property
    def ids(self) -> Ids: ...
    @property
    def logprobs(self) -> tuple[float, ...]: ...


class Writer(Protocol):
    """What it needs of a language model."""

    tokenizer: Any

    def text_ids(self, text: str) -> Ids: ...

    def encode(self, prompts: Sequence[str]) -> list[Ids]: ...

    def write_under(
        self, prompt: Sequence[int], rule: Callable[[Sequence[int]], Sequence[int]], seed: int
    ) -> Written: ...

    def allowed_logprobs(self, prompt: Sequence[int], ids: Sequence[int], allowed: Sequence[Sequence[int]]) -> Any: ...


class Grammar:
    """One of the heads, then up to ``RULE_TOKENS`` tokens of plain words, then the end."""

    def __init__(self, heads: Sequence[Ids], plain: Sequence[int], end: Ids) -> None:
        self.heads, self._plain, self._end = tuple(heads), tuple(plain), end
        self._or_end = (*self._plain, end[0])

    def __call__(self, written: Sequence[int]) -> Sequence[int]:
        """Tokens that may come next; none at the end."""
        here = tuple(written)
        following = {head[len(here)] for head in self.heads if len(head) > len(here) and head[: len(here)] == here}
        if following:
            return sorted(following)
        head = next(head for head in self.heads if here[: len(head)] == head)
        said = here[len(head) :]
        ended = next((i for i, token in enumerate(said) if token == self._end[0]), None)
        if ended is not None:
            return self._end[len(said) - ended : len(said) - ended + 1]
        if not said:
            return self._plain
        return self._end[:1] if len(said) >= RULE_TOKENS else self._or_end


class _Choice(NamedTuple):
    edit: Edit
    head: str
    """Its JSON up to the rule."""


class LmReflector:
    """One reflection a failed episode.

    Args:
        writer: the language model; it must stay the one that is trained.
        feedback: what it may read of a failure; see ``evidence``.
        worthless: as in ``Tracker``.
        edits: how many edits that something speaks for stand on its list.
    """

    def __init__(self, writer: Writer, feedback: Feedback, worthless: Worthless, edits: int, seed: int) -> None:
        self._writer, self._seed, self._worthless = writer, seed, worthless
        self._feedback: Feedback = feedback
        self._edits = edits
        self._grammars: dict[tuple[Ids, Ids], Grammar] = {}
        """(prompt, sampled) -> what held it, of the last ``REMEMBERED``."""

    def reflect(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        """At most one lesson an episode; none where its trace holds no other op that could matter."""
        lessons = (self._study(*told, agent, i) for i, told in enumerate(episodes_of(groups)))
        return [lesson for lesson in lessons if lesson is not None]

    def logprobs(self, told: TokenDecision) -> Any:
        """[A] log-probabilities, with gradients, of what it sampled in this step."""
        grammar = self._grammars[told.prompt_ids, told.action_ids]
        allowed = [tuple(grammar(told.action_ids[:n])) for n in range(len(told.action_ids))]
        found = self._writer.allowed_logprobs(told.prompt_ids, told.action_ids, allowed)
        return found[0] if isinstance(found, tuple) else found

    def _study(self, group: int, number: int, episode: Episode, agent: Agent, index: int) -> Lesson | None:
        evidence = Evidence(episode, agent.task_source, self._feedback)
        rng = np.random.default_rng([self._seed, abs(episode.task.seed), index, 0x1E])
        choices = self._choices(evidence, rng)
        if not choices:
            return None
        text_ids = self._writer.text_ids
        heads = {text_ids(choice.head): choice for choice in choices}
        grammar = Grammar(list(heads), self._plain, text_ids(END))
        [prompt] = self._writer.encode([prompt_for(evidence, self._feedback, [c.edit for c in choices])])
        written = self._writer.write_under(prompt, grammar, int(rng.integers(2**31)))
        head = next(head for head in heads if written.ids[: len(head)] == head)
        rule = self._writer.tokenizer.decode(written.ids[len(head) :]).strip().removesuffix(END).strip()
        self._grammars[tuple(prompt), tuple(written.ids)] = grammar
        if len(self._grammars) > REMEMBERED:
            del self._grammars[next(iter(self._grammars))]
        edit = heads[head].edit
        lesson = lesson_of(edit, episode, Place(group, number, edit.step, edit.place), rule)
        return _told(lesson, prompt, written, heads[head].head + json.dumps(rule)[1:-1] + END)

    def _choices(self, evidence: Evidence, rng: np.random.Generator) -> list[_Choice]:
        """Edits that the evidence speaks for among others that it does not, shuffled; no head twice."""
        fit = edits_for(evidence, self._edits, self._worthless)
        decisions = [
            (t, place, d)
            for t, step in enumerate(evidence.episode.steps)
            for place, d in enumerate(step.decisions)
            if isinstance(d, OpDecision)
        ]
        others = []
        for i in rng.permutation(len(decisions))[: DECOYS * len(fit)]:
            t, place, decision = decisions[int(i)]
            better = int(rng.integers(len(decision.offers.ops)))
            if fit and better != decision.choice:
                others.append(Edit(t, place, decision, better, fit[0].why))
        edits = [*fit, *others]
        named = {head_of(edits[int(i)]): edits[int(i)] for i in rng.permutation(len(edits))}
        return [_Choice(edit, head) for head, edit in named.items()]

    @cached_property
    def _plain(self) -> tuple[int, ...]:
        """Tokens of letters, blanks and commas."""
        size = len(self._writer.tokenizer)
        texts = ((i, self._writer.tokenizer.decode([i])) for i in range(size))
        return tuple(i for i, text in texts if re.fullmatch(r"[A-Za-z ,]+", text))


def head_of(edit: Edit) -> str:
    """The JSON of an edit up to its rule; what an op would touch is named by the entry's id."""
    before, after = (named(op) for op in (edit.decision.action, edit.decision.offers.ops[edit.better]))
    return f'{{"step": {edit.step}, "op_before": "{before}", "op_after": "{after}", "rule": "'


def named(op: Any) -> str:
    """Kind of op, and the entry that it touches."""
    touched = getattr(op, "id", "")
    return f"{type(op).__name__} {touched}".strip()


def prompt_for(evidence: Evidence, feedback: Feedback, edits: Sequence[Edit]) -> str:
    """The steps that the list speaks of, what the feedback says, and what to write."""
    episode = evidence.episode
    shown = sorted(
        {edit.step for edit in edits} | ({m.question for m in evidence.missing} if feedback != "none" else set())
    )
    trace = "\n".join(_line(t, episode.steps[t], feedback) for t in shown)
    wanting = ""
    if feedback == "diff":
        lacks = sorted({(m.question, m.source) for m in evidence.missing})
        wanting = "\n" + "\n".join(f"Step {q} lacked what step {s} told." for q, s in lacks)
    return (
        f"An agent with a small memory failed. Its steps:\n{trace}{wanting}\n"
        "Change one op, and say the rule behind it in general words, with no names and no places.\nLesson: "
    )


def _line(t: int, step: Step, feedback: Feedback) -> str:
    ops = ", ".join(named(d.action) for d in step.decisions if isinstance(d, OpDecision)) or "no op"
    said = next((d.action.text for d in step.decisions if isinstance(d.action, Say)), None)
    answer = f' said "{said}"' if said is not None else ""
    wrong = step.verdict is not None and step.verdict.score < 1.0 and feedback != "none"
    return f"{t}. {step.observation.text} [{ops}]{answer}{' (wrong)' if wrong else ''}"


def _told(lesson: Lesson, prompt: Sequence[int], written: Written, text: str) -> Lesson:
    told = TokenDecision(
        actor="reflector",
        action=Say(text),
        memory_hash=lesson.decision.memory_hash,
        prompt_ids=tuple(prompt),
        action_ids=tuple(written.ids),
        logprobs=tuple(written.logprobs),
    )
    return replace(lesson, told=told)


def _make(context: ReflectorContext, options: ReflectorOptions) -> LmReflector:
    return LmReflector(context.writer(), options.feedback, context.worthless, options.edits, context.seed)


register("reflector", "lm", _make, ReflectorOptions)
