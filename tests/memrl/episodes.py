"""Episodes made by hand, of decisions that nobody took."""

from __future__ import annotations

import numpy as np
from toy import Taker, ToyTasks, toy_agent

from memory_stores.types import Keep, Write
from memrl.contracts.types import (
    End,
    Episode,
    Observation,
    OfferSet,
    OpDecision,
    Say,
    Step,
    Task,
    TokenDecision,
    Verdict,
)
from memrl.controllers.offers import NUM_NUMBERS

NOBODY = toy_agent(ToyTasks(()), Taker())
"""Estimators that look at the episodes alone ask the agent nothing."""
TASK = Task(env="toy", theta=None, seed=0)
OFFERS = OfferSet(
    ops=(Keep(), Write("x")),
    rows=np.full((2, 3), -1, dtype=np.int64),
    numbers=np.zeros((2, NUM_NUMBERS), dtype=np.float32),
)


def op(choice: int) -> OpDecision:
    return OpDecision(
        actor="controller", action=OFFERS.ops[choice], memory_hash="", offers=OFFERS, choice=choice, logprob=-0.7
    )


def answer(token: int, actor: str = "policy") -> TokenDecision:
    return TokenDecision(
        actor=actor, action=Say("a"), memory_hash="", prompt_ids=(1, 2), action_ids=(token,), logprobs=(-0.1,)
    )


def episode(*steps: tuple[list, float], end: End = End.DONE) -> Episode:
    made = []
    for i, (decisions, reward) in enumerate(steps):
        asks = any(isinstance(d, TokenDecision) for d in decisions)
        verdict = Verdict(score=reward, expected="a", category="latest") if asks else None
        observation = Observation(id=f"o{i}", step=i, content=f"text {i}", wants_action=asks, writable=not asks)
        made.append(Step(observation=observation, decisions=tuple(decisions), reward=reward, verdict=verdict))
    return Episode(task=TASK, steps=tuple(made), end=end)
