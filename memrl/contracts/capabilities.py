"""What a task source may be able to do beyond its four methods, one small protocol each, and the one place to ask.

A plain environment has none of them. ``able(source, EvidenceReader)`` gives the source if it can, else None;
``need(source, EvidenceReader, "rollout.practice_tasks", 12)`` raises one line: what is missing, and who needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import TaskGenerator
from memrl.contracts.protocols import PLAIN, Brief, Controller, SampleRequest, TaskSource
from memrl.contracts.types import Actor, Observation, Split, Task, ViewLine


class ReadingLesson(NamedTuple):
    """A view, a question and the answer that an oracle reader gives: what a reader is warm-started on."""

    lines: tuple[str, ...]
    question: str
    answer: str


class Example(NamedTuple):
    """What an actor is asked, and the text that it should have written: what it is warm-started on."""

    request: SampleRequest
    text: str


class Bounds(NamedTuple):
    """Ends of the scale for one task: ``q = (p - floor) / (ceiling - floor)``."""

    ceiling: float
    """p*, success of the best keeper under the budget, read without error."""
    floor: float
    """g, success of guessing with no memory at all."""


@runtime_checkable
class EvidenceReader(Protocol):
    """Knows which observations an answer rests on: an exact reader without a language model.

    An edge in memory or in view stands for the observation it was found in only where the source says
    ``edges_tell = True``: an edge is cheap, and where it leaves things out, it must not earn what they are worth.
    """

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """The exact answer that the observations ``seen`` support."""
        ...

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """Ids of the observations that the right answer rests on and that are not among ``held``.

        With nothing held, all that it rests on; empty where nothing was missing or nobody knows.
        """
        ...


@runtime_checkable
class Misleads(Protocol):
    """Beside evidence it knows what leads a reader astray."""

    def misled(self, task: Task, question_id: str, seen: frozenset[str]) -> bool:
        """Whether something among the observations ``seen`` would turn the answer wrong, evidence or not."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """Knows the best that a memory of a given size can do."""

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds:
        """What the best keeper under that budget and a blind guesser would score.

        ``cost`` is what keeping an observation's text takes, in tokens.
        """
        ...

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> Mapping[str, int]:
        """What the best keeper keeps: observation id -> last step at which it is still needed."""
        ...


@runtime_checkable
class WritesTasks(Protocol):
    """New tasks can be written and examined."""

    def task_generator(self, budget: int, cost: Callable[[str], int]) -> TaskGenerator:
        """Where tasks are written and walk through the gates, for a memory of ``budget`` tokens."""
        ...

    def sibling(self, task: Task, seed: int) -> Task | None:
        """Another training task of the same theta; None where a theta stands for one task only."""
        ...


@runtime_checkable
class Stretchable(Protocol):
    """Has tasks of other horizons."""

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """The options that a longer or shorter episode changes, questions in proportion to the steps."""
        ...


@runtime_checkable
class Lessons(Protocol):
    """Has supervised examples for the reader."""

    def reading_lessons(self, seed: int, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
        """Lessons from one training task."""
        ...


@runtime_checkable
class OracleMemory(Protocol):
    """Knows what an ideal memory holds, for actors that write memory in words."""

    def ideal_memory(self, task: Task, observation_id: str, budget: int, cost: Callable[[str], int]) -> Sequence[str]:
        """Its lines once that observation was seen, the newest fact first: what later questions still need, with the
        values that hold, within ``budget`` tokens. ``cost`` is what a line takes."""
        ...


@runtime_checkable
class Demonstrates(Protocol):
    """Knows for each of its tasks a way that solves it."""

    def walkthrough(self, task: Task) -> Sequence[str]:
        """What to say at each observation that wants an action, in order, from the start to the task's ending.

        Each text is what a policy would say: one of the choices, a call in the plain layout (``name(argument=value)``),
        or free speech. A pure function of the task.
        """
        ...


@runtime_checkable
class TakesLessons(Protocol):
    """A controller, not a source: it can be taught what an ideal memory holds."""

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """What it is to be asked along one passive task, and the text to write each time; memory has ``budget`` tokens.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        ...


@runtime_checkable
class TakesChoices(Protocol):
    """A controller, not a source: it chooses among offers, and can be taught to choose as an ideal memory would."""

    def ideal(self, source: TaskSource, budget: int, count: Callable[[str], int]) -> Controller:
        """Whoever chooses, and writes, so that memory becomes the ideal one of each passive task that it plays.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        ...


@runtime_checkable
class Foreseen(Protocol):
    """Knows beforehand what a play of a task will show: such texts are embedded in one batch. Speed, no more."""

    def texts(self, task: Task) -> Sequence[str]: ...


@runtime_checkable
class Fingerprinted(Protocol):
    """Draws its tasks from data that somebody keeps in files, and can tell whether they are what they were."""

    def fingerprints(self, split: Split) -> Sequence[str]:
        """Of each record of a split, in order, whatever its id. ``fingerprint`` makes one."""
        ...


def fingerprint(shown: Iterable[str], judged: Iterable[str] = ()) -> str:
    """Two times 16 hexadecimal digits, a point between them: of what is shown, and of what decides how it is judged.
    What is trained on counts as seen by the first alone. Case and blanks make no other."""
    return f"{_digits(shown)}.{_digits(judged)}"


def _digits(texts: Iterable[str]) -> str:
    flat = "\n".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.blake2b(flat.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@runtime_checkable
class Finite(Protocol):
    """Has only so many held-out tasks."""

    num_tasks: int


@runtime_checkable
class Briefed(Protocol):
    """Tells its actors what to do."""

    def brief(self, task: Task) -> Brief: ...


Capability = TypeVar("Capability")

_MEANS: Mapping[type, str] = {
    EvidenceReader: "an evidence reader (read, blame)",
    Misleads: "knowledge of what misleads (misled)",
    Bounded: "known bounds (bounds, plan)",
    WritesTasks: "a task generator (task_generator, sibling)",
    Stretchable: "other horizons (at_horizon)",
    Lessons: "reading lessons (reading_lessons)",
    OracleMemory: "an oracle memory (ideal_memory)",
    Demonstrates: "a walkthrough of its tasks (walkthrough)",
    Fingerprinted: "fingerprints of its data (fingerprints)",
    Finite: "a fixed number of tasks (num_tasks)",
}


def able(source: object, capability: type[Capability]) -> Capability | None:
    """The source, if it has the capability."""
    return cast(Capability, source) if isinstance(source, capability) else None


def need(source: Any, capability: type[Capability], knob: str, value: object, instead: str = "") -> Capability:
    """The source with a capability that a knob rests on.

    Raises:
        ConfigError: it does not have it; the message names the knob, what is missing and ``instead``.
    """
    found = able(source, capability)
    if found is None:
        name = getattr(source, "name", type(source).__name__)
        way_out = f"env {name!r} has no {_MEANS[capability].partition(' ')[2]}"
        raise ConfigError(knob, value, f"{way_out}; {instead}" if instead else way_out)
    return found


def is_passive(source: object) -> bool:
    """Whether the source says that actions change nothing that is shown later."""
    return bool(getattr(source, "passive", False))


def edges_tell(source: object) -> bool:
    """Whether the source says that an edge tells all that the observation did which it was found in."""
    return bool(getattr(source, "edges_tell", False))


def shown(source: object, view: Iterable[ViewLine]) -> frozenset[str]:
    """Ids of the observations that a view shows whole: those of its texts, and of its edges where these tell all."""
    edges = edges_tell(source)
    return frozenset(line.observation_id for line in view if edges or line.store != "graph")


def over_view(
    task: Task, observation: Observation, view: Sequence[ViewLine], brief: Brief, actor: Actor, **more: Any
) -> SampleRequest:
    """A request over a view that stands by itself, with no memory behind it, as lessons have.

    Args:
        more: further fields of ``SampleRequest``.
    """
    return SampleRequest(
        task=task, observation=observation, view=tuple(view), memory_hash="", seed=0, brief=brief, actor=actor, **more
    )


def asked_again(source: TaskSource, task: Task, observation: Observation, view: Sequence[ViewLine]) -> SampleRequest:
    """The request that play made of whom the observation asks, over a given view, for the likeliest answer."""
    return over_view(task, observation, view, brief_of(source, task), observation.to, greedy=True)


def brief_of(source: object, task: Task) -> Brief:
    """What the source tells its actors; a plain word where it tells nothing."""
    briefed = able(source, Briefed)
    return briefed.brief(task) if briefed is not None else PLAIN
