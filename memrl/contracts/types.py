"""What flows through a run: Task -> Observation -> Decision -> Step -> Episode -> Group.

Plain data, no torch. ``Decision`` is the unit of learning; a step holds several (retrieve, act, write), each by one
actor, and is known by its actor and its action. ``Episode`` is the unit of accounting: how many rows it became must
not change its weight.

Shapes: C candidate ops of one decision, K text columns and F numbers of a candidate, S prompt tokens, A sampled tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from hashlib import sha256
from typing import Any, Literal

from memory_stores.types import MemoryOp, StoreName
from memrl.contracts.calls import Calls
from memrl.contracts.offer_sets import OfferSet as OfferSet

Actor = str
"""Who decides: "policy", "controller", "reflector", "proposer"; several of a kind by name, as in "policy:bob"."""
POLICY: Actor = "policy"
CONTROLLER: Actor = "controller"
ARCHIVIST: Actor = "archivist"
"""The actor of what goes to the archive by itself: nobody's decision, recorded so that replays do it too."""
Split = Literal["train", "eval"]


def is_policy(actor: Actor) -> bool:
    """Whether an actor acts on the environment: "policy", or one of several such as "policy:bob"."""
    return actor.partition(":")[0] == POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One problem, complete and small: the environment regenerates everything else from it."""

    env: str
    """Name of the task source, as in a config's ``env.name``."""
    theta: Any
    """The source's own frozen dataclass of axes; JSON-ready through ``dataclasses.asdict``.

    In its place a source may take a frozen, hashable object that holds one task as somebody wrote it.
    """
    seed: int
    split: Split = "train"
    """Names and phrasings of the two splits do not overlap."""
    cell: str = ""
    """Which curriculum cell it was drawn from."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A piece of anything else, such as an image: carried and hashed from end to end, read by who can read it."""

    media_type: str
    """As in MIME, such as ``image/png``."""
    data: bytes
    about: str = ""
    """What stands in its place in plain text."""

    @property
    def digest(self) -> str:
        """sha256 of media type and data, 64 hexadecimal digits."""
        return sha256(self.media_type.encode() + b"\0" + self.data).hexdigest()

    @property
    def text(self) -> str:
        """How it reads where only text can: what it is about, and which blob it is."""
        return f"[{self.about or self.media_type} {self.digest[:12]}]"


Content = tuple[Text | Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that a policy may call: its name, what it is for, and the JSON schema of its arguments."""

    name: str
    about: str
    parameters: tuple[tuple[str, Any], ...] = ()
    """(argument, its JSON schema or a word for its type), in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the environment shows at one step."""

    id: str
    """Unique in its episode; becomes provenance of whatever is written from it."""
    step: int
    """The environment's clock; later observations have a higher one."""
    content: Content | str
    """Parts in reading order; a string is taken for one ``Text``."""
    time: float | None = None
    """Clock time of what is shown, in seconds since 1970, where there is one."""
    source: str = ""
    """Who or what it comes from, where the environment knows: a speaker, a tool, a page."""
    trust: float = 1.0
    """How far the source may be believed, in [0, 1]; 1 says nothing."""
    wants_action: bool = False
    """Whether a policy acts now."""
    writable: bool = True
    """Whether memory ops may follow. Of a step that is acted on, the action is remembered with it."""
    to: Actor = POLICY
    """Which policy is asked to act."""
    choices: tuple[str, ...] = ()
    """Where only certain actions are admissible: their texts; the action is then ``Choose``."""

    def __post_init__(self) -> None:
        if isinstance(self.content, str):
            object.__setattr__(self, "content", (Text(self.content),))

    @property
    def text(self) -> str:
        """All parts as text, a line break between two."""
        first, *more = self.content
        return first.text if not more else "\n".join(part.text for part in self.content)  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def is_question(self) -> bool:
        """Whether it only asks: memory must not learn what will be asked (query-free mode)."""
        return self.wants_action and not self.writable


@dataclass(frozen=True, slots=True)
class Say:
    """A text, to the environment or to a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Think:
    """A turn that the policy keeps to itself: it acts again in the same step, with this in view."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A named call with JSON-ready arguments."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Choose:
    """One of the observation's ``choices``."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class MemoryOps:
    """Ops in the order in which they are carried out: what a language model that writes memory decides."""

    ops: tuple[MemoryOp, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Tokens that parsed to no action. Training must see it."""

    raw: str


Action = Say | Think | ToolCall | Choose | MemoryOp | MemoryOps | Unreadable


def as_text(action: Action | None) -> str:
    """What an action on the environment says, for memory and for a person; empty for none."""
    match action:
        case Say(text=text) | Choose(text=text) | Think(text=text):
            return text
        case ToolCall(name=name, arguments=arguments):
            return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments)})"
        case Unreadable(raw=raw):
            return raw
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class ViewLine:
    """One line of memory that the policy saw, and where it came from."""

    text: str
    entry_id: str
    store: StoreName
    observation_id: str


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
    created: tuple[str, ...] = ()
    """Ids of the entries that its memory ops made."""
    refused: bool = False
    """Whether a memory op of it was refused."""
    refused_ops: tuple[int, ...] = ()
    """Which of ``ops`` were; where none is named, all of them."""
    calls: Calls | None = None
    """What it was sampled under, if anything: ``logprobs`` are then among what was allowed at each place."""

    @property
    def ops(self) -> tuple[MemoryOp, ...]:
        """The memory ops it decided on; none of an action on the environment."""
        return self.action.ops if isinstance(self.action, MemoryOps) else ()

    @property
    def carried_out(self) -> tuple[MemoryOp, ...]:
        """``ops`` less those that were refused."""
        if not self.refused:
            return self.ops
        return tuple(op for i, op in enumerate(self.ops) if self.refused_ops and i not in self.refused_ops)


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
    note: TokenDecision | None = None
    """The op with words of a model's own in the place of its text. It is recorded as a decision after this one, and
    carried out in its stead."""

    @property
    def ops(self) -> tuple[MemoryOp, ...]:
        """The op, as the one of a list; none where a note is carried out."""
        return (self.action,) if self.note is None else ()

    @property
    def carried_out(self) -> tuple[MemoryOp, ...]:
        """``ops``, unless they were refused."""
        return () if self.refused else self.ops


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
    """Set where something was judged."""
    context_tokens: int = 0
    """Tokens that the policy read."""

    @property
    def acted(self) -> Action | None:
        """What was done to the environment; None where nothing was."""
        return next((d.action for d in reversed(self.decisions) if is_policy(d.actor)), None)


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
    judged: float | None = None
    """Success in [0, 1] as the environment said it at the end; None where it said nothing."""
    versions: tuple[tuple[Actor, int], ...] = ()
    """Version of every actor's weights that played."""
    error: str = ""
    """What an environment that failed said."""
    cut: Observation | None = None
    """What was shown and never played, where a limit cut the episode off: what a critic bootstraps from."""
    practice: bool = False
    """True where an oracle reader stood in for the policy; such success is never reported as the policy's."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(step.verdict for step in self.steps if step.verdict is not None)

    @property
    def is_judged(self) -> bool:
        """Whether anybody said how well it went."""
        return self.judged is not None or any(step.verdict is not None for step in self.steps)

    @property
    def success(self) -> float:
        """The environment's own word; else the mean score of what was judged, 0 where nothing was."""
        if self.judged is not None:
            return self.judged
        verdicts = self.verdicts
        return sum(v.score for v in verdicts) / len(verdicts) if verdicts else 0.0

    @property
    def decisions(self) -> Iterator[Decision]:
        """All, in the order in which they were taken."""
        return (decision for step in self.steps for decision in step.decisions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """G tries at one task, each starting from a fork of the same memory."""

    task: Task
    episodes: tuple[Episode, ...] = field(default=())

    @property
    def usable(self) -> tuple[Episode, ...]:
        """The episodes that may be compared: an environment's own failure takes no part in the baseline."""
        return tuple(e for e in self.episodes if e.end is not End.ENV_ERROR)


def after_action(action: Action | None, observation: Observation) -> Observation:
    """What came of an action, under the action on a line of its own; the observation itself where nothing was done."""
    done = as_text(action)
    return replace(observation, content=(Text(f"> {done}"), *observation.content)) if done else observation  # pyright: ignore[reportArgumentType]


def with_action(observation: Observation, action: Action | None, thoughts: Sequence[str] = ()) -> Observation:
    """What of a step may be remembered: what was seen and, each on a line of its own, what was thought and done."""
    done = as_text(action)
    lines = [f"Thought: {thought}" for thought in thoughts] + ([f"> {done}"] if done else [])
    return replace(observation, content=(*observation.content, *map(Text, lines))) if lines else observation  # pyright: ignore[reportArgumentType]
