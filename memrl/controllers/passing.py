"""One passing of a task beside an ideal memory: what lessons for a controller that writes are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from memrl.contracts.capabilities import Example, OracleMemory, brief_of, need
from memrl.contracts.protocols import SampleRequest, TaskSource
from memrl.contracts.types import Observation, Say, Task, ViewLine


class Moment(NamedTuple):
    """An observation, and what an ideal memory makes of it."""

    observation: Observation
    ideal: tuple[str, ...]
    """Its lines once the observation was seen, the newest fact first; of what may not be written, none."""
    expected: str
    """The right answer to a question; empty where nothing was judged."""


def moments(
    source: TaskSource, task: Task, budget: int, count: Callable[[str], int], between: str = ""
) -> Iterator[Moment]:
    """The task from its first observation to its last, answered with nothing.

    Args:
        budget: tokens of the ideal memory at the most.
        between: what stands after each of its lines, and is counted.

    Raises:
        ConfigError: the source knows no ideal memory.
    """
    knows = need(source, OracleMemory, "warm_start.memory_tasks", "> 0", "set it to 0")
    env = source.make(task)
    observation: Observation | None = env.start()
    while observation is not None:
        outcome = env.step(Say("") if observation.wants_action else None)
        ideal: Sequence[str] = ()
        if observation.writable:
            ideal = knows.ideal_memory(task, observation.id, budget, lambda line: count(f"{line}{between}"))
        yield Moment(observation, tuple(ideal), "" if outcome.verdict is None else outcome.verdict.expected)
        observation = outcome.next


def lines_of(*texts: str) -> tuple[ViewLine, ...]:
    """Texts as lines of a view; empty ones are none."""
    return tuple(ViewLine(text, "", "token", "") for text in texts if text)


def answered(source: TaskSource, task: Task, moment: Moment, view: Sequence[ViewLine]) -> list[Example]:
    """The policy's own lesson at a moment: the right answer, where what it sees holds it."""
    if not moment.expected or not any(moment.expected in line.text for line in view):
        return []
    asked = SampleRequest(
        task=task,
        observation=moment.observation,
        view=tuple(view),
        memory_hash="",
        seed=0,
        brief=brief_of(source, task),
        actor=moment.observation.to,
    )
    return [Example(asked, moment.expected)]
