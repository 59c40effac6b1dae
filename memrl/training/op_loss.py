"""The controller's choices among offers as parts of the loss: clipped policy gradient with entropy, and the critic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from torch import Tensor, nn

from memrl.algos.losses import clipped_surrogate, entropy
from memrl.contracts.config import LearnerConfig
from memrl.contracts.generation import ONLY, Turn
from memrl.contracts.types import CONTROLLER
from memrl.training.batch import OpBatch

# Shapes: D op decisions, C offers (padded), N offers of all decisions in a row, F numbers, K columns.


class TrainableScorer(Protocol):
    """What the learner needs of a controller that chooses among offers."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def logprobs(self, rows_NK: Tensor, numbers_NF: Tensor, counts_D: Tensor, /) -> tuple[Tensor, Tensor]:
        """Log-probabilities [D, C] with gradients, and the mask of the offers that exist."""
        ...

    def bump(self) -> None: ...


class ValuingScorer(TrainableScorer, Protocol):
    """A controller that may have a value head as well."""

    @property
    def has_critic(self) -> bool: ...

    def value_loss(self, rows_NK: Tensor, numbers_NF: Tensor, counts_D: Tensor, to_go_D: Tensor, /) -> Tensor:
        """[D], with gradients."""
        ...


@dataclass(slots=True)
class OpLoss:
    """``sum_D weight_D (surrogate_D - entropy_weight entropy_D)`` over one mini-batch."""

    scorer: TrainableScorer
    ops: OpBatch
    config: LearnerConfig
    name: str = CONTROLLER

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        ops, config = self.ops, self.config
        logprobs_DC, mask_DC = self.scorer.logprobs(ops.rows, ops.numbers, ops.counts)
        chosen_D = logprobs_DC.gather(1, ops.choice[:, None]).squeeze(1)
        surrogate = clipped_surrogate(chosen_D, ops.old_logprob, ops.advantage, config.clip_low, config.clip_high)
        loss = (ops.weight * surrogate.loss).sum()
        spread = (ops.weight * entropy(logprobs_DC, mask_DC)).sum()
        (loss - config.entropy * spread).backward()
        clipped = (ops.weight * surrogate.clipped).sum()
        return {"controller_loss": loss.item(), "entropy": spread.item(), "clip_fraction": clipped.item()}


@dataclass(slots=True)
class CriticLoss:
    """The value head's share, over one mini-batch."""

    scorer: ValuingScorer
    ops: OpBatch
    config: LearnerConfig
    name: str = "critic"

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        ops = self.ops
        loss = (ops.weight * self.scorer.value_loss(ops.rows, ops.numbers, ops.counts, ops.to_go)).sum()
        (self.config.critic * loss).backward()
        return {"value_loss": loss.item()}


def op_losses(scorer: TrainableScorer, ops: OpBatch, config: LearnerConfig) -> Iterator[OpLoss | CriticLoss]:
    """What a mini-batch of choices teaches the scorer."""
    yield OpLoss(scorer, ops, config)
    if getattr(scorer, "has_critic", False):
        yield CriticLoss(cast(ValuingScorer, scorer), ops, config)
