"""Any environment read in larger pieces: what it shows without asking for an action is joined, some at a time.

    env: {name: chunks, options: {env: my_env, size: 6, env_options: {...}}}

    o0 o1 o2 o3 ?4 o5 o6 …   ─ size 3 ─>   [o0 o1 o2] [o3] ?4 [o5 o6 …]

Whatever wants an action, may not be written or follows such a one begins anew, so a question is asked at its own time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memrl.contracts.capabilities import Lessons, OracleMemory, able, is_passive
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Env, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Task
from memrl.contracts.wrapped import WrappedTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksOptions:
    env: str = ""
    """The environment that is read, a part of kind "env"."""
    env_options: Mapping[str, Any] = field(default_factory=dict)
    """Its own knobs that differ from its defaults."""
    size: int = 6
    """Observations of a chunk at the most."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError("env.options.size", self.size, "it must be at least 1")


class ChunkedEnv:
    """One task, its observations joined. What the environment pays inside a chunk is paid for the chunk."""

    def __init__(self, env: Env, size: int) -> None:
        self._env, self._size = env, size
        self._earned = 0.0
        self._answer: Outcome | None = None
        """To the last observation of the chunk, where it had to be asked for to see that the chunk ends there."""

    def start(self) -> Observation:
        """The first chunk."""
        return self._gathered(self._env.start())

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current chunk, or with the observation that wanted an action."""
        earned, outcome = self._earned, self._answer
        if outcome is None:
            outcome = self._env.step(action)
            earned += outcome.reward
        shown = None if outcome.next is None else self._gathered(outcome.next)
        return outcome._replace(reward=earned, next=shown)

    def _gathered(self, first: Observation) -> Observation:
        """That observation, with as many after it as may be joined to it."""
        self._earned, self._answer = 0.0, None
        parts = [first]
        while _joins(first) and len(parts) < self._size:
            outcome = self._env.step(None)
            self._earned += outcome.reward
            if outcome.next is None or not _joins(outcome.next):
                self._answer = outcome
                break
            parts.append(outcome.next)
        return joined(parts)


def _joins(observation: Observation) -> bool:
    return observation.writable and not observation.wants_action


def joined(parts: Sequence[Observation]) -> Observation:
    """One observation that shows all parts: with the last one's id, step and time, believed as the least of them."""
    sources = {part.source for part in parts}
    return replace(
        parts[-1],
        content=tuple(piece for part in parts for piece in part.content),
        source=sources.pop() if len(sources) == 1 else "",
        trust=min(part.trust for part in parts),
    )


class ChunkedTasks(WrappedTasks):
    """The tasks of another source, each read in chunks.

    What that source knows of an ideal memory, of lessons, horizons and briefs is passed on. What it says by the id of
    an observation (what an answer rests on, whom to keep) is not: a chunk is known by its last observation alone.
    """

    name = "chunks"

    def __init__(self, options: ChunksOptions) -> None:
        self._options = options
        super().__init__(options.env, options.env_options)
        self.passive = is_passive(self._source)
        if (knows := able(self._source, OracleMemory)) is not None:
            self.ideal_memory = lambda task, *asked: knows.ideal_memory(self.inner(task), *asked)
        if (teaches := able(self._source, Lessons)) is not None:
            self.reading_lessons = teaches.reading_lessons

    def make(self, task: Task) -> ChunkedEnv:
        return ChunkedEnv(self._source.make(self.inner(task)), self._options.size)


register("env", "chunks", ChunkedTasks, ChunksOptions)
