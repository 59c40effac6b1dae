"""Policies that can say how likely a given answer is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from memrl.advantages.contract import Scene
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest


class Scores(Protocol):
    """What an estimator that weighs answers needs of a policy."""

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        """Log-probability of each answer, its end included, given what its request shows; no gradients."""
        ...


def scores_of(scene: Scene) -> Scores:
    """The scene's policy.

    Raises:
        ConfigError: it cannot score answers.
    """
    policy = scene.agent.policy
    if not callable(getattr(policy, "answer_logprobs", None)):
        way_out = f"{type(policy).__name__} has no answer_logprobs(); use credit.name = 'leave_one_out'"
        raise ConfigError("credit.name", scene.config.name, way_out)
    return cast("Scores", policy)
