"""What a failed episode's trace and the feedback say: which observations were wanting when a question came.

none    its own trace: every question is suspect, and what it needed is guessed from its words
binary  which answers were wrong: only those questions are suspect
diff    the exact tracker: which observations the answer rests on that were not in view
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from memory_stores.types import Forget, Overwrite, Relink, Unlink
from memrl.contracts.capabilities import EvidenceReader, able, shown
from memrl.contracts.checks import check
from memrl.contracts.protocols import TaskSource
from memrl.contracts.types import Episode, OpDecision, Step

Feedback = Literal["none", "binary", "diff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorOptions:
    """Of a reflector that reads traces."""

    feedback: Feedback = "diff"
    """What it learns of a failure: its own trace; which answers were wrong; what they would have needed."""
    edits: int = 1
    """Edits an episode that are tried."""

    def __post_init__(self) -> None:
        check(self, "reflection.options.", edits="[1, inf)")


class Missing(NamedTuple):
    """An observation that a question wanted and that was not in view."""

    question: int
    """Index into the episode's steps."""
    source: int
    """Index of the step that showed the observation."""


class Loss(NamedTuple):
    """Where an observation left memory."""

    step: int
    place: int
    """Index into the step's decisions."""


class Evidence:
    """One episode under study."""

    def __init__(self, episode: Episode, task_source: TaskSource, feedback: Feedback) -> None:
        self.episode, self._source, self._feedback = episode, task_source, feedback

    @cached_property
    def wanted(self) -> dict[int, frozenset[int]]:
        """Question's step -> steps of all observations that it is thought to rest on."""
        return {t: self._rests_on(t) for t, step in enumerate(self.episode.steps) if step.verdict is not None}

    @cached_property
    def missing(self) -> list[Missing]:
        """The newest question first."""
        found = []
        for t in sorted(self.wanted, reverse=True):
            if self._suspect(self.episode.steps[t]):
                held = shown(self._source, self.episode.steps[t].view)
                gone = [s for s in sorted(self.wanted[t]) if self.episode.steps[s].observation.id not in held]
                found += [Missing(t, s) for s in gone]
        return found

    def next_use(self, source: int, after: int) -> float:
        """The first step from ``after`` on whose question rests on the observation; infinity for none."""
        return min((t for t, sources in self.wanted.items() if t >= after and source in sources), default=math.inf)

    def losses(self, missing: Missing) -> tuple[bool, list[Loss]]:
        """Whether the observation was ever written before the question, and where it left memory again."""
        alive: set[str] = set()
        written, lost = False, []
        for t in range(missing.source, missing.question):
            for place, decision in enumerate(self.episode.steps[t].decisions):
                if not isinstance(decision, OpDecision) or decision.refused:
                    continue
                if isinstance(decision.action, Overwrite | Forget | Relink | Unlink) and decision.action.id in alive:
                    alive.discard(decision.action.id)
                    lost.append(Loss(t, place))
                if t == missing.source and decision.created:
                    alive.update(decision.created)
                    written = True
        return written, lost

    @cached_property
    def source_of(self) -> dict[str, int]:
        """Entry id -> step whose observation made it."""
        steps = enumerate(self.episode.steps)
        ops = ((t, d) for t, step in steps for d in step.decisions if isinstance(d, OpDecision))
        return {id: t for t, decision in ops for id in decision.created}

    def _suspect(self, step: Step) -> bool:
        assert step.verdict is not None
        return self._feedback == "none" or step.verdict.score < 1.0

    def _rests_on(self, t: int) -> frozenset[int]:
        if self._feedback != "diff":
            return self._guessed(t)
        reader = able(self._source, EvidenceReader)
        if reader is None:
            return self._guessed(t)
        ids = reader.blame(self.episode.task, self.episode.steps[t].observation.id, frozenset())
        return frozenset(self._step_of[id] for id in ids)

    @cached_property
    def _step_of(self) -> dict[str, int]:
        return {step.observation.id: t for t, step in enumerate(self.episode.steps)}

    def _guessed(self, t: int) -> frozenset[int]:
        """The newest of the told observations that share the rarest words with the question."""
        asked = _words(self.episode.steps[t].observation.text)
        best, score = None, 0.0
        for s in range(t):
            if self.episode.steps[s].observation.writable:
                shared = sum(self._rarity[word] for word in asked & self._told[s])
                if shared > 0 and shared >= score:
                    best, score = s, shared
        return frozenset() if best is None else frozenset((best,))

    @cached_property
    def _told(self) -> list[frozenset[str]]:
        return [_words(step.observation.text) for step in self.episode.steps]

    @cached_property
    def _rarity(self) -> dict[str, float]:
        """Smoothed inverse document frequency over the episode's observations."""
        seen = Counter(word for words in self._told for word in words)
        return {word: math.log1p(len(self._told) / count) for word, count in seen.items()}


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text.lower()))
