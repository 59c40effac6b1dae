"""A program: the events of one task, their texts and the answers that both trackers agree on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from random import Random

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Split, Task
from memrl.envs.memworld import backward, forward
from memrl.envs.memworld.author import Author, Cast
from memrl.envs.memworld.events import QUERIES, Event, Query
from memrl.envs.memworld.questions import Asker
from memrl.envs.memworld.schedule import Role, schedule
from memrl.envs.memworld.theta import PLANNED, SURFACE, Theta
from memrl.envs.memworld.voice import Voice

_CACHED_STEPS = 200_000
"""Steps of all programs kept for reuse: about 4,000 programs of the default horizon, some 100 MB."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Program:
    """Everything there is to know about one task."""

    theta: Theta
    seed: int
    split: Split
    cast: Cast
    events: tuple[Event, ...]
    """One a step."""
    texts: tuple[str, ...]
    """One a step."""
    answers: Mapping[int, str]
    """Step of a query -> the right answer."""

    @property
    def queries(self) -> tuple[Query, ...]:
        return tuple(event for event in self.events if isinstance(event, QUERIES))

    def told(self, steps: Iterable[int], before: int) -> list[Event]:
        """The events of those steps that come before ``before``, in order, each once."""
        return [self.events[step] for step in sorted(set(steps)) if step < before]


def write_program(theta: Theta, seed: int, split: Split) -> Program:
    """The program of (theta, seed, split): the same in every process. Takes time linear in the horizon.

    Raises RuntimeError if the two trackers disagree about an answer, which no input should cause.
    """
    program = draft_program(theta, seed, split)
    agreed(program.answers, backward.answers(program.events))
    return program


def draft_program(theta: Theta, seed: int, split: Split) -> Program:
    """``write_program`` on the word of the forward tracker alone: for a gate that compares the trackers itself."""
    # Of what happens only: how it is said changes no event.
    axes = {axis.name: getattr(theta, axis.name) for axis in fields(theta) if axis.name not in SURFACE}
    told = tuple(value for name, value in axes.items() if value or name not in PLANNED)
    rng = Random(f"memworld {split} {seed} {told}")
    author = Author(theta, split, rng)
    asker = Asker(author, rng)
    write = {
        Role.OPENING: author.opening,
        Role.UPDATE: author.update,
        Role.RETRACT: author.retract,
        Role.CONTRADICT: author.contradict,
        Role.FILLER: author.filler,
        Role.QUESTION: asker.ask,
    }

    def event(step: int, role: Role) -> Event:
        outcome = role is not Role.QUESTION and author.outcome(step)
        return outcome or write[role](step)

    events = tuple(event(step, role) for step, role in enumerate(schedule(theta, rng)))
    return told_forward(theta, seed, split, author.cast, events)


def told_forward(theta: Theta, seed: int, split: Split, cast: Cast, events: tuple[Event, ...]) -> Program:
    """The program of these events, with their texts, and answers by the forward tracker alone."""
    return Program(
        theta=theta,
        seed=seed,
        split=split,
        cast=cast,
        events=events,
        texts=tuple(map(Voice(theta, split, cast).say, events)),
        answers=forward.answers(events),
    )


@dataclass(frozen=True, slots=True)
class Written:
    """A program that somebody wrote or edited, in place of a theta: ``Task(theta=Written(program), ...)``.

    Equal to another exactly if the programs say and ask the same; hashable and picklable.
    """

    program: Program = field(compare=False)
    digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(self.program))

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return len(self.program.events)


def digest(program: Program) -> str:
    """64 hex digits: the same in every process for programs that are the same in all that they say and ask."""
    parts = (program.theta, program.seed, program.split, program.cast, program.events, program.texts)
    return sha256(repr((*parts, sorted(program.answers.items()))).encode()).hexdigest()


def agreed(one: Mapping[int, str], two: Mapping[int, str]) -> Mapping[int, str]:
    """The answers (step -> word) of two trackers, if they are the same. Raises RuntimeError otherwise."""
    for step in sorted(one.keys() | two.keys()):
        if one.get(step) != two.get(step):
            raise RuntimeError(f"the trackers disagree at step {step}: {one.get(step)!r} and {two.get(step)!r}")
    return one


class ProgramCache:
    """The programs used last, up to a number of steps in all."""

    def __init__(self, steps: int = _CACHED_STEPS) -> None:
        self._limit = steps
        self._steps = 0
        self._programs: OrderedDict[tuple[Theta, int, Split], Program] = OrderedDict()

    def get(self, theta: Theta, seed: int, split: Split) -> Program:
        """The program, written if it is not here."""
        key = (theta, seed, split)
        program = self._programs.pop(key, None)
        if program is None:
            program = write_program(theta, seed, split)
            self._steps += theta.horizon
        self._programs[key] = program
        while self._steps > self._limit and len(self._programs) > 1:
            (old, _, _), _ = self._programs.popitem(last=False)
            self._steps -= old.horizon
        return program


PROGRAMS = ProgramCache()


def program_of(task: Task) -> Program:
    """The program of a task; recent ones are kept.

    ``task.theta`` may be a Theta, a plain mapping of axes as read from JSON, or Written.
    Raises ConfigError for a theta that cannot be, and for a written program of the other split.
    """
    if isinstance(task.theta, Written):
        if task.split != task.theta.program.split:
            way_out = f"the written program uses names of {task.theta.program.split!r}; give the task that split"
            raise ConfigError("task.split", task.split, way_out)
        return task.theta.program
    return PROGRAMS.get(as_theta(task.theta), task.seed, task.split)


def written(program: Program, cell: str = "") -> Task:
    """The task that plays this very program."""
    return Task(env="memworld", theta=Written(program), seed=program.seed, split=program.split, cell=cell)


def as_theta(theta: object) -> Theta:
    """A Theta as it is, or one from a mapping of axes. Raises ConfigError for anything else."""
    if isinstance(theta, Theta):
        return theta
    if isinstance(theta, Mapping):
        return Theta.from_mapping(theta)
    raise ConfigError("env.options", theta, "give a mapping from axes to values, or a Theta")
