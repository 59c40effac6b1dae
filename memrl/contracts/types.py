"""What flows through a run: Task -> Observation -> Decision -> Step -> Episode -> Group.

Plain data, no torch. ``Decision`` is the unit of learning; a step holds several (retrieve, act, write),
each by one actor. ``Episode`` is the unit of accounting: how many rows it became must not change its weight.

Shapes: C candidate ops of one decision, F numbers of a candidate, S prompt tokens, A sampled tokens,
U texts of a table, E embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from memory_stores.types import MemoryOp, StoreName

Actor = Literal["policy", "controller", "reflector", "proposer"]
Split = Literal["train", "eval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One problem, complete and small: the environment regenerates everything else from it."""

    env: str
    """Name of the environment task source, as in ``build.ENVS``."""
    theta: Any
    """The task source's own frozen dataclass of levelled axes; JSON-ready through ``dataclasses.asdict``.

    In its place a task source may take a frozen, hashable object that holds one task as somebody wrote it
    (MemWorld's ``Written``).
    """
    seed: int
    split: Split = "train"
    """Names and phrasings of the two splits do not overlap."""
    cell: str = ""
    """Which curriculum cell it was drawn from."""


class Kind(Enum):
    """What an observation wants."""

    TELL = "tell"
    """It only tells; the controller may write."""
    ASK = "ask"
    """It wants an answer from the policy; the controller may retrieve first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the environment shows at one step."""

    id: str
    """Unique in its episode; becomes provenance of whatever is written from it."""
    step: int
    text: str
    kind: Kind
    trust: float = 1.0
    """How far the channel may be believed, where the environment knows it; 1 says nothing."""


@dataclass(frozen=True, slots=True)
class Say:
    """A text, to the environment or to a person."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A named call with JSON-ready arguments."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Tokens that parsed to no action. Training must see it."""

    raw: str


Action = Say | ToolCall | MemoryOp | Unreadable


@dataclass(frozen=True, slots=True)
class ViewLine:
    """One line of memory that the policy saw, and where it came from."""

    text: str
    entry_id: str
    store: StoreName
    observation_id: str


class TextTable:
    """Texts and their embeddings, each kept once and referred to by row.

    One table serves a whole run; a decision refers to its rows. Row -1 means "no text".
    """

    def __init__(self, embedder: EmbedderLike) -> None:
        self._embedder = embedder
        self._row_of: dict[str, int] = {}
        self._matrix: NDArray[np.float32] = np.zeros((256, embedder.dim), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, text: str) -> bool:
        return text in self._row_of

    @property
    def dim(self) -> int:
        return self._matrix.shape[1]

    def add(self, texts: Sequence[str]) -> None:
        """Embed in one batch those texts that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._row_of]
        if not new:
            return
        vectors = self._embedder.embed(new)
        start, end = len(self._row_of), len(self._row_of) + len(new)
        while end > len(self._matrix):
            self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
        self._matrix[start:end] = vectors
        self._row_of.update((text, start + i) for i, text in enumerate(new))

    def row(self, text: str) -> int:
        """The row of a text, embedding it if it is new."""
        if text not in self._row_of:
            self.add([text])
        return self._row_of[text]

    @property
    def matrix(self) -> NDArray[np.float32]:
        """[U, E], one unit vector a text."""
        return self._matrix[: len(self._row_of)]

    def state_dict(self) -> dict[str, Any]:
        """Texts and vectors in order of rows: sums over rows come out to the same bit only in the same order."""
        return {"texts": list(self._row_of), "matrix": self.matrix.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._row_of = {text: row for row, text in enumerate(state["texts"])}
        self._matrix = np.concatenate([state["matrix"], np.zeros((256, self.dim), dtype=np.float32)])


class EmbedderLike(Protocol):
    """The part of ``memory_stores.embed.Embedder`` that a table needs."""

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class OfferSet:
    """The legal ops of one moment, and what a scorer may know of each."""

    ops: tuple[MemoryOp, ...]
    """[C] the first is always ``Keep``."""
    rows: NDArray[np.int64]
    """[C, 3] rows into the text table: the observation, what the op would write, what it would touch; -1 for none.
    [C, 5] where the proposer describes subjects: then what the observation and what the touched entry speak of."""
    numbers: NDArray[np.float32]
    """[C, F] plain numbers, named by ``controllers.proposals.NUMBER_NAMES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDecision:
    """One choice made in tokens by one actor."""

    actor: Actor
    action: Action
    """``action_ids``, parsed."""
    memory_hash: str
    prompt_ids: tuple[int, ...]
    """[S] tokens the actor saw, memory and hits included."""
    action_ids: tuple[int, ...]
    """[A] tokens the actor sampled, the stop token included; never decoded and encoded again."""
    logprobs: tuple[float, ...]
    """[A] under the weights that sampled them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpDecision:
    """One choice among the C ops on offer."""

    actor: Actor
    action: MemoryOp
    memory_hash: str
    offers: OfferSet
    choice: int
    """Index into ``offers.ops``."""
    logprob: float
    created: tuple[str, ...] = ()
    """Ids of the entries that the op made: where credit for their use flows back to."""
    refused: bool = False


Decision = TokenDecision | OpDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an answer was judged."""

    score: float
    """In [0, 1]; 1 is right."""
    expected: str
    category: str
    """The kind of question, for tables."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One observation, everything that was decided on it, and what came of it."""

    observation: Observation
    decisions: tuple[Decision, ...]
    reward: float = 0.0
    view: tuple[ViewLine, ...] = ()
    """What of memory was in view when the policy acted."""
    verdict: Verdict | None = None
    """Set where the step asked for an answer."""
    context_tokens: int = 0
    """Tokens that the policy read."""


class End(Enum):
    """Why an episode stopped. Only DONE is the task's own ending."""

    DONE = "done"
    STEP_LIMIT = "step_limit"
    TOKEN_LIMIT = "token_limit"
    ENV_ERROR = "env_error"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Episode:
    """One try at one task."""

    task: Task
    steps: tuple[Step, ...]
    end: End
    versions: tuple[tuple[Actor, int], ...] = ()
    """Version of every actor's weights that played."""
    error: str = ""
    """What an environment that failed said."""
    practice: bool = False
    """True where an exact reader stood in for the policy; such success is never reported as the policy's."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(step.verdict for step in self.steps if step.verdict is not None)

    @property
    def success(self) -> float:
        """Mean score over the questions; 0 where none was asked."""
        verdicts = self.verdicts
        return sum(v.score for v in verdicts) / len(verdicts) if verdicts else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """G tries at one task, each starting from a fork of the same memory."""

    task: Task
    episodes: tuple[Episode, ...] = field(default=())

    @property
    def usable(self) -> tuple[Episode, ...]:
        """The episodes that may be compared: an environment's own failure takes no part in the baseline."""
        return tuple(e for e in self.episodes if e.end is not End.ENV_ERROR)
