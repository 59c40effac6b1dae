"""Batch to optimiser steps: all trained actors learn from the same episodes, in one optimiser.

The loss is a sum of parts: the sampled tokens of each actor, the controller's choices among offers, its critic, and
each auxiliary loss. Each is normalised by its own count (``batch.py``), and its gradient is clipped by its own norm
before they are added (``gradients.py``). What was sampled is read once, on-policy, with the first optimiser step; the
choices are cheap and are read ``epochs`` times under the clip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from memrl.contracts.config import LearnerConfig
from memrl.contracts.errors import TrainingError
from memrl.contracts.generation import AuxiliaryLoss, Turn
from memrl.contracts.protocols import TrainablePolicy
from memrl.contracts.types import POLICY, Actor, is_policy
from memrl.training.batch import Batch, OpBatch, TokenRow
from memrl.training.gradients import Gradients
from memrl.training.op_loss import TrainableScorer, op_losses
from memrl.training.token_loss import TokenLoss

Policies = Mapping[Actor, TrainablePolicy | None]


class Trainable(Protocol):
    """What the learner needs of any other network."""

    learning_rate: float

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Learner:
    """One optimiser over all trained actors.

    Args:
        policies: who samples tokens, by actor; None plays and stays as it is. Actors may share one model. A policy's
            actor that is not named learns with "policy", as it plays with it (``Agent.policy_of``).
        scorer: the controller that chooses among offers; None where it stays as it is, or samples tokens.
        others: further networks that ``Batch.parts`` train, such as one that proposes tasks.
        total_updates: how many updates the run will make, for ``config.decay_from``; 0 keeps the rates constant.
    """

    def __init__(
        self,
        policies: Policies,
        scorer: TrainableScorer | None,
        config: LearnerConfig,
        seed: int = 0,
        others: Sequence[Trainable] = (),
        total_updates: int = 0,
    ) -> None:
        self._policies, self._scorer, self._config = policies, scorer, config
        self._models = list({id(policy): policy for policy in policies.values() if policy is not None}.values())
        self._rng = np.random.default_rng(seed)
        self._total_updates, self._updates, self._skips = total_updates, 0, 0
        self._networks = [(list(scorer.parameters()), config.controller_learning_rate)] if scorer is not None else []
        self._networks += [(list(model.parameters()), config.policy_learning_rate) for model in self._models]
        self._networks += [(list(other.parameters()), other.learning_rate) for other in others]
        self._parameters = [parameter for parameters, _ in self._networks for parameter in parameters]
        # betas: a short second-moment memory, since a run is tens of steps.
        groups = [{"params": parameters, "lr": rate} for parameters, rate in self._networks]
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0) if groups else None

    def update(self, batch: Batch) -> dict[str, float]:
        """Learn from a batch; returns means over its optimiser steps, and ``grad_norm/PART`` before the clip.

        A gradient that is not finite changes no weight: its optimiser step is skipped and counted.

        Raises:
            TrainingError: ``config.max_skips`` optimiser steps in a row were skipped.
        """
        if self._optimizer is None:
            return {}
        if not self._updates and self._config.kl:
            for model in self._models:
                model.freeze_reference()
        self._set_rates()
        sampled = [loss for actor, rows in batch.tokens.items() for loss in self._token_losses(actor, rows)]
        minibatches = self._minibatches(batch)
        told = _Told(len(minibatches))
        for i, ops in enumerate(minibatches):
            self._step([*self._asked(ops, sampled, batch.parts, i)], Turn(i, len(minibatches)), told)
        self._updates += 1
        rows = {"token_rows": float(sum(len(loss.read) for loss in sampled))}
        return {**told.summary(), **rows, "op_decisions": float(len(batch.ops) if batch.ops is not None else 0)}

    def _minibatches(self, batch: Batch) -> list[OpBatch | None]:
        """What each optimiser step of this update reads of the choices among offers."""
        epochs, minibatches = self._config.epochs, self._config.minibatches
        if self._scorer is None or batch.ops is None:
            return [None] * (epochs * minibatches if any(map(_is_for_every_step, batch.parts)) else 1)
        return [part for _ in range(epochs) for part in batch.ops.shuffled(minibatches, self._rng)]

    def _token_losses(self, actor: Actor, rows: Sequence[TokenRow]) -> Iterator[TokenLoss]:
        usual = self._policies.get(POLICY) if is_policy(actor) else None
        policy = self._policies.get(actor, usual)
        if policy is not None:
            loss = TokenLoss(actor, policy, rows, self._config)
            if loss.read:
                yield loss

    def _asked(
        self, ops: OpBatch | None, sampled: Sequence[TokenLoss], parts: Sequence[AuxiliaryLoss], step: int
    ) -> Iterator[_Asked]:
        """The parts of one optimiser step's loss, in order."""
        if self._scorer is not None and ops is not None:
            yield from (_Asked(loss) for loss in op_losses(self._scorer, ops, self._config))
        if step == 0:
            yield from (_Asked(loss, once=True) for loss in sampled)
        for part in parts:
            if step == 0 or _is_for_every_step(part):
                yield _Asked(part, f"{part.name}/", once=True)

    def _step(self, asked: Sequence[_Asked], turn: Turn, told: _Told) -> None:
        """One optimiser step, skipped where a gradient is not finite."""
        assert self._optimizer is not None
        gradients = Gradients(self._parameters, self._config.max_grad_norm)
        norms: dict[str, float] = {}
        for one in asked:
            told.add(one, one.part.backward(turn), turn)
            norm = gradients.take(one.part.name)
            if norm is not None:
                norms[one.part.name] = max(norm, norms.get(one.part.name, 0.0))
        if gradients.broken:
            self._skip(gradients.broken)
            told.skipped += 1
            return
        told.norms.append(norms)
        self._skips = 0
        gradients.put()
        self._optimizer.step()
        self._bump()

    def _skip(self, broken: Sequence[str]) -> None:
        self._skips += 1
        if self._skips >= self._config.max_skips:
            raise TrainingError(
                f"learner.max_skips = {self._config.max_skips}: as many optimiser steps in a row met a gradient that "
                f"is not finite, the last of {', '.join(broken)}; no weight was changed by it: resume from the last "
                "checkpoint, or train again with a lower learner.policy_learning_rate or controller_learning_rate"
            )

    def _set_rates(self) -> None:
        assert self._optimizer is not None
        share = falling(self._updates, self._total_updates, self._config.decay_from)
        for group, (_, rate) in zip(self._optimizer.param_groups, self._networks, strict=True):
            group["lr"] = share * rate

    def _bump(self) -> None:
        """Tell those whose weights were given a gradient that they changed."""
        for network in [*self._models, *([self._scorer] if self._scorer is not None else [])]:
            if any(parameter.grad is not None for parameter in network.parameters()):
                network.bump()

    def state_dict(self) -> dict[str, Any]:
        """Steps skipped in a row are no part of it: a run that ended of them has as many tries again."""
        optimizer = self._optimizer.state_dict() if self._optimizer is not None else None
        return {"optimizer": optimizer, "rng": self._rng.bit_generator.state, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state["optimizer"])
        self._rng.bit_generator.state = state["rng"]
        self._updates, self._skips = int(state["updates"]), 0


class _Asked(NamedTuple):
    """A part of one optimiser step's loss."""

    part: AuxiliaryLoss
    prefix: str = ""
    """Of its metrics."""
    once: bool = False
    """Whether what it tells at the first optimiser step is of the whole update; else the mean over all is."""


class _Told:
    """What the optimiser steps of one update tell."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._totals: dict[str, float] = defaultdict(float)
        self.norms: list[dict[str, float]] = []
        """Of each optimiser step that was made: part -> norm of its gradient before the clip."""
        self.skipped = 0

    def add(self, one: _Asked, found: Mapping[str, float], turn: Turn) -> None:
        if one.once and turn.index > 0:
            return
        for name, value in found.items():
            self._totals[one.prefix + name] += value if one.once else value / self._steps

    def summary(self) -> dict[str, float]:
        """``grad_norm`` is the mean over steps of the loudest part's, ``grad_norm/PART`` over those it acted in."""
        by_part: dict[str, list[float]] = defaultdict(list)
        for norms in self.norms:
            for name, norm in norms.items():
                by_part[f"grad_norm/{name}"].append(norm)
        loudest = [max(norms.values(), default=0.0) for norms in self.norms]
        means = {name: sum(values) / len(values) for name, values in by_part.items()}
        mean = sum(loudest) / max(1, len(loudest))
        return {**self._totals, **means, "grad_norm": mean, "skipped_updates": float(self.skipped)}


def falling(done: int, total: int, start: float) -> float:
    """Share of the learning rate after ``done`` of ``total`` updates: 1 up to ``start`` of them, then down to 1/20."""
    if done < start * total or not total or start >= 1:
        return 1.0
    return max(0.05, (1 - done / total) / (1 - start))


def _is_for_every_step(part: AuxiliaryLoss) -> bool:
    return bool(getattr(part, "every_step", False))
