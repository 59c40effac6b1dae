"""Siblings on one time axis: what each earned at an observation, beside what the others earned there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.contract import Advantages
from memrl.contracts.types import Episode, TokenDecision

# Shapes: G siblings, T places of their common clock, D decisions of one episode.


class Clock(NamedTuple):
    """An observation that several siblings saw stands in one column."""

    rewards_GT: NDArray[np.float64]
    present_GT: NDArray[np.bool_]
    column_of: dict[str, int]


def align(episodes: Sequence[Episode]) -> Clock:
    """Columns by observation id, in the order of first sight.

    Siblings that an environment led elsewhere share no column there, and so are not compared.
    """
    column_of: dict[str, int] = {}
    for episode in episodes:
        for step in episode.steps:
            column_of.setdefault(step.observation.id, len(column_of))
    rewards = np.zeros((len(episodes), len(column_of)))
    present = np.zeros_like(rewards, dtype=bool)
    for g, episode in enumerate(episodes):
        for step in episode.steps:
            rewards[g, column_of[step.observation.id]] = step.reward
            present[g, column_of[step.observation.id]] = True
    return Clock(rewards, present, column_of)


def by_place(
    episodes: Sequence[Episode], clock: Clock, ops_GT: NDArray[np.float64], answers_GT: NDArray[np.float64]
) -> list[Advantages]:
    """Every decision's number from the place of the clock at which it was taken: an op's, or an answer's."""
    return [
        np.array(
            [
                (answers_GT if isinstance(decision, TokenDecision) else ops_GT)[g, clock.column_of[step.observation.id]]
                for step in episode.steps
                for decision in step.decisions
            ],
            dtype=np.float64,
        )
        for g, episode in enumerate(episodes)
    ]
