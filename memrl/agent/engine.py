"""What agents of one model share: its parts, how it is briefed, and who may use what at one time.

Users' memories are apart; the model, the controller and the table of embeddings are not. Each is used by one thread at
a time, and nobody waits for a model that writes in order to remember something.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from threading import RLock
from typing import Protocol, runtime_checkable

import numpy as np

from memory_stores.memory import AgentMemory
from memory_stores.types import Hit
from memrl.contracts.errors import InputError, PromptTooLong
from memrl.contracts.protocols import Agent, Brief, SampleRequest
from memrl.contracts.types import Decision, Observation, Say, Task, TokenDecision, ViewLine, as_text
from memrl.rollouts.outside import bring_into_view, take_in
from memrl.rollouts.play import EpisodeContext, see

WRAPPED = Task(env="conversation", theta=None, seed=0, split="eval")


@runtime_checkable
class Streams(Protocol):
    """A policy that can give its answer in pieces of text; the generator's value is the decision."""

    def stream(self, request: SampleRequest) -> Generator[str, None, TokenDecision]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts behind one or many memories."""

    agent: Agent
    brief: Brief
    """How the model is told what to do with a question."""
    keeps_all: bool
    """Whether all that is observed goes to the archive; else the controller decides what is kept."""
    model: str = ""
    """What was wrapped, for messages."""
    zone: tzinfo = UTC
    """Whose days the dates are that the model is told."""
    parts: RLock = field(default_factory=RLock)
    """Held by who uses the controller or the embeddings."""
    speaking: RLock = field(default_factory=RLock)
    """Held by who uses the model, for as long as a piece takes: no stream that nobody goes on with keeps it."""

    @property
    def read_tokens(self) -> int:
        return self.agent.read_budget

    @property
    def longest(self) -> int:
        """Tokens of the longest text that is kept as one entry: so that it can be seen, and something beside it."""
        if self.keeps_all:
            return max(1, self.read_tokens // 2)
        memory = self.agent.new_memory()
        parts = [part for part in (memory.token, memory.archive) if part is not None]
        return min(self.read_tokens, max((part.budget for part in parts), default=self.read_tokens))

    def decide_writes(self, memory: AgentMemory, observation: Observation) -> list[Decision]:
        """The controller's decisions on an observation, carried out on ``memory``."""
        return take_in(self._context(memory), observation)

    def took_in(self, memory: AgentMemory, text: str) -> None:
        """A text was kept: have ready what a question will need of it."""
        if (took_in := getattr(self.agent.offers, "took_in", None)) is not None:
            took_in(memory, text)

    def retrieve(self, memory: AgentMemory, question: Observation) -> tuple[list[Decision], tuple[Hit, ...]]:
        """What the controller brings into view for a question."""
        decisions: list[Decision] = []
        hits = bring_into_view(self._context(memory), question, decisions)
        return decisions, hits

    def view(self, memory: AgentMemory, hits: Sequence[Hit]) -> tuple[ViewLine, ...]:
        """Token memory and hits, within the read budget, oldest first."""
        return see(memory, hits, self.agent)

    def request(
        self, memory: AgentMemory, question: Observation, view: tuple[ViewLine, ...], brief: Brief
    ) -> SampleRequest:
        return SampleRequest(
            task=WRAPPED,
            observation=question,
            view=view,
            memory_hash=memory.state_hash(),
            seed=question.step,
            greedy=True,
            brief=brief,
        )

    def speak(self, request: SampleRequest, stream: bool) -> Generator[str, None, TokenDecision]:
        """The model's answer, in pieces where that is wanted and it can. Raises InputError."""
        try:
            return (yield from self._spoken(request, stream))
        except PromptTooLong as error:
            told = f"the prompt has {error.tokens} tokens, and this model reads {max(error.most, 0)} beside its answer"
            raise InputError(
                f"{told}: shorten the question or the instructions, or wrap with fewer read_tokens"
            ) from error

    def _spoken(self, request: SampleRequest, stream: bool) -> Generator[str, None, TokenDecision]:
        policy = self.agent.policy
        if stream and isinstance(policy, Streams):
            with closing(policy.stream(request)) as pieces:
                while True:
                    with self.speaking:
                        try:
                            piece = next(pieces)
                        except StopIteration as stop:
                            return stop.value
                    yield piece
        with self.speaking:
            [decision] = policy.sample([request])
        yield as_text(decision.action)
        return decision

    def briefed(self, instructions: str) -> Brief:
        """The brief with a caller's own instructions in front."""
        if not instructions:
            return self.brief
        header = f"{instructions}\n{self.brief.header}" if self.brief.header else instructions
        return replace(self.brief, header=header)

    def _context(self, memory: AgentMemory) -> EpisodeContext:
        rng = np.random.default_rng(0)
        return EpisodeContext(agent=self.agent, task=WRAPPED, memory=memory, rng=rng, brief=self.brief, greedy=True)


def said(decision: TokenDecision) -> str:
    """The text of an answer; empty where the model said nothing that can be read."""
    return decision.action.text if isinstance(decision.action, Say) else ""
