"""Rereading: what practice asks, the policy learns to answer.

    practised episodes ─> questions that their view decides ─ draw ─> score the right answers ─> the least likely: loss

Practice questions are answered by an exact reader, over views that the controller of today makes. The policy reads
the ones it finds hardest again and learns the right answer by its likelihood, in the same update. Sampling has little
to tell it here: a warm-started reader gives one answer in all tries of a group, right or wrong, and an advantage
relative to the group is then zero. The questions are dealt out over the update's optimiser steps: at the same cost,
many small steps teach more than one large one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import NamedTuple, Protocol, cast

import numpy as np
from torch import Tensor

from memrl.algos.lengths import like_length
from memrl.algos.losses import answer_loss
from memrl.contracts.capabilities import asked_again
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import ONLY, AuxiliaryLoss, Turn
from memrl.contracts.protocols import Agent, SampleRequest, TaskSource
from memrl.contracts.types import Group
from memrl.reflection.proof import without_rules

# Shapes: R rows, A tokens of the longest answer.

Row = tuple[Sequence[int], Sequence[int]]
"""Token ids of a prompt and of the answer to learn, its end included."""
DRAWN = 2
"""Questions that are scored for each one that is learned."""


class Rereads(Protocol):
    """What rereading needs of a policy."""

    def answer_rows(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[Row]: ...

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]: ...

    def token_logprobs(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]: ...


class Asked(NamedTuple):
    """A question over a view that decides it."""

    request: SampleRequest
    answer: str


@dataclass(slots=True, kw_only=True)
class AnswerLikelihood:
    """``-mean_R log p(right answer | question and view)``: the maximum likelihood of answers that are known.

    Each optimiser step of the update reads its own share of the rows, every ``turn.count``-th one; R are those of a
    share.
    """

    policy: Rereads
    rows: Sequence[Row]
    logprobs: Sequence[float]
    """Of each row's answer when it was chosen, before this update."""
    batch_tokens: int
    tokens_scored: int
    """Read without gradients, to choose the rows."""
    name: str = "rereading"
    every_step: bool = True

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        """Add the gradients of this turn's rows. What is told is of all turns' rows, as they were chosen."""
        rows = self.rows[turn.index :: turn.count]
        for batch in like_length([_length(row) for row in rows], self.batch_tokens):
            logprobs_RA, mask_RA = self.policy.token_logprobs([rows[i] for i in batch])
            answer_loss(logprobs_RA, mask_RA, 1.0 / len(rows)).backward()
        count = len(self.rows)
        return {
            "loss": -sum(self.logprobs) / count,
            "p_right": sum(map(exp, self.logprobs)) / count,
            "rows": float(count),
            "tokens": float(self.tokens_scored + sum(map(_length, self.rows))),
        }


def reread(practised: Sequence[Group], agent: Agent, config: TrainConfig, seed: Sequence[int]) -> list[AuxiliaryLoss]:
    """The share of the loss that the hardest practised questions make; none where the policy is not trained.

    Args:
        seed: of the draw; the same practice and seed choose the same questions.

    Raises:
        ConfigError: ``learner.rereads`` is set and this policy cannot score a given answer.
    """
    count = config.learner.rereads
    if not count or not config.policy.trained:
        return []
    reader = _reader(agent, count)
    asked = list(questions(practised, agent.task_source))
    drawn = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))[: count * DRAWN]]
    if not drawn:
        return []
    requests, answers = zip(*drawn, strict=True)
    logprobs = reader.answer_logprobs(requests, answers)
    hardest = np.argsort(logprobs, kind="stable")[:count]
    rows = reader.answer_rows(requests, answers)
    part = AnswerLikelihood(
        policy=reader,
        rows=[rows[i] for i in hardest],
        logprobs=[logprobs[i] for i in hardest],
        batch_tokens=config.learner.batch_tokens,
        tokens_scored=sum(map(_length, rows)),
    )
    return [part]


def questions(practised: Sequence[Group], source: TaskSource) -> Iterator[Asked]:
    """Every question that the exact reader got right, once for each view that it was asked over.

    Where it was wrong, the view does not hold the answer, and a policy that learned it would learn to make things up.
    """
    seen: set[tuple[str, ...]] = set()
    for group in practised:
        for step in (step for episode in group.episodes for step in episode.steps):
            if step.verdict is None or step.verdict.score < 1.0:
                continue
            key = (step.verdict.expected, step.observation.text, *(line.text for line in step.view))
            if key not in seen:
                seen.add(key)
                request = asked_again(source, group.task, step.observation, step.view)
                yield Asked(request, step.verdict.expected)


def _length(row: Row) -> int:
    prompt, answer = row
    return len(prompt) + len(answer)


def _reader(agent: Agent, count: int) -> Rereads:
    policy = without_rules(agent).policy
    if not hasattr(policy, "answer_rows"):
        way_out = f"{type(policy).__name__} cannot learn a given answer (no answer_rows()); set it to 0"
        raise ConfigError("learner.rereads", count, way_out)
    return cast("Rereads", policy)
