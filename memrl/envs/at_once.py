"""Several questions to answer at once, as in MEM1 (arXiv:2506.15841): what an environment asks in a row becomes one
question, and one answer is judged part by part.

    env: {name: at_once, options: {env: my_env, env_options: {...}}}

    ?1 ?2 ?3   ─>   "Where is the lamp?; Who has the key?; …"   ─ "attic; Ana; …" ─>   three verdicts, their mean

Whatever is shown between two questions ends a row. To see what is asked next, a second copy of the task is played ahead
and answered with nothing: so it serves passive environments alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from memrl.contracts.capabilities import OracleMemory, able, is_passive
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, Env, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Say, Task, Text, Verdict, as_text
from memrl.contracts.wrapped import WrappedTasks

BETWEEN = "; "
"""Between two questions, and between two answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnceOptions:
    env: str = ""
    """The environment whose questions are joined, a part of kind "env"."""
    env_options: Mapping[str, Any] = field(default_factory=dict)
    """Its own knobs that differ from its defaults."""
    most: int = 16
    """Questions that are asked at once at the most."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError("env.options.most", self.most, "it must be at least 1")


class AtOnceEnv:
    """One task, its questions in rows.

    Args:
        env: who judges.
        ahead: the same task once more, to look what is asked next.
    """

    def __init__(self, env: Env, ahead: Env, most: int) -> None:
        self._env, self._ahead, self._most = env, ahead, most
        self._row: list[Observation] = []

    def start(self) -> Observation:
        """The first observation, or the first row of questions."""
        self._next: Observation | None = self._ahead.start()
        return self._gathered(self._env.start())

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current observation, or judge one answer to each question of the row."""
        if not self._row[0].is_question:
            outcome = self._env.step(action)
            return outcome if outcome.next is None else outcome._replace(next=self._gathered(outcome.next))
        parts = answers(as_text(action) if isinstance(action, Say) else "", len(self._row))
        outcomes = [self._env.step(Say(part)) for part in parts]
        last = outcomes[-1]
        return last._replace(
            reward=sum(one.reward for one in outcomes),
            verdict=_together([one.verdict for one in outcomes if one.verdict is not None]),
            next=None if last.next is None else self._gathered(last.next),
        )

    def _gathered(self, first: Observation) -> Observation:
        """That observation; of a question, those too that are asked right after it."""
        self._row = [first]
        while True:
            assert self._next is not None
            outcome = self._ahead.step(Say("") if self._next.wants_action else None)
            self._next = outcome.next
            more = self._next is not None and self._next.is_question and self._next.to == first.to
            if not (first.is_question and more and len(self._row) < self._most):
                break
            assert self._next is not None
            self._row.append(self._next)
        return first if len(self._row) == 1 else joined(self._row)


def joined(questions: Sequence[Observation]) -> Observation:
    """One question that asks them all: by the last one's id, step and time."""
    return replace(questions[-1], content=(Text(BETWEEN.join(one.text for one in questions)),), choices=())


def answers(text: str, count: int) -> list[str]:
    """An answer's parts, one a question; what is missing is empty, what is too much stays with the last."""
    parts = [part.strip() for part in text.split(BETWEEN.strip(), count - 1)]
    return parts + [""] * (count - len(parts))


def _together(verdicts: Sequence[Verdict]) -> Verdict | None:
    if not verdicts:
        return None
    categories = {verdict.category for verdict in verdicts}
    return Verdict(
        score=mean(verdict.score for verdict in verdicts),
        expected=BETWEEN.join(verdict.expected for verdict in verdicts),
        category=categories.pop() if len(categories) == 1 else "several",
    )


class AtOnceTasks(WrappedTasks):
    """The tasks of another source with its questions in rows. What it knows of an ideal memory, of horizons and briefs
    is passed on; what it says by the id of a question is not.

    Raises:
        ConfigError: that source is not passive.
    """

    name = "at_once"
    passive = True

    def __init__(self, options: AtOnceOptions) -> None:
        super().__init__(options.env, options.env_options)
        self._most = options.most
        if not is_passive(self._source):
            way_out = "what it asks may hang on answers that are not given yet; name one with passive = True"
            raise ConfigError("env.options.env", options.env, way_out)
        if (knows := able(self._source, OracleMemory)) is not None:
            self.ideal_memory = lambda task, *asked: knows.ideal_memory(self.inner(task), *asked)

    def make(self, task: Task) -> AtOnceEnv:
        inner = self.inner(task)
        return AtOnceEnv(self._source.make(inner), self._source.make(inner), self._most)

    def brief(self, task: Task) -> Brief:
        """The source's, how several answers are given, and room for as many."""
        own = super().brief(task)
        most = None if own.max_new_tokens is None else self._most * own.max_new_tokens
        return replace(own, header=f"{own.header or HEADER} {SEVERAL}", max_new_tokens=most)


HEADER = "Answer from memory in one word, or say unknown."
"""Where the source briefs nobody."""
SEVERAL = "To several questions give as many answers, in their order, with ; between two."

register("env", "at_once", AtOnceTasks, AtOnceOptions)
