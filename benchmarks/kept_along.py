"""A controller that chooses among offers, taught what another one chooses along walkthroughs.

RL of a scorer begins with a memory that holds what chance left in it. Where an environment knows what must be
remembered (``Bounded.plan``, the controller ``oracle``) and a way through (``Demonstrates``), some hundred choices of
that keeper are a better start. The scorer sees what it always sees, and nothing of the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from memrl.contracts.capabilities import Demonstrates, need
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.offer_sets import stacked
from memrl.contracts.protocols import Agent
from memrl.contracts.types import CONTROLLER, OpDecision, Task
from memrl.rollouts.scheduler import play
from memrl.training.demonstrations import Guide
from memrl.training.op_loss import TrainableScorer
from memrl.training.players import with_controller

WHO = "imitation"


def kept_along(agent: Agent, config: TrainConfig, tasks: Sequence[Task], keeper: str) -> list[OpDecision]:
    """What a keeper chose along the walkthroughs of tasks, wherever there was a choice.

    Args:
        keeper: a controller by name that chooses among the run's own offers, such as "oracle".

    Raises:
        ConfigError: the source knows no walkthroughs, or there is no such controller here.
        DataError: a walkthrough cannot be followed.
    """
    source = need(agent.task_source, Demonstrates, WHO, keeper, "imitate nobody")
    player = replace(with_controller(agent, config, keeper, WHO), policy=Guide(source, tasks), others={})
    episodes = [group.episodes[0] for group in play(player, tasks, [config.seed, 0x1317], tries=1)]
    return [
        one
        for episode in episodes
        for one in episode.decisions
        if isinstance(one, OpDecision) and one.actor == CONTROLLER and len(one.offers) > 1
    ]


def imitate(
    scorer: TrainableScorer,
    decisions: Sequence[OpDecision],
    *,
    steps: int,
    batch_size: int = 64,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> float:
    """Adam on the cross-entropy of the choices; returns the mean over the last tenth of the steps, in nats.

    Raises:
        ConfigError: there are no choices.
    """
    if not decisions:
        raise ConfigError(WHO, 0, "there was nothing to choose along these walkthroughs")
    every = stacked([one.offers for one in decisions])
    choice_D = np.array([one.choice for one in decisions])
    optimizer = torch.optim.Adam(scorer.parameters(), lr=learning_rate)
    rng = np.random.default_rng(seed)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        at = rng.integers(len(decisions), size=min(batch_size, len(decisions)))
        part = every.take(at)
        logprobs_DC, _ = scorer.logprobs(*map(torch.from_numpy, (part.rows, part.numbers, part.counts)))
        loss = -logprobs_DC.gather(1, torch.from_numpy(choice_D[at])[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    optimizer.zero_grad()
    scorer.bump()
    return float(np.mean(losses[-max(1, steps // 10) :]))
