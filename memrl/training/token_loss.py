"""An actor's sampled tokens as a part of the loss: policy gradient, and a KL to the weights that RL started from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memrl.algos.losses import clipped_surrogate, kl_to_reference, truncated_surrogate
from memrl.contracts.config import LearnerConfig
from memrl.contracts.generation import ONLY, Turn
from memrl.contracts.protocols import TrainablePolicy
from memrl.contracts.types import POLICY, Actor
from memrl.training.batch import TokenRow, micro_batches

# Shapes: R rows of a micro-batch, A sampled tokens of the longest.


@dataclass(slots=True)
class TokenLoss:
    """``sum_R advantage_R surrogate_R``, weights already in the advantages, ``+ kl mean_tokens KL(now, reference)``.

    Read once an update, with the first optimiser step, on-policy. The KL is a mean over all tokens that the actor
    sampled, those without advantage too.
    """

    name: Actor
    policy: TrainablePolicy
    rows: Sequence[TokenRow]
    config: LearnerConfig

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        rows = self.read
        loss = gap = kl = 0.0
        tokens = sum(row.count * len(row.action_ids) for row in self.rows)
        alike = getattr(self.policy, "shares_starts", False)
        for micro in micro_batches(rows, self.config.batch_tokens, alike=alike):
            logprobs_RA, mask_RA = self._logprobs(micro)
            old_RA = _padded([row.logprobs for row in micro], logprobs_RA)
            total = (self._surrogate(logprobs_RA, old_RA, micro) * mask_RA).sum()
            if self.config.kl:
                drift = self._kl(logprobs_RA, mask_RA, micro).sum() / tokens
                total, kl = total + self.config.kl * drift, kl + drift.item()
            total.backward()
            loss += total.item()
            gap = max(gap, ((logprobs_RA.detach() - old_RA).abs() * mask_RA).max().item())
        told = {"loss": loss, "logprob_gap": gap} | ({"kl": kl} if self.config.kl else {})
        return _named(told, self.name)

    @property
    def read(self) -> Sequence[TokenRow]:
        """The rows that are read: those that can move the weights, or all."""
        if self.config.kl or not self.config.skip_silent_rows:
            return self.rows
        return [row for row in self.rows if not row.silent]

    def _logprobs(self, rows: Sequence[TokenRow]) -> tuple[Tensor, Tensor]:
        """[R, A] as they were sampled: among all tokens, or among what calls allowed; and the mask."""
        told = [(row.prompt_ids, row.action_ids) for row in rows]
        if any(row.calls is not None for row in rows):
            return self.policy.call_logprobs(told, [row.calls for row in rows])  # pyright: ignore[reportAttributeAccessIssue]
        return self.policy.token_logprobs(told)

    def _surrogate(self, logprobs_RA: Tensor, old_RA: Tensor, rows: Sequence[TokenRow]) -> Tensor:
        """[R, A]; advantages of either sign apart, since the clip is linear only within one."""
        loss = self._one_sign(logprobs_RA, old_RA, [row.advantage for row in rows])
        if any(row.against for row in rows):
            loss = loss + self._one_sign(logprobs_RA, old_RA, [row.against for row in rows])
        return loss

    def _one_sign(self, logprobs_RA: Tensor, old_RA: Tensor, advantages: Sequence[float]) -> Tensor:
        config = self.config
        advantage_R1 = torch.tensor(advantages, device=logprobs_RA.device)[:, None]
        if config.importance_cap:
            return truncated_surrogate(logprobs_RA, old_RA, advantage_R1, config.importance_cap).loss
        return clipped_surrogate(logprobs_RA, old_RA, advantage_R1, config.clip_low, config.clip_high).loss

    def _kl(self, logprobs_RA: Tensor, mask_RA: Tensor, rows: Sequence[TokenRow]) -> Tensor:
        """[R, A] KL at each sampled token, times how often it was sampled."""
        with torch.no_grad(), self.policy.reference():
            reference_RA, _ = self._logprobs(rows)
        count_R1 = torch.tensor([[row.count] for row in rows], device=logprobs_RA.device)
        return kl_to_reference(logprobs_RA, reference_RA) * mask_RA * count_R1


def _named(told: Mapping[str, float], actor: Actor) -> dict[str, float]:
    """The names in the metrics: short ones for the usual policy."""
    if actor == POLICY:
        return {("policy_loss" if name == "loss" else name): value for name, value in told.items()}
    return {f"{actor}/{name}": value for name, value in told.items()}


def _padded(values: Sequence[Sequence[float]], like_RA: Tensor) -> Tensor:
    out = torch.zeros(like_RA.shape, dtype=torch.float32, device=like_RA.device)
    for line, row in zip(out, values, strict=True):
        line[: len(row)] = torch.tensor(row)
    return out
