"""Batch to optimiser steps: policy (LoRA) and controller learn from the same episodes, in one optimiser.

The loss is a sum of parts, one per actor, each normalised by its own count (``batch.py``). What the policy sampled is
read once, on-policy, with the first optimiser step; the controller's decisions are cheap and are read ``epochs`` times
under the clip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from memrl.algos.losses import clipped_surrogate, entropy, kl_to_reference, truncated_surrogate
from memrl.contracts.config import LearnerConfig
from memrl.contracts.generation import AuxiliaryLoss
from memrl.training.batch import Batch, OpBatch, TokenRow, micro_batches

TokenPairs = Sequence[tuple[Sequence[int], Sequence[int]]]


class TrainableReader(Protocol):
    """What the learner needs of a policy made of tokens."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def token_logprobs(self, rows: TokenPairs) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, A] of sampled tokens with gradients, and the mask of those that exist."""
        ...

    def reference(self) -> AbstractContextManager[None]:
        """The weights before any training, inside the ``with``."""
        ...

    def bump(self) -> None: ...


class TrainableScorer(Protocol):
    """What the learner needs of a controller."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def logprobs(self, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor) -> tuple[Tensor, Tensor]: ...

    def bump(self) -> None: ...


class ValuingScorer(TrainableScorer, Protocol):
    """A controller that may have a value head as well."""

    @property
    def has_critic(self) -> bool: ...

    def value_loss(self, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor, to_go_D: Tensor) -> Tensor:
        """[D], with gradients."""
        ...


class Trainable(Protocol):
    """What the learner needs of any other network."""

    learning_rate: float

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Learner:
    """One optimiser over all trained actors. An actor that is None stays as it is.

    Args:
        others: further networks that ``Batch.parts`` train, such as one that proposes tasks.
        total_updates: how many updates the run will make, for ``config.decay_from``; 0 keeps the rates constant.
    """

    def __init__(
        self,
        policy: TrainableReader | None,
        controller: TrainableScorer | None,
        config: LearnerConfig,
        seed: int = 0,
        others: Sequence[Trainable] = (),
        total_updates: int = 0,
    ) -> None:
        self._policy, self._controller, self._config = policy, controller, config
        self._rng = np.random.default_rng(seed)
        self._total_updates, self._updates = total_updates, 0
        self._parts: list[dict[str, Any]] = []
        if controller is not None:
            self._parts.append({"params": list(controller.parameters()), "lr": config.controller_learning_rate})
        if policy is not None:
            self._parts.append({"params": list(policy.parameters()), "lr": config.policy_learning_rate})
        self._parts += [{"params": list(other.parameters()), "lr": other.learning_rate} for other in others]
        # betas: a short second-moment memory, since a run is tens of steps.
        groups = [dict(part) for part in self._parts]
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0) if groups else None

    def update(self, batch: Batch) -> dict[str, float]:
        """Learn from a batch; returns means over its optimiser steps.

        Raises:
            FloatingPointError: a gradient is not finite; the optimiser step that met it changed no weight.
        """
        if self._optimizer is None:
            return {}
        self._set_rates()
        totals: dict[str, float] = defaultdict(float)
        parts = self._op_parts(batch)
        tokens = batch.tokens if self._policy is not None else ()
        for i, ops in enumerate(parts):
            self._optimizer.zero_grad(set_to_none=True)
            if self._controller is not None and ops is not None:
                _add(totals, self._learn_ops(self._controller, ops), 1.0 / len(parts))
            if self._policy is not None and tokens and i == 0:
                _add(totals, self._learn_tokens(self._policy, tokens), 1.0)
            for part in _due(batch.parts, first=i == 0):
                told = part.backward()
                if i == 0:
                    _add(totals, {f"{part.name}/{name}": value for name, value in told.items()}, 1.0)
            _add(totals, self._step(), 1.0 / len(parts))
            self._bump()
        self._updates += 1
        totals["token_rows"] = float(len(batch.tokens))
        totals["op_decisions"] = float(len(batch.ops) if batch.ops is not None else 0)
        return dict(totals)

    def _op_parts(self, batch: Batch) -> list[OpBatch | None]:
        """What each optimiser step of this update reads of the controller's decisions."""
        epochs, minibatches = self._config.epochs, self._config.minibatches
        if self._controller is None or batch.ops is None:
            return [None] * (epochs * minibatches if _due(batch.parts, first=False) else 1)
        return [part for _ in range(epochs) for part in batch.ops.shuffled(minibatches, self._rng)]

    def _learn_ops(self, controller: TrainableScorer, ops: OpBatch) -> dict[str, float]:
        config = self._config
        logprobs_DC, mask_DC = controller.logprobs(ops.rows, ops.numbers, ops.counts)
        chosen_D = logprobs_DC.gather(1, ops.choice[:, None]).squeeze(1)
        surrogate = clipped_surrogate(chosen_D, ops.old_logprob, ops.advantage, config.clip_low, config.clip_high)
        entropy_D = entropy(logprobs_DC, mask_DC)
        loss = (ops.weight * surrogate.loss).sum()
        spread = (ops.weight * entropy_D).sum()
        total = loss - config.entropy * spread
        clipped = (ops.weight * surrogate.clipped).sum()
        told = {"controller_loss": loss.item(), "entropy": spread.item(), "clip_fraction": clipped.item()}
        if critic := _critic_of(controller):
            value_loss = (ops.weight * critic.value_loss(ops.rows, ops.numbers, ops.counts, ops.to_go)).sum()
            total = total + config.critic * value_loss
            told["value_loss"] = value_loss.item()
        total.backward()
        return told

    def _learn_tokens(self, policy: TrainableReader, rows: Sequence[TokenRow]) -> dict[str, float]:
        found = {"policy_loss": 0.0, "logprob_gap": 0.0}
        share = self._config.kl / sum(len(row.action_ids) for row in rows)
        for micro in micro_batches(rows, self._config.batch_tokens):
            pairs = [(row.prompt_ids, row.action_ids) for row in micro]
            logprobs_RA, mask_RA = policy.token_logprobs(pairs)
            old_RA = _padded([row.logprobs for row in micro], logprobs_RA)
            loss = (self._token_losses(logprobs_RA, old_RA, micro) * mask_RA).sum()
            if share:
                loss = loss + share * (self._kl(policy, pairs, logprobs_RA) * mask_RA).sum()
            loss.backward()
            found["policy_loss"] += loss.item()
            gap = ((logprobs_RA.detach() - old_RA).abs() * mask_RA).max().item()
            found["logprob_gap"] = max(found["logprob_gap"], gap)
        return found

    def _token_losses(self, logprobs_RA: Tensor, old_RA: Tensor, rows: Sequence[TokenRow]) -> Tensor:
        config = self._config
        advantage_R1 = torch.tensor([[row.advantage] for row in rows], device=logprobs_RA.device)
        if config.importance_cap:
            return truncated_surrogate(logprobs_RA, old_RA, advantage_R1, config.importance_cap).loss
        return clipped_surrogate(logprobs_RA, old_RA, advantage_R1, config.clip_low, config.clip_high).loss

    @staticmethod
    def _kl(policy: TrainableReader, pairs: TokenPairs, logprobs_RA: Tensor) -> Tensor:
        with torch.no_grad(), policy.reference():
            reference_RA, _ = policy.token_logprobs(pairs)
        return kl_to_reference(logprobs_RA, reference_RA)

    def _set_rates(self) -> None:
        assert self._optimizer is not None
        share = falling(self._updates, self._total_updates, self._config.decay_from)
        for group, part in zip(self._optimizer.param_groups, self._parts, strict=True):
            group["lr"] = share * part["lr"]

    def _step(self) -> dict[str, float]:
        """Clip each actor's gradient by its own norm, so that a loud one does not silence the other."""
        assert self._optimizer is not None
        norms = [nn.utils.clip_grad_norm_(part["params"], self._config.max_grad_norm) for part in self._parts]
        if not all(torch.isfinite(norm) for norm in norms):
            raise FloatingPointError(f"a gradient is not finite (norms by actor: {[n.item() for n in norms]})")
        self._optimizer.step()
        return {"grad_norm": max(norm.item() for norm in norms)}

    def _bump(self) -> None:
        """Tell the actors that their weights changed: the policy's did if anything gave them a gradient."""
        if self._controller is not None:
            self._controller.bump()
        if self._policy is not None and any(p.grad is not None for p in self._policy.parameters()):
            self._policy.bump()

    def state_dict(self) -> dict[str, Any]:
        optimizer = self._optimizer.state_dict() if self._optimizer is not None else None
        return {"optimizer": optimizer, "rng": self._rng.bit_generator.state, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state["optimizer"])
        self._rng.bit_generator.state = state["rng"]
        self._updates = int(state["updates"])


def _critic_of(controller: TrainableScorer) -> ValuingScorer | None:
    return cast(ValuingScorer, controller) if getattr(controller, "has_critic", False) else None


def falling(done: int, total: int, start: float) -> float:
    """Share of the learning rate after ``done`` of ``total`` updates: 1 up to ``start`` of them, then down to 1/20."""
    if done < start * total or not total or start >= 1:
        return 1.0
    return max(0.05, (1 - done / total) / (1 - start))


def _due(parts: Sequence[AuxiliaryLoss], first: bool) -> Sequence[AuxiliaryLoss]:
    """All with the first optimiser step, then those that want to be asked at every one and say so."""
    return parts if first else [part for part in parts if getattr(part, "every_step", False)]


def _padded(values: Sequence[Sequence[float]], like_RA: Tensor) -> Tensor:
    out = torch.zeros(like_RA.shape, dtype=torch.float32, device=like_RA.device)
    for line, row in zip(out, values, strict=True):
        line[: len(row)] = torch.tensor(row)
    return out


def _add(totals: dict[str, float], new: Mapping[str, float], weight: float) -> None:
    for name, value in new.items():
        totals[name] += weight * value
