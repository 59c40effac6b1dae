"""Any environment in which "I do not know" is an answer: it earns nothing, a right one 1, a wrong one costs.

    env: {name: abstaining, options: {env: my_env, env_options: {...}, wrong: -1.0}}

    reward of a judged answer of score s = s + wrong · (1 - s);   of an abstention 0

The ternary reward of TruthRL (arXiv:2509.25760) where scores are 0 or 1. Success stays what the environment says, so an
abstention counts as no success. The exact reader is honest here: where an answer's evidence is not in view it abstains,
and only what misleads it turns it wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from memrl.contracts.capabilities import Bounded, EvidenceReader, Lessons, Misleads, able, edges_tell, is_passive
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, Env, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Task, as_text
from memrl.contracts.wrapped import WrappedTasks

WORDS = ("unknown", "i don't know", "i do not know", "not known", "no answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstainingOptions:
    env: str = ""
    """The environment whose answers are judged, a part of kind "env"."""
    env_options: Mapping[str, Any] = field(default_factory=dict)
    """Its own knobs that differ from its defaults."""
    wrong: float = -1.0
    """What a wrong answer earns."""
    words: tuple[str, ...] = WORDS
    """Answers that are abstentions, case, blanks and marks aside; actors are told the first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        if not self.wrong <= 0:
            raise ConfigError("env.options.wrong", self.wrong, "it must be at most 0, what an abstention earns")
        if not self.words or not all(map(bare, self.words)):
            raise ConfigError("env.options.words", list(self.words), "name at least one answer, in letters")


def bare(text: str) -> str:
    """The words of an answer alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.lower().replace("'", "")))


class AbstainingEnv:
    """One task whose judged answers are paid for by what a wrong one costs."""

    def __init__(self, env: Env, options: AbstainingOptions) -> None:
        self._env, self._wrong = env, options.wrong
        self._words = frozenset(map(bare, options.words))

    def start(self) -> Observation:
        """The first observation."""
        return self._env.start()

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current observation."""
        outcome = self._env.step(action)
        if outcome.verdict is None:
            return outcome
        score = outcome.verdict.score
        abstains = bare(as_text(action)) in self._words and score == 0
        return outcome._replace(reward=0.0 if abstains else score + self._wrong * (1 - score))


class AbstainingTasks(WrappedTasks):
    """The tasks of another source, with an answer more; what that one knows of evidence, bounds, lessons holds here."""

    name = "abstaining"

    def __init__(self, options: AbstainingOptions) -> None:
        self._options = options
        super().__init__(options.env, options.env_options)
        self.passive, self.edges_tell = is_passive(self._source), edges_tell(self._source)
        if (reader := able(self._source, EvidenceReader)) is not None:
            misleads = able(self._source, Misleads)
            self.read = lambda task, asked, seen: self._read(reader, misleads, self.inner(task), asked, seen)
            self.blame = lambda task, asked, held: reader.blame(self.inner(task), asked, held)
            if misleads is not None:
                self.misled = lambda task, asked, seen: misleads.misled(self.inner(task), asked, seen)
        if (known := able(self._source, Bounded)) is not None:
            self.bounds = lambda task, *told: known.bounds(self.inner(task), *told)
            self.plan = lambda task, *told: known.plan(self.inner(task), *told)
        if (teaches := able(self._source, Lessons)) is not None:
            self.reading_lessons = teaches.reading_lessons

    def make(self, task: Task) -> AbstainingEnv:
        return AbstainingEnv(self._source.make(self.inner(task)), self._options)

    def brief(self, task: Task) -> Brief:
        """The source's, and what to say when one does not know."""
        told = super().brief(task)
        more = f"If you do not know, say: {self._options.words[0]}."
        return replace(told, header=f"{told.header} {more}" if told.header else more)

    def _read(
        self, reader: EvidenceReader, misleads: Misleads | None, task: Task, asked: str, seen: frozenset[str]
    ) -> str:
        led_astray = misleads is not None and misleads.misled(task, asked, seen)
        if not led_astray and reader.blame(task, asked, seen):
            return self._options.words[0]
        return reader.read(task, asked, seen)


register("env", "abstaining", AbstainingTasks, AbstainingOptions)
