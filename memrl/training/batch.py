"""Decisions to tensors: what the learner reads of a step's episodes.

A batch holds one group of rows for every actor that sampled tokens ("policy", "policy:bob", "controller" where a
language model writes memory), and the ops that were chosen among offers.

What a decision weighs (Shapes below: E episodes of an actor's part, n of its decisions in one of them):

    siblings of equally many steps    1 / (E n)             an episode that became more rows weighs the same
    siblings of unlike length         G / (E sum_G n)       G siblings of one task, whose decisions all weigh alike

Where the agent chooses how long an episode is, 1 / n would let a long failure off lightly and reward a short success
twice over (Dr. GRPO's length bias, arXiv:2503.20783); a task still weighs as its number of tries. Every actor's part is
normalised by its own episodes, so no actor drowns another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memrl.advantages.credit import Credit
from memrl.algos.lengths import like_length
from memrl.algos.prefix_tree import begin_alike
from memrl.contracts.calls import Calls
from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.offer_sets import OfferSet, Stacked, stacked
from memrl.contracts.types import Actor, OpDecision, TokenDecision

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
    """[D] ``Credit.to_go``: what a critic learns to expect."""
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
    """What an actor sampled after a prompt, once or several times."""

    prompt_ids: tuple[int, ...]
    action_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    advantage: float
    """Already times its weight; rows that are equal are added up."""
    against: float = 0.0
    """Of equal rows with advantages of both signs, the sum of the negative ones; ``advantage`` is then of the others.

    A clipped surrogate is linear in the advantage within a sign only.
    """
    count: int = 1
    """Decisions that it stands for."""
    calls: Calls | None = None
    """What it was sampled under; ``logprobs`` are then among what was allowed."""

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.action_ids)

    @property
    def silent(self) -> bool:
        """Whether it moves no weight, but for a KL."""
        return self.advantage == 0.0 and self.against == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All of one update."""

    ops: OpBatch | None
    tokens: Mapping[Actor, tuple[TokenRow, ...]]
    """What each actor sampled, equal rows as one; silent ones too, which the learner may leave unread."""
    parts: tuple[AuxiliaryLoss, ...] = ()
    """Further shares of the loss."""

    @property
    def num_token_decisions(self) -> int:
        """Of all actors."""
        return sum(row.count for rows in self.tokens.values() for row in rows)


def make_batch(credits: Sequence[Credit], parts: Sequence[AuxiliaryLoss] = ()) -> Batch:
    """Collect what each actor decided, and what else there is to learn."""
    actors = dict.fromkeys(d.actor for credit in credits for d, _ in _paired(credit) if _is_sampled(d))
    tokens = {actor: merge_equal(list(_token_rows(credits, actor))) for actor in sorted(actors)}
    return Batch(ops=_op_batch(credits), tokens=tokens, parts=tuple(parts))


def _op_batch(credits: Sequence[Credit]) -> OpBatch | None:
    decisions: list[OpDecision] = []
    advantages: list[float] = []
    weights: list[float] = []
    to_go: list[float] = []
    counts = [sum(isinstance(d, OpDecision) for d in credit.episode.decisions) for credit in credits]
    for credit, each in zip(credits, weights_of(credits, counts), strict=True):
        own = [(d, a) for d, a in _paired(credit) if isinstance(d, OpDecision)]
        decisions += [d for d, _ in own]
        advantages += [a for _, a in own]
        to_go += _ops_to_go(credit)
        weights += [each] * len(own)
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
    """What each op decision had still to earn."""
    decided = zip(credit.episode.decisions, credit.to_go.tolist(), strict=True)
    return [to_go for decision, to_go in decided if isinstance(decision, OpDecision)]


def _is_sampled(decision: OpDecision | TokenDecision) -> bool:
    """Decisions without tokens (an exact reader's) are nobody's rows."""
    return isinstance(decision, TokenDecision) and bool(decision.action_ids)


def _token_rows(credits: Sequence[Credit], actor: Actor) -> Iterator[TokenRow]:
    """What one actor sampled, with weighted advantages."""
    per_episode = [
        [(d, a) for d, a in _paired(credit) if isinstance(d, TokenDecision) and _is_sampled(d) and d.actor == actor]
        for credit in credits
    ]
    each = weights_of(credits, [len(own) for own in per_episode])
    episodes = sum(map(bool, per_episode))
    for own, weight in zip(per_episode, each, strict=True):
        for decision, advantage in own:
            yield TokenRow(
                prompt_ids=decision.prompt_ids,
                action_ids=decision.action_ids,
                logprobs=decision.logprobs,
                advantage=float(advantage) * weight / episodes,
                calls=decision.calls,
            )


def weights_of(credits: Sequence[Credit], counts: Sequence[int]) -> list[float]:
    """What one decision of each episode weighs, before the batch is normalised. The weights of a task's decisions sum
    to the number of its episodes that have any.

    Args:
        counts: of each episode's decisions, in the part of the loss that is asked about.
    """
    weights: list[float] = []
    for _, siblings in groupby(zip(credits, counts, strict=True), key=lambda one: id(one[0].episode.task)):
        group = list(siblings)
        own = [count for _, count in group]
        if len({len(credit.episode.steps) for credit, _ in group}) > 1:
            weights += [sum(map(bool, own)) / max(sum(own), 1)] * len(own)
        else:
            weights += [1.0 / max(count, 1) for count in own]
    return weights


def _paired(credit: Credit) -> Iterator[tuple[OpDecision | TokenDecision, float]]:
    decisions = [decision for step in credit.episode.steps for decision in step.decisions]
    return zip(decisions, credit.advantages, strict=True)


def merge_equal(rows: Sequence[TokenRow]) -> tuple[TokenRow, ...]:
    """One row for equal (prompt, answer) pairs, which siblings with equal views often produce.

    Exact: equal pairs have equal log-probabilities, and advantages add up within a sign, where the clipped surrogate is
    linear in them. So a merged row is read once and trained as often as it was sampled.
    """
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[TokenRow]] = defaultdict(list)
    for row in rows:
        groups[row.prompt_ids, row.action_ids].append(row)
    return tuple(_merged(same) for same in groups.values())


def _merged(same: Sequence[TokenRow]) -> TokenRow:
    shares = [share for row in same for share in (row.advantage, row.against)]
    against = sum(share for share in shares if share < 0)
    advantage = sum(share for share in shares if not share < 0)  # NaN too, for the learner to find
    both = advantage != 0 and against != 0
    return replace(
        same[0],
        advantage=advantage if both else advantage + against,
        against=against if both else 0.0,
        count=sum(row.count for row in same),
    )


def micro_batches(rows: Sequence[TokenRow], budget: int, *, alike: bool = False) -> list[list[TokenRow]]:
    """Rows in micro-batches of at most ``budget`` tokens.

    Args:
        alike: rows that begin alike together, what they share counted once, for a policy that reads it once; else rows
            of like length together, padding counted.
    """
    if alike:
        batches = begin_alike([(*row.prompt_ids, *row.action_ids) for row in rows], budget)
    else:
        batches = like_length([row.length for row in rows], budget)
    return [[rows[i] for i in batch] for batch in batches]
