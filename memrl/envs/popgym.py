"""RepeatFirst of PopGym (arXiv:2303.01859) in words: ground truth for memory, since what must be remembered is known.

A card is shown at each step, and then the suit of the very first one is asked for. PopGym itself deals and judges; here
its numbers only become words. It shows a card and takes an action in one step; in words these are two observations, so
that what is asked is never written down, and no answer stands in memory beside a card. Needs ``pip install
'memrl[gymnasium]'`` and ``pip install --no-deps popgym``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from memrl.contracts.errors import ConfigError, MissingExtra
from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Choose, Observation, Task, Verdict, as_text

try:
    from popgym.envs.repeat_first import RepeatFirst
except ImportError as error:
    way_out = "pip install 'memrl[gymnasium]' && pip install --no-deps popgym"
    raise MissingExtra(f"env.name = 'popgym' needs a package: {way_out}") from error

SUITS = ("spades", "diamonds", "clubs", "hearts")
"""PopGym's numbers 0 to 3 (``popgym.core.deck.SUITS``)."""
QUESTION = "Which suit did the first card have?"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatFirstOptions:
    decks: int = 1
    """Of 52 cards each: PopGym's Easy has 1, Medium 8, Hard 16."""

    def __post_init__(self) -> None:
        if self.decks < 1:
            raise ConfigError("env.options.decks", self.decks, "it must be at least 1")


class RepeatFirstEnv:
    """Card, question, card, question, …; 52 decks - 1 questions, each judged by PopGym's own reward."""

    def __init__(self, task: Task) -> None:
        self._env: Any = RepeatFirst(num_decks=task.theta.decks)
        self._seed = 2 * task.seed + (task.split == "eval")
        self._clock, self._first = 0, ""

    def start(self) -> Observation:
        suit, _ = self._env.reset(seed=self._seed)
        self._first = SUITS[suit]
        return self._card(suit)

    def step(self, action: Action | None) -> Outcome:
        self._clock += 1
        if self._clock % 2:
            return Outcome(0.0, Observation(
                id=f"q{self._clock // 2}", step=self._clock, content=QUESTION, wants_action=True, writable=False,
                choices=SUITS,
            ))  # fmt: skip
        said = action.text if isinstance(action, Choose) else as_text(action).strip()
        # PopGym takes a suit only: what is none of them is as wrong as any other.
        wrong = (SUITS.index(self._first) + 1) % len(SUITS)
        suit, reward, terminated, _, _ = self._env.step(SUITS.index(said) if said in SUITS else wrong)
        verdict = Verdict(score=float(reward > 0), expected=self._first, category="first suit")
        return Outcome(float(reward), None if terminated else self._card(suit), verdict)

    def _card(self, suit: int) -> Observation:
        return Observation(id=f"c{self._clock // 2}", step=self._clock, content=f"The card is {SUITS[suit]}.")


class RepeatFirstTasks:
    """Seeds of RepeatFirst, the even ones for training and the odd ones for evaluation."""

    name = "popgym"
    passive = True

    def __init__(self, options: RepeatFirstOptions) -> None:
        self._options = options

    def make(self, task: Task) -> RepeatFirstEnv:
        return RepeatFirstEnv(task)

    def brief(self, task: Task) -> Brief:
        return Brief(header="Say the suit of the first card.")

    def cells(self) -> tuple[str, ...]:
        return (f"{self._options.decks} decks",)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self._options, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        [cell] = self.cells()
        return Task(env=self.name, theta=self._options, seed=seed, split="eval", cell=cell)

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """The first card's suit where that card is in view, else a guess that is right as often as chance."""
        return _first_suit(task) if "c0" in seen else SUITS[0]

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """The first card, where it is not held."""
        return frozenset({"c0"}) - held


@lru_cache(maxsize=4096)
def _first_suit(task: Task) -> str:
    return RepeatFirstEnv(task).start().text.removeprefix("The card is ").removesuffix(".")


register("env", "popgym", RepeatFirstTasks, RepeatFirstOptions)
