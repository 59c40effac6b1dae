"""What an estimator of credit is: siblings in, one number per decision out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Decision, Episode

Advantages = NDArray[np.float64]
"""[D] of one episode, in the order in which its decisions were taken."""


class Scene(NamedTuple):
    """What an estimator may use beside the episodes themselves."""

    agent: Agent
    """Who played these episodes; an estimator that replays asks it again."""
    config: CreditConfig
    options: Any = None
    """The estimator's own, as it registered them; None where it has none."""


class Estimator(Protocol):
    """Credit for the decisions of siblings: tries at one task, all usable, two at least.

    Registered as it is: ``register("estimator", name, estimator, options)``.
    """

    def __call__(self, episodes: Sequence[Episode], scene: Scene) -> list[Advantages]: ...


def decisions(episode: Episode) -> list[Decision]:
    """All decisions of an episode in the order in which they were taken: what an ``Advantages`` array runs along."""
    return [decision for step in episode.steps for decision in step.decisions]
