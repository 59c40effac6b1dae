"""A world small enough to read: facts are told, a question follows, nothing is random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memrl.contracts.config import RolloutConfig
from memrl.contracts.protocols import Agent, Chooser, ControllerRequest, OpChoice, Outcome, SampleRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Action, Observation, Say, Task, TokenDecision, Verdict
from memrl.controllers.offers import OpOffers

TASK = Task(env="toy", theta=None, seed=0)


class ToyEnv:
    """Plays a list of texts; one that ends with "?" is a question whose answer is "yes"."""

    def __init__(self, task: Task, texts: Sequence[str], fail_at: int = -1) -> None:
        self.task, self._texts, self._at, self._fail_at = task, texts, 0, fail_at

    def start(self) -> Observation:
        return self._observation()

    def step(self, action: Action | None) -> Outcome:
        if self._at == self._fail_at:
            raise OSError("the wheel came off")
        asked = self._observation().is_question
        score = float(isinstance(action, Say) and action.text == "yes")
        self._at += 1
        following = self._observation() if self._at < len(self._texts) else None
        verdict = Verdict(score=score, expected="yes", category="toy") if asked else None
        return Outcome(score if asked else 0.0, following, verdict)

    def _observation(self) -> Observation:
        text = self._texts[self._at]
        asks = text.endswith("?")
        return Observation(id=f"o{self._at}", step=self._at, content=text, wants_action=asks, writable=not asks)


@dataclass
class ToyTasks:
    story: Sequence[str]
    fail_at: int = -1
    name: str = "toy"
    passive: bool = True

    def make(self, task: Task) -> ToyEnv:
        return ToyEnv(task, self.story, self.fail_at)

    def texts(self, task: Task) -> Sequence[str]:
        return self.story

    def cells(self) -> Sequence[str]:
        return ["base"]

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o0"}) - held

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str | None:
        return "yes" if "o0" in seen else "unknown"


class Taker(Chooser):
    """A controller that takes the first offer of the wanted kind, else Keep."""

    def __init__(self, *wanted: type) -> None:
        self._wanted = wanted
        self.batches: list[int] = []

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        self.batches.append(len(requests))
        return [OpChoice(self._pick(request), 0.0) for request in requests]

    def _pick(self, request: ControllerRequest) -> int:
        return next((i for i, op in enumerate(request.offers.ops) if isinstance(op, self._wanted)), 0)


class Echo:
    """A policy that says "yes" if the view holds the word "lantern"."""

    version = 0

    def __init__(self) -> None:
        self.requests: list[SampleRequest] = []

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        self.requests += requests
        return [
            TokenDecision(
                actor="policy",
                action=Say("yes" if any("lantern" in line.text for line in request.view) else "no"),
                memory_hash=request.memory_hash,
                prompt_ids=(1, 2),
                action_ids=(3,),
                logprobs=(-0.5,),
            )
            for request in requests
        ]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        pass


def count_words(text: str) -> int:
    return len(text.split())


def toy_agent(
    task_source: Any, controller: Any, policy: Any = None, budget: int = 16, max_ops: int = 2, **limits: Any
) -> Agent:
    """``limits``: knobs of the rollout."""
    embedder = HashEmbedder(16)
    table = TextTable(embedder)
    return Agent(
        policy=policy or Echo(),
        controller=controller,
        offers=OpOffers(table, count_words),
        task_source=task_source,
        table=table,
        embedder=embedder,
        new_memory=lambda: AgentMemory(token=TokenStore(budget, count_words), graph=None, archive=None),
        read_budget=budget,
        count_tokens=count_words,
        max_ops=max_ops,
        rollout=RolloutConfig(**limits),
    )
