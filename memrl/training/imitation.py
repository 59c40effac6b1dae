"""A controller that chooses among offers learns the choices of another: of whoever kept memory in demonstrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memrl.contracts.config import WarmStartConfig
from memrl.contracts.types import OpDecision
from memrl.policies.warm_start import share
from memrl.reflection.auxiliary_losses import offer_logprobs

BATCH = 64
"""Decisions of one optimiser step."""


def imitate(
    controller: Any,
    decisions: Sequence[OpDecision],
    config: WarmStartConfig,
    seed: int = 0,
    on_step: Callable[[], None] | None = None,
) -> None:
    """Cross-entropy to the choices taken, over ``config.controller_steps`` batches, at the rates of the policy's part.

    Each kind of op weighs as much as the root of its count, so that the many choices to leave memory alone do not
    silence the few to change it.

    Args:
        controller: has ``logprobs`` of offers, ``parameters`` and ``bump``.
        decisions: at least one; their offers are those that the controller itself would be given.
    """
    counts = Counter(type(one.action) for one in decisions)
    weights_D = np.array([counts[type(one.action)] ** -0.5 for one in decisions])
    optimizer = torch.optim.AdamW(controller.parameters(), lr=config.learning_rate, weight_decay=0.0)
    rng = np.random.default_rng(seed)
    for step in range(config.controller_steps):
        batch = [decisions[i] for i in rng.choice(len(decisions), BATCH, p=weights_D / weights_D.sum())]
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * share(step, config.controller_steps)
        optimizer.zero_grad()
        _surprise(controller, batch).backward()
        torch.nn.utils.clip_grad_norm_(list(controller.parameters()), 1.0)
        optimizer.step()
        controller.bump()
        if on_step is not None:
            on_step()
    optimizer.zero_grad()


def _surprise(controller: Any, batch: Sequence[OpDecision]) -> Tensor:
    """Mean of ``-log p`` of the choices, in nats."""
    choice_D1 = torch.tensor([[one.choice] for one in batch])
    return -offer_logprobs(controller, batch).gather(1, choice_D1).mean()
