"""What a part is made from, by kind: the first thing that its ``make`` is given.

env, linker, embedder    nothing
policy                   PolicyContext
controller               ControllerContext
offers                   OffersContext
curriculum               CurriculumContext
proposer                 ProposerContext
reflector                ReflectorContext
store                    memory_stores.store.StoreContext
row                      RowContext
sink                     SinkContext
estimator                none: the part is itself the function that is called with (episodes, scene)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memory_stores.linker import EntityLinker
from memory_stores.store import StoreContext as StoreContext
from memory_stores.types import CountTokens
from memrl.contracts.capabilities import Demonstrates, EvidenceReader
from memrl.contracts.config import CurriculumConfig, PolicyConfig, TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import TaskGenerator, TaskProposer
from memrl.contracts.protocols import Policy, TaskSource
from memrl.contracts.rows import RowContext as RowContext
from memrl.contracts.texts import TextTable
from memrl.contracts.types import OfferSet, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContext:
    """What a policy is made from."""

    config: PolicyConfig
    seed: int
    """Of whatever it draws when it is made."""
    task_source: TaskSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerContext:
    """What a controller is made from."""

    table: TextTable
    """The run's texts and their embeddings."""
    seed: int
    plan: Callable[[Task], Mapping[str, int]]
    """Task -> observation id -> last step at which the best keeper needs it: for an oracle alone. Raises ConfigError
    where nobody knows."""
    policy: Policy | None = None
    """The run's policy, for a controller that writes with it."""
    evidence: EvidenceReader | None = None
    """Where the environment knows which observations an answer rests on: for an oracle alone."""
    demonstrates: Demonstrates | None = None
    """Where the environment knows a way that solves its tasks: for one that looks at the future."""
    names: tuple[str, ...] = ()
    """[F] what the numbers of an offer mean, in order."""
    linked: bool = False
    """Whether a linker reads relations out of texts: without one the numbers about statements are all 0."""
    cache: Path | None = None
    """Folder for what is slow to work out and the same for every run; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffersContext:
    """What a lister of offers is made from."""

    table: TextTable
    count_tokens: CountTokens
    """The reader's own count of a text."""
    linker: EntityLinker | None
    """Reads relations out of texts; None for nobody."""
    edges: bool
    """Whether memories have a graph."""
    subjects: bool
    """Whether the controller asks what texts speak of."""
    cache: Path
    """Folder for what is slow to work out and the same for every run."""


class CellDraws(Protocol):
    """Cells of a task source to tasks, with a random state of its own."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cells, easiest first."""
        ...

    def tasks(self, cells: Sequence[str], probabilities: NDArray[np.float64], count: int) -> list[Task]:
        """``count`` training tasks of fresh (or pooled) seeds."""
        ...

    def task(self, cell: str, seed: int) -> Task: ...

    def seed(self) -> int: ...

    def shares(self) -> dict[str, float]:
        """Share of each cell among the draws since the last call, as metrics."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumContext:
    """What a curriculum is made from."""

    draws: CellDraws
    config: CurriculumConfig
    task_source: TaskSource
    task_generator: TaskGenerator | None
    """None where nobody can check tasks of this task source exactly."""
    proposer: TaskProposer | None = None
    """Who writes tasks from nothing; None where nobody does."""
    budget: int
    """Tokens of memory that tasks are played under."""
    cost: Callable[[str], int]
    """Tokens that keeping an observation's text takes."""
    seed: int
    steps: int
    """Of the whole run."""

    def need_task_generator(self) -> TaskGenerator:
        """The task generator. Raises ConfigError where the task source has none."""
        if self.task_generator is None:
            way_out = f"env {self.task_source.name!r} has no task generator; use uniform or bandit"
            raise ConfigError("curriculum.name", self.config.name, way_out)
        return self.task_generator


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerContext:
    """What a proposer of tasks is made from."""

    task_generator: TaskGenerator
    examples: Sequence[Task]
    """One task of each cell."""
    policy: Policy
    policy_trained: bool
    seed: int

    def writer(self) -> Any:
        """The policy, if it can write under a rule. Raises ConfigError."""
        return writer(self.policy, "curriculum.proposer", "axes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorContext:
    """What a reflector is made from."""

    policy: Policy
    seed: int
    describe: Callable[[OfferSet, int], str]
    """An offer as the rule that it is an example of, in words."""
    worthless: Callable[[OfferSet, int], bool]
    """Whether what an offer gives up is plainly of no use."""

    def writer(self) -> Any:
        """The policy, if it can write under a rule. Raises ConfigError."""
        return writer(self.policy, "reflection.name", "tracker")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What a metric sink is made from."""

    folder: Path
    """The run's."""
    config: TrainConfig


def writer(policy: Policy, knob: str, instead: str) -> Any:
    """The policy, if it can write under a rule. Raises ConfigError that names the knob and what to use instead."""
    if not hasattr(policy, "write_under"):
        raise ConfigError(knob, "lm", f"this policy is no language model; use {instead}")
    return policy
