"""Five contracts on one page: Env, Policy, Controller, Reflector, Curriculum; and what joins them to the learner.

A part is one class in one file of its plural folder, plus one line in ``build.py``. Batched where batching
pays: a policy and a controller get a list of requests, from many episodes at once, and answer in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from memrl.contracts.proposing import AuxiliaryLoss as AuxiliaryLoss
from memrl.contracts.proposing import Proposal as Proposal
from memrl.contracts.proposing import TaskProposer as TaskProposer
from memrl.contracts.types import (
    Action,
    Group,
    Observation,
    OfferSet,
    OpDecision,
    Task,
    TextTable,
    TokenDecision,
    Verdict,
    ViewLine,
)

if TYPE_CHECKING:
    from memory_stores.embed import Embedder
    from memory_stores.memory import AgentMemory


class Checkpointed(Protocol):
    """Everything that carries state through a run."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Outcome(NamedTuple):
    """What an environment answers to one step."""

    reward: float
    next: Observation | None
    """None at the task's own ending."""
    verdict: Verdict | None = None
    """Set where the observation just dealt with asked for an answer."""


class Env(Protocol):
    """One task, played once. No ``reset``: make another. Randomness comes from the task's seed alone."""

    task: Task

    def start(self) -> Observation:
        """The first observation."""
        ...

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current observation; ``action`` is None where it asked for nothing."""
        ...


class TaskSource(Protocol):
    """What a kind of environment offers a curriculum and an evaluation."""

    name: str
    num_tasks: int | None
    """How many different held-out tasks there are; None for no end of them."""

    def make(self, task: Task) -> Env: ...

    def texts(self, task: Task) -> Sequence[str]:
        """Texts that a play of the task will show, as far as they are known beforehand: they are embedded in one batch.

        May be empty; costs speed, never correctness.
        """
        ...

    def held_out(self, seed: int, theta: Any) -> Task:
        """A task of the evaluation split."""
        ...

    def cells(self) -> Mapping[str, Any]:
        """Curriculum cell name -> theta, easiest first."""
        ...

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """The axes of theta that a longer or shorter episode changes, questions in proportion to the steps."""
        ...

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds | None:
        """What the best keeper under that budget and a blind guesser would score; None where nobody can know.

        ``cost`` is what keeping an observation's text takes, in tokens.
        """
        ...

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> Mapping[str, int] | None:
        """What the best keeper keeps: observation id -> last step at which it is still needed. None if unknown."""
        ...

    def reading_lessons(self, seed: int, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
        """Lessons from one training task; empty if this task source has none."""
        ...

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str | None:
        """The exact answer that the observations ``seen`` support; None if this task source has no exact reader."""
        ...

    def task_generator(self, budget: int, cost: Callable[[str], int]) -> TaskGenerator | None:
        """Where tasks of this task source are written and examined; None if nobody can check them exactly."""
        ...

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """Ids of the observations that the right answer rests on and that are not among ``held``.

        With nothing held, all that it rests on; empty where nothing was missing or nobody knows.
        """
        ...

    def sibling(self, task: Task, seed: int) -> Task | None:
        """Another training task of the same theta; None where a theta stands for one task only."""
        ...


class Judged(Protocol):
    """What came of one proposed task."""

    @property
    def accepted(self) -> bool: ...
    @property
    def gate(self) -> str:
        """The gate that turned it away; empty if none did."""
        ...

    @property
    def reason(self) -> str: ...
    @property
    def signature(self) -> str:
        """Which skills it asks for; empty if it was turned away before that was known."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for tasks of the same events."""
        ...

    @property
    def bounds(self) -> Bounds | None: ...
    @property
    def task(self) -> Task | None:
        """Ready to play; set if it was accepted."""
        ...

    def to_json(self) -> dict[str, Any]: ...


class TaskGenerator(Checkpointed, Protocol):
    """Writes tasks and lets only proven ones pass. Its state is the bank of what was accepted before."""

    def fresh(self, rng: np.random.Generator) -> Any:
        """A candidate from anywhere in the space of theta."""
        ...

    def edited(self, task: Task, rng: np.random.Generator) -> Any:
        """A candidate one edit away from a task."""
        ...

    def shortened(self, candidate: Any, most: int) -> Any:
        """The candidate with an episode of at most ``most`` steps; as it is where it cannot be cut."""
        ...

    def judge(self, candidate: Any) -> Judged:
        """Walk the gates; changes nothing."""
        ...

    def enter(self, judged: Judged) -> None:
        """Enter an accepted task into the bank."""
        ...

    def penalty(self, signature: str) -> float:
        """Novelty penalty in [0, 1]: how common the signature is among recent tasks."""
        ...

    def signature(self, task: Task) -> str:
        """Key of the skills that a task asks for."""
        ...

    def to_json(self, candidate: Any) -> dict[str, Any]:
        """A candidate in its JSON form, for a log."""
        ...

    def from_json(self, data: Mapping[str, Any]) -> Task:
        """The task of ``to_json``. Raises ConfigError."""
        ...

    def space(self) -> Any:
        """The axes that a learned proposer chooses from: a ``proposers.space.TaskSpace``."""
        ...


class ReadingLesson(NamedTuple):
    """A view, a question and the answer that an exact reader gives: what a reader is warm-started on."""

    lines: tuple[str, ...]
    question: str
    answer: str


class Bounds(NamedTuple):
    """Ends of the scale for one task: ``q = (p - floor) / (ceiling - floor)``."""

    ceiling: float
    """p*, success of the best keeper under the budget, read without error."""
    floor: float
    """g, success of guessing with no memory at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """All that a policy may know when it acts."""

    task: Task
    observation: Observation
    view: tuple[ViewLine, ...]
    """Token memory in stable order, then the hits."""
    memory_hash: str
    seed: int
    """Makes this one sample repeatable, whichever batch it is answered in."""
    greedy: bool = False


class Policy(Checkpointed, Protocol):
    """Acts where the environment asks."""

    version: int
    """Grows by one at every change of weights."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One decision a request, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRequest:
    """All that a controller may know when it chooses an op."""

    observation: Observation
    """In query-free mode a question never stands here when a write is on offer."""
    offers: OfferSet
    memory: AgentMemory
    """To read only; change goes through the chosen op."""
    table: TextTable
    task: Task
    """For the oracle; a learned controller must not look."""
    rng: np.random.Generator
    """The episode's own, so that results do not depend on batching order."""
    greedy: bool = False
    count: int = 0
    """Ops already carried out at this step."""


class OpChoice(NamedTuple):
    """Which offer was taken."""

    index: int
    logprob: float


class Controller(Checkpointed, Protocol):
    """Chooses one of the memory ops on offer."""

    version: int

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        """One choice a request, in order."""
        ...


class OpOffers(Protocol):
    """Enumerates the ops on offer. Not a contract to learn: the one way from a memory to its legal ops."""

    def texts(self, observation: Observation) -> list[str]: ...

    def writes(self, memory: AgentMemory, observation: Observation, ops_so_far: int = 0) -> OfferSet: ...

    def reads(self, memory: AgentMemory, observation: Observation, ops_so_far: int = 0) -> OfferSet: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The parts that play together."""

    policy: Policy
    controller: Controller
    offers: OpOffers
    task_source: TaskSource
    table: TextTable
    embedder: Embedder
    new_memory: Callable[[], AgentMemory]
    read_budget: int
    """Tokens of memory, hits included, in view at one step."""
    count_tokens: Callable[[str], int]
    max_ops: int = 2
    """Ops a step, the closing Keep not counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """One decision that should have been another, with the proof: what replay with the edit gained."""

    task: Task
    step: int
    """Index into the episode's steps."""
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
