"""The contracts beside play: what studies failures, what draws the next tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.protocols import Agent, Checkpointed
from memrl.contracts.types import Group, OpDecision, Task, TokenDecision


class Place(NamedTuple):
    """Where a decision stands among the groups that a reflector was given."""

    group: int
    episode: int
    """Index into the group's episodes."""
    step: int
    """Index into the episode's steps."""
    place: int
    """Index into the step's decisions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """One decision that should have been another, with the proof: what replay with the edit gained."""

    task: Task
    at: Place
    """Of the decision, among the groups that the reflector was given; what a study returns, among the study's."""
    decision: OpDecision
    """As it was taken, with everything that was on offer."""
    better: int
    """Index of the offer that should have been taken."""
    rule: str
    """The lesson in words; holds no answer and nothing that was first seen after the step."""
    gain: float
    """By which the episode's success grew in replay; a lesson that is told has more than 0."""
    sibling_gain: float = 0.0
    """The same on a sibling task: same theta, another seed."""
    signature: str = ""
    """Key of the skills that the task asks for; empty where nobody knows."""
    told: TokenDecision | None = None
    """The tokens that the reflector sampled to tell it; None where it sampled none."""

    @property
    def step(self) -> int:
        """Index of the decision's step in its episode."""
        return self.at.step


class Reflector(Protocol):
    """Studies failed episodes and proposes lessons, unproven: ``gain`` is what it hopes for."""

    def reflect(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]: ...


class Reflection(Checkpointed, Protocol):
    """From failed episodes to proven lessons to learning."""

    def study(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        """The lessons that replay has proven, of these groups, which ``agent`` played."""
        ...

    def auxiliary_losses(self, lessons: Sequence[Lesson]) -> Sequence[AuxiliaryLoss]:
        """What the actors should learn from them; empty where lessons are not internalised."""
        ...

    def metrics(self) -> dict[str, float]: ...


class Curriculum(Checkpointed, Protocol):
    """Decides which tasks come next."""

    def draw(self, count: int) -> list[Task]: ...

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None: ...

    def auxiliary_losses(self) -> Sequence[AuxiliaryLoss]:
        """What the one who wrote the tasks should learn from how they went; empty where nobody learns."""
        ...

    def drain_log(self) -> list[dict[str, Any]]:
        """Rows of ``tasks.jsonl`` since the last call, JSON-ready, each with its ``step``; empty if nobody judges."""
        ...

    def metrics(self) -> dict[str, float]:
        """Numbers worth plotting, such as the share drawn of each cell."""
        ...
