"""The contracts of play: Env, TaskSource, Renderer, Policy, Controller, Offers; and what they are handed.

A part is one class in one file of its plural folder. Batched where batching pays: a policy, a controller and whoever
makes offers get a list of requests, from many episodes at once, and answer in order. What a task source may be able to
do beyond its four methods stands in ``capabilities.py``; curricula and reflectors in ``learning.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from memrl.contracts.calls import Calls
from memrl.contracts.config import RolloutConfig
from memrl.contracts.promised import choices
from memrl.contracts.texts import TextTable
from memrl.contracts.types import (
    CONTROLLER,
    POLICY,
    Action,
    Actor,
    Decision,
    Observation,
    OfferSet,
    OpDecision,
    Task,
    TokenDecision,
    Tool,
    Verdict,
    ViewLine,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from memory_stores.embed import Embedder
    from memory_stores.memory import AgentMemory
    from memory_stores.types import Hit

# Shapes: R rows, A tokens of the longest answer.


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
    """Set where the action just taken was judged."""
    success: float | None = None
    """With the ending: how far the task was solved, in [0, 1]; None leaves it to the verdicts."""
    truncated: bool = False
    """With ``next = None``: the environment cut itself off (``End.STEP_LIMIT``); it is not the task's own ending."""


class Env(Protocol):
    """One task, played once. No ``reset``: make another. Randomness comes from the task's seed alone."""

    def start(self) -> Observation:
        """The first observation."""
        ...

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current observation; ``action`` is None where it wanted none."""
        ...


class TaskSource(Protocol):
    """A kind of environment: its tasks, and a fresh environment for each. All that a plain environment needs.

    ``passive = True`` says that what a policy does changes nothing that is shown later, only what is earned; a source
    that says nothing may react, and replay-based credit is then refused. ``edges_tell = True`` says that an edge
    tells all that its observation did (``capabilities.shown``).
    """

    name: str

    def make(self, task: Task) -> Env: ...

    def cells(self) -> Sequence[str]:
        """Names of the curriculum's cells, easiest first; the last one is what training is for."""
        ...

    def train(self, cell: str, seed: int) -> Task:
        """A task of the training split."""
        ...

    def held_out(self, seed: int) -> Task:
        """A task of the evaluation split, as hard as the last cell's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What an actor is told before anything else, and how its prompt names what it sees."""

    header: str = ""
    """What to do, in a line or two; empty for a plain word on memory."""
    tools: tuple[Tool, ...] = ()
    sees: str = ""
    """Names the observation in the plain layout; empty for "Question" or "Observation"."""
    does: str = ""
    """Names what is to follow; empty for "Answer" or "Action"."""
    max_new_tokens: int | None = None
    """None leaves it to the policy's config."""
    lines: int | None = 1
    """Lines that an answer may have; None for any number."""
    background: str = ""
    """In a chat layout, heads a system message with all lines of the view but the last, which then stands alone with
    the question; empty keeps them together."""


PLAIN = Brief()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """All that an actor made of tokens may know when it decides."""

    task: Task
    observation: Observation
    view: tuple[ViewLine, ...]
    """Token memory in stable order, then the hits."""
    memory_hash: str
    seed: int
    """Makes this one sample repeatable, whichever batch it is answered in."""
    greedy: bool = False
    brief: Brief = PLAIN
    scratch: tuple[str, ...] = ()
    """What the actor has told itself in this step, oldest first."""
    actor: Actor = POLICY
    """Who will have decided."""
    calls: Calls | None = None
    """All that may be said. A sampler with ``takes_calls = True`` samples nothing else and records it in its decision;
    any other leaves it to whoever reads the text."""


class Prompt(NamedTuple):
    """What a sampler needs to write one answer."""

    ids: tuple[int, ...]
    stops: tuple[int, ...]
    """Tokens after which it is complete."""
    max_new_tokens: int


class Renderer(Protocol):
    """Owns prompt, tools, parser, stops and length: the one place that knows how a model is spoken to."""

    def render(self, request: SampleRequest) -> Prompt: ...

    def completion(self, request: SampleRequest, text: str) -> tuple[int, ...]:
        """Token ids of a given answer after ``render``'s prompt, with the token that ends it."""
        ...

    def parse(self, ids: Sequence[int], request: SampleRequest) -> Action:
        """What the sampled tokens mean; ``Unreadable`` where they mean nothing."""
        ...


class Sampler(Protocol):
    """Decides in tokens: a model here, an engine beside it, an endpoint, a script.

    ``instant = True`` says that it gains nothing from large batches: it is asked at once, and waits for nobody.
    ``only_choices = True`` says that it can answer only where the observation offers choices, ``writes_freely = True``
    that it can write any text, such as a thought.
    """

    version: int
    """Of the weights that it samples with."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One decision a request, in order, each by the request's ``actor``."""
        ...


class Syncs(Protocol):
    """A sampler with weights of its own elsewhere, such as an engine's."""

    def sync(self, weights: Mapping[str, Any], version: int) -> None:
        """Take over the weights of that version."""
        ...


@runtime_checkable
class Rests(Protocol):
    """A sampler that holds something from one question of a play to the next."""

    def rest(self) -> None:
        """A play begins or is over: let go of it. A run that is resumed there then has the same bits."""
        ...


class Policy(Sampler, Checkpointed, Protocol):
    """A sampler whose state is a run's."""


class TrainablePolicy(Protocol):
    """What the learner needs of a model made of tokens.

    ``shares_starts = True`` says that ``token_logprobs`` reads what rows begin with alike once; such rows are then
    handed to it together. One with ``takes_calls = True`` has ``call_logprobs(rows, calls)`` too: the same among what
    was allowed at each place.
    """

    version: int
    """Grows by one at every change of weights."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, A] of sampled tokens with gradients, and the mask of those that exist."""
        ...

    def freeze_reference(self) -> None:
        """Keep a copy of the weights as they are for ``reference``. RL starts here; the copy is part of the state."""
        ...

    def reference(self) -> AbstractContextManager[None]:
        """The weights that RL started from, inside the ``with``."""
        ...

    def bump(self) -> None:
        """The weights changed."""
        ...


class OfferRequest(NamedTuple):
    """A moment at which ops are to be offered."""

    memory: AgentMemory
    observation: Observation
    reads: bool
    """Whether something may be brought into view, before the policy acts; else whether memory may change."""
    ops_so_far: int = 0
    """Ops on this observation that count."""
    view: tuple[Hit, ...] = ()
    """What was brought into view already."""
    room: int = 0
    """Tokens of the read budget that are left."""
    trusted: float = 0.0
    """The least trust of what may come into view."""


class Offers(Protocol):
    """Lists the legal ops of a moment and describes them; it owns the names of its numbers."""

    names: tuple[str, ...]
    """[F] what the numbers of an offer mean, in order."""
    columns: int
    """K, rows into the text table that describe an offer."""

    def offers(self, requests: Sequence[OfferRequest]) -> list[OfferSet]:
        """One set a request, in order; texts that are new are embedded in one batch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRequest:
    """All that a controller may know when it decides."""

    observation: Observation
    """In query-free mode a question never stands here when memory may change."""
    offers: OfferSet
    """Empty for a controller that wants none (``wants_offers = False``)."""
    memory: AgentMemory
    """To read only; change goes through the decision."""
    table: TextTable
    task: Task
    """For the oracle; a learned controller must not look."""
    rng: np.random.Generator
    """The episode's own, so that results do not depend on batching order."""
    greedy: bool = False
    count: int = 0
    """Ops already carried out at this step."""
    brief: Brief = PLAIN
    """The task's, which every actor may know."""
    actor: Actor = CONTROLLER


NO_OFFERS = OfferSet(ops=(), rows=np.zeros((0, 3), dtype=np.int64), numbers=np.zeros((0, 0), dtype=np.float32))


class OpChoice(NamedTuple):
    """Which offer was taken."""

    index: int
    logprob: float


class Controller(Checkpointed, Protocol):
    """Decides what happens to memory: by choosing an offer, or in tokens whose action is ``MemoryOps``.

    ``wants_offers = False`` says that it writes its ops itself; it is then asked once for each observation.
    ``writes_first = True`` says that where a policy acts it is asked before, not after: the policy acts from what it
    wrote, and what was done is shown to it with the observation that follows. ``writes_notes = True`` says that it
    chooses among offers and a model of its own, ``policy``, writes the text (``OpDecision.note``); a text is then
    offered for at most the tokens of its option ``note_tokens``.
    """

    version: int

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One decision a request, in order; play carries it out."""
        ...


def writes_first(controller: object) -> bool:
    """Whether a controller writes before the policy acts."""
    return bool(getattr(controller, "writes_first", False))


def writes_notes(controller: object) -> bool:
    """Whether a controller chooses ops and has a model write their texts."""
    return bool(getattr(controller, "writes_notes", False))


def decided(request: ControllerRequest, choice: OpChoice) -> OpDecision:
    """The decision to take an offer."""
    return OpDecision(
        actor=request.actor,
        action=request.offers.op(choice.index),
        memory_hash=request.memory.state_hash(),
        offers=request.offers,
        choice=choice.index,
        logprob=choice.logprob,
    )


class Chooser:
    """A controller that takes offers: a subclass says which, in ``choose``."""

    version = 0

    def choose(self, requests: Sequence[ControllerRequest]) -> Sequence[OpChoice]:
        """One choice a request, in order."""
        raise NotImplementedError(f"{type(self).__name__} is a Chooser and must define choose(requests)")

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        found = choices(self, self.choose(requests), [len(request.offers) for request in requests])
        return [decided(request, choice) for request, choice in zip(requests, found, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The parts that play together."""

    policy: Policy
    """Acts wherever nobody else is named."""
    controller: Controller
    offers: Offers | None
    """None for a controller that writes its ops itself."""
    task_source: TaskSource
    table: TextTable
    embedder: Embedder
    new_memory: Callable[[], AgentMemory]
    read_budget: int
    """Tokens of memory, hits included, in view at one step."""
    count_tokens: Callable[[str], int]
    read_trust: float = 0.0
    """The least trust of what may come into view."""
    max_ops: int = 2
    """Ops a step, the closing Keep not counted."""
    max_reads: int = 1
    """Readings before a policy acts; each sees what is in view already."""
    archive_all: bool = False
    """Whether all that may be remembered goes to the archive by itself; the controller decides on the rest."""
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    """Limits and guards that hold wherever this agent plays."""
    others: Mapping[Actor, Policy] = field(default_factory=dict)
    """Further policies by actor, such as "policy:bob"."""

    def policy_of(self, actor: Actor) -> Policy:
        """Who acts for an actor."""
        return self.others.get(actor, self.policy)

    @property
    def versions(self) -> tuple[tuple[Actor, int], ...]:
        """Of every actor's weights."""
        others = tuple((actor, policy.version) for actor, policy in sorted(self.others.items()))
        return ((POLICY, self.policy.version), (CONTROLLER, self.controller.version), *others)
