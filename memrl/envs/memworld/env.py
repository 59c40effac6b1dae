"""MemWorld as an environment, and the task source that curricula and evaluations draw from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from string import punctuation
from typing import Any

import numpy as np

from memrl.contracts.capabilities import Bounds, ReadingLesson
from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Say, Split, Task, Verdict
from memrl.envs.memworld import backward, forward, ideal, oracles
from memrl.envs.memworld.case import Limits
from memrl.envs.memworld.cells import ladder
from memrl.envs.memworld.commands import is_done
from memrl.envs.memworld.events import QUERIES, UNKNOWN, AskAct, Contradict, Query, form, observation_id, step_of
from memrl.envs.memworld.program import Program, Written, as_theta, program_of
from memrl.envs.memworld.task_generator import MemWorldGenerator
from memrl.envs.memworld.theta import Theta
from memrl.envs.memworld.views import sample_views

BRIEF = Brief(header="Answer from memory in one word, or say unknown.")
ACTING_BRIEF = Brief(header=f"{BRIEF.header} When a signal sounds, do what is planned: take THING from PLACE to PLACE.")
"""Where there are plans."""
UNTRUSTED = 0.3
"""Trust of the channel that contradictions come through."""
_ARTICLES = frozenset(("the", "a", "an"))
_NO_PUNCTUATION = str.maketrans("", "", punctuation)


def normalise(text: str) -> str:
    """The first line in lower case, without punctuation and articles."""
    first_line = text.strip().partition("\n")[0]
    words = first_line.lower().translate(_NO_PUNCTUATION).split()
    return " ".join(word for word in words if word not in _ARTICLES)


def category(program: Program, query: Query) -> str:
    """The row of a table that a question counts in: its form, or "unanswerable"."""
    return "unanswerable" if program.answers[query.step] == UNKNOWN else form(query)


class MemWorldEnv:
    """One program, shown step by step. Right answers earn 1.0, everything else 0.0."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._program = program_of(task)
        self._shown = shown(self._program)
        self._step: int | None = None

    def start(self) -> Observation:
        """The first observation. Raises RuntimeError if it was started before."""
        if self._step is not None:
            raise RuntimeError("a MemWorldEnv is played once: make another from the same task")
        self._step = 0
        return self._shown[0]

    def step(self, action: Action | None) -> Outcome:
        """Judge the action where a question was asked, and show what comes next."""
        if self._step is None or self._step >= len(self._program.events):
            raise RuntimeError("step() needs an observation to deal with: the episode has not started or is over")
        verdict = self._judge(self._step, action)
        self._step += 1
        over = self._step == len(self._program.events)
        return Outcome(verdict.score if verdict else 0.0, None if over else self._shown[self._step], verdict)

    def _judge(self, step: int, action: Action | None) -> Verdict | None:
        event = self._program.events[step]
        if not isinstance(event, QUERIES):
            return None
        expected = self._program.answers[step]
        if isinstance(event, AskAct):
            right = is_done(action, expected, {alias: thing for thing, alias in self._program.cast.aliases})
        else:
            right = isinstance(action, Say) and normalise(action.text) == normalise(expected)
        return Verdict(score=float(right), expected=expected, category=category(self._program, event))


_SHOWN: OrderedDict[int, tuple[Program, tuple[Observation, ...]]] = OrderedDict()
"""By the program's address, which cannot be another's as long as the program is kept here."""
_SHOWN_KEPT = 256


def shown(program: Program) -> tuple[Observation, ...]:
    """Every observation of a program, in order. Recent ones are kept, and siblings show the same objects."""
    kept = _SHOWN.pop(id(program), None)
    if kept is None:
        kept = program, tuple(_observation(program, step) for step in range(len(program.events)))
    _SHOWN[id(program)] = kept
    if len(_SHOWN) > _SHOWN_KEPT:
        _SHOWN.popitem(last=False)
    return kept[1]


def _observation(program: Program, step: int) -> Observation:
    event = program.events[step]
    asks = isinstance(event, QUERIES)
    return Observation(
        id=observation_id(step),
        step=step,
        content=program.texts[step],
        wants_action=asks,
        writable=not asks,
        trust=UNTRUSTED if isinstance(event, Contradict) else 1.0,
    )


class MemWorldTasks:
    """Every MemWorld task that a base theta and the ladder up to it describe."""

    name = "memworld"
    passive = True

    def __init__(self, theta: Mapping[str, Any] | Theta | None = None) -> None:
        self.theta = as_theta({} if theta is None else theta)
        self.edges_tell = not self.theta.plans
        """An edge is a fact; of a plan ("take the lantern to Ben, whenever ...") it leaves out what matters."""

    def task(self, seed: int, split: Split = "train", theta: Theta | None = None, cell: str = "") -> Task:
        """A task of this task source; of its base theta where none is given."""
        return Task(env=self.name, theta=theta or self.theta, seed=seed, split=split, cell=cell)

    def make(self, task: Task) -> MemWorldEnv:
        return MemWorldEnv(task)

    def texts(self, task: Task) -> Sequence[str]:
        """Everything that a play of the task shows, questions included."""
        return program_of(task).texts

    def brief(self, task: Task) -> Brief:
        return ACTING_BRIEF if any(isinstance(event, AskAct) for event in program_of(task).events) else BRIEF

    def train(self, cell: str, seed: int) -> Task:
        """A task of the training split; its names and phrasings are those of training."""
        return self.task(seed, theta=self.thetas()[cell], cell=cell)

    def held_out(self, seed: int) -> Task:
        """A task of the base theta with the names and the phrasings that training never sees."""
        return self.task(seed, "eval")

    def cells(self) -> Sequence[str]:
        """Easiest first; the last, "base", is the source's own theta."""
        return tuple(self.thetas())

    def thetas(self) -> Mapping[str, Theta]:
        """Cell name -> theta."""
        return ladder(self.theta)

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """As many questions a step as the base theta asks."""
        questions = max(1, round(self.theta.questions * horizon / self.theta.horizon))
        return {"horizon": horizon, "questions": questions}

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds:
        """The best keeper under ``budget`` tokens, and the blind guesser."""
        program = program_of(task)
        return Bounds(oracles.keeper_score(program, budget, cost), oracles.blind_score(program))

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> dict[str, int]:
        """Observation id -> last step at which the best keeper still needs it."""
        return oracles.plan(program_of(task), budget, cost)

    def reading_lessons(self, seed: int, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
        """As many views of up to ``max_lines`` lines as one training task has questions."""
        return sample_views(self.task(seed), rng, self.theta.questions, max_lines)

    def ideal_memory(self, task: Task, observation_id: str, budget: int, cost: Callable[[str], int]) -> tuple[str, ...]:
        """The facts that later questions need, in few words, the newest first."""
        return ideal.ideal_memory(program_of(task), step_of(observation_id), budget, cost)

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """The answer that the observations ``seen`` support; "unknown" where they support none."""
        program = program_of(task)
        query = program.events[step_of(question_id)]
        if not isinstance(query, QUERIES):
            raise ValueError(f"question_id = {question_id!r}: this observation asks nothing")
        steps = (step_of(name) for name in seen if name)
        return forward.answer(program.told(steps, query.step), query)

    def task_generator(self, budget: int, cost: Callable[[str], int]) -> MemWorldGenerator:
        """Where tasks are written and walk through the gates under ``budget`` tokens."""
        return MemWorldGenerator(self.theta, Limits(budget=budget), cost)

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """What the backward search finds the answer to rest on, less what is held."""
        supports = backward.supports(program_of(task).events).get(step_of(question_id), frozenset())
        return frozenset(map(observation_id, supports)) - held

    def sibling(self, task: Task, seed: int) -> Task | None:
        """The same theta with another seed; None for a task that somebody wrote."""
        return None if isinstance(task.theta, Written) else replace(task, seed=seed)


register("env", "memworld", MemWorldTasks, Theta)
