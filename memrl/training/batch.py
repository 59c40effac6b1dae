"""Decisions to tensors: what the learner reads of a step's episodes.

Every actor's part is normalised by its own episodes: a decision weighs 1 / (episodes of its actor × decisions of
its actor in its episode), so an episode that became more rows weighs the same, and no actor drowns another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memrl.advantages.credit import Credit
from memrl.algos.lengths import like_length
from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.offer_sets import OfferSet, Stacked, stacked
from memrl.contracts.types import OpDecision, TokenDecision

KEPT = 2_000_000
"""Candidates of an update up to which their arrays are made once: some 300 MB."""

# Shapes: D op decisions, N candidates of all of them in a row, F numbers, R token rows, S prompt, A sampled tokens.


@dataclass(frozen=True, slots=True, kw_only=True)
class OpBatch:
    """The controller's decisions."""

    offers: tuple[OfferSet, ...]
    """[D] what each chose from."""
    choice: Tensor
    """[D]"""
    old_logprob: Tensor
    """[D] under the weights that chose."""
    advantage: Tensor
    """[D] scaled to unit root mean square over the batch."""
    weight: Tensor
    """[D] sums to 1."""
    to_go: Tensor
    """[D] undiscounted reward from the decision's step on: what a critic learns to expect."""
    kept: Stacked | None = None
    """The arrays of ``offers``, where they are small enough to be made once; else they are made when asked for."""

    def __len__(self) -> int:
        return len(self.offers)

    @property
    def rows(self) -> Tensor:
        """[N, K] rows of the text table, of all candidates."""
        return torch.from_numpy(self._stacked().rows)

    @property
    def numbers(self) -> Tensor:
        """[N, F]"""
        return torch.from_numpy(self._stacked().numbers)

    @property
    def counts(self) -> Tensor:
        """[D] candidates of each decision."""
        return torch.tensor([len(one) for one in self.offers])

    def _stacked(self) -> Stacked:
        return self.kept or stacked(self.offers)

    def take(self, index: NDArray[np.int64]) -> OpBatch:
        """The decisions at ``index``, their weights scaled to sum to 1 again."""
        chosen = torch.from_numpy(index)
        weight = self.weight[chosen]
        return OpBatch(
            offers=tuple(self.offers[i] for i in index.tolist()),
            kept=None if self.kept is None else self.kept.take(index),
            choice=self.choice[chosen],
            old_logprob=self.old_logprob[chosen],
            advantage=self.advantage[chosen],
            weight=weight / weight.sum(),
            to_go=self.to_go[chosen],
        )

    def shuffled(self, parts: int, rng: np.random.Generator) -> list[OpBatch]:
        """``parts`` mini-batches of about equal size, every decision in one of them."""
        pieces = np.array_split(rng.permutation(len(self)), min(parts, len(self)))
        return [self.take(np.sort(piece)) for piece in pieces]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One answer, or several equal ones whose advantages have the same sign."""

    prompt_ids: tuple[int, ...]
    action_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    advantage: float
    """Already times its weight; rows that are equal are added up."""

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.action_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All of one update."""

    ops: OpBatch | None
    tokens: tuple[TokenRow, ...]
    """Only rows that can move the weights: an advantage of zero is dropped before any forward pass."""
    num_token_decisions: int
    """Before dropping and merging."""
    parts: tuple[AuxiliaryLoss, ...] = ()
    """Further shares of the loss."""


def make_batch(credits: Sequence[Credit], parts: Sequence[AuxiliaryLoss] = ()) -> Batch:
    """Collect what each actor decided, and what else there is to learn."""
    tokens = list(_token_rows(credits))
    return Batch(
        ops=_op_batch(credits), tokens=merge_equal(tokens), num_token_decisions=len(tokens), parts=tuple(parts)
    )


def _op_batch(credits: Sequence[Credit]) -> OpBatch | None:
    decisions: list[OpDecision] = []
    advantages: list[float] = []
    weights: list[float] = []
    to_go: list[float] = []
    for credit in credits:
        own = [(d, a) for d, a in _paired(credit) if isinstance(d, OpDecision)]
        decisions += [d for d, _ in own]
        advantages += [a for _, a in own]
        to_go += _ops_to_go(credit)
        weights += [1.0 / max(len(own), 1)] * len(own)
    if not decisions:
        return None
    advantage = np.array(advantages)
    rms = float(np.sqrt(np.mean(advantage**2)))
    weight = np.array(weights)
    offers = tuple(d.offers for d in decisions)
    return OpBatch(
        offers=offers,
        kept=stacked(offers) if sum(map(len, offers)) <= KEPT else None,
        choice=torch.tensor([d.choice for d in decisions]),
        old_logprob=torch.tensor([d.logprob for d in decisions], dtype=torch.float32),
        advantage=torch.tensor(advantage / max(rms, 1e-8), dtype=torch.float32),
        weight=torch.tensor(weight / weight.sum(), dtype=torch.float32),
        to_go=torch.tensor(to_go, dtype=torch.float32),
    )


def _ops_to_go(credit: Credit) -> list[float]:
    """Reward from the step of each op decision on."""
    steps = credit.episode.steps
    rewards = np.array([step.reward for step in steps], dtype=np.float64)
    from_step = rewards[::-1].cumsum()[::-1]
    return [from_step[t] for t, step in enumerate(steps) for d in step.decisions if isinstance(d, OpDecision)]


def _token_rows(credits: Sequence[Credit]) -> Iterator[TokenRow]:
    """Answers with their weighted advantages; decisions without tokens (an exact reader's) are nobody's rows."""
    per_episode = [
        [(d, a) for d, a in _paired(credit) if isinstance(d, TokenDecision) and d.action_ids] for credit in credits
    ]
    per_episode = [own for own in per_episode if own]
    for own in per_episode:
        weight = 1.0 / (len(per_episode) * len(own))
        for decision, advantage in own:
            yield TokenRow(
                prompt_ids=decision.prompt_ids,
                action_ids=decision.action_ids,
                logprobs=decision.logprobs,
                advantage=float(advantage) * weight,
            )


def _paired(credit: Credit) -> Iterator[tuple[OpDecision | TokenDecision, float]]:
    decisions = [decision for step in credit.episode.steps for decision in step.decisions]
    return zip(decisions, credit.advantages, strict=True)


def merge_equal(rows: Sequence[TokenRow]) -> tuple[TokenRow, ...]:
    """One row for equal (prompt, answer) pairs, which siblings with equal views often produce.

    Advantages add up within a sign only: the clipped surrogate is linear in the advantage there, so the merged
    loss equals the sum of the separate ones.
    """
    groups: dict[tuple[tuple[int, ...], tuple[int, ...], bool], list[TokenRow]] = defaultdict(list)
    for row in rows:
        if row.advantage:
            groups[row.prompt_ids, row.action_ids, row.advantage > 0].append(row)
    return tuple(
        TokenRow(
            prompt_ids=same[0].prompt_ids,
            action_ids=same[0].action_ids,
            logprobs=same[0].logprobs,
            advantage=sum(row.advantage for row in same),
        )
        for same in groups.values()
    )


def micro_batches(rows: Sequence[TokenRow], budget: int) -> list[list[TokenRow]]:
    """Rows of like length together, each micro-batch within ``budget`` tokens, padding included."""
    return [[rows[i] for i in batch] for batch in like_length([row.length for row in rows], budget)]
