"""Decisions of all siblings as flat rows, for estimators that group rows by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.contract import Advantages
from memrl.algos.advantages import returns_to_go
from memrl.contracts.types import Decision, Episode, Observation

# Shapes: G siblings, N rows (decisions, sibling by sibling), D decisions of one episode.


class Row(NamedTuple):
    """One decision, and where it was taken."""

    episode: int
    observation: Observation
    decision: Decision
    reward: float
    """Of the step."""
    to_go: float
    """Discounted return from the step on, its own reward included."""


def rows(episodes: Sequence[Episode], discount: float) -> list[Row]:
    """[N], sibling by sibling, in the order in which the decisions were taken."""
    return [
        Row(g, step.observation, decision, step.reward, float(to_go))
        for g, episode in enumerate(episodes)
        for step, to_go in zip(episode.steps, to_go_of(episode, discount), strict=True)
        for decision in step.decisions
    ]


def to_go_of(episode: Episode, discount: float) -> NDArray[np.float64]:
    """Discounted return from each step on, shape [steps]."""
    return returns_to_go(np.array([step.reward for step in episode.steps], dtype=np.float64), discount)


def totals(episodes: Sequence[Episode]) -> NDArray[np.float64]:
    """[G] undiscounted return of each episode."""
    return np.array([sum(step.reward for step in episode.steps) for episode in episodes], dtype=np.float64)


def episode_of(table: Sequence[Row]) -> NDArray[np.int64]:
    """[N] which sibling each row belongs to."""
    return np.array([row.episode for row in table], dtype=np.int64)


def split(values_N: NDArray[np.float64], table: Sequence[Row], num_episodes: int) -> list[Advantages]:
    """Back to one array [D] an episode."""
    episode_N = episode_of(table)
    return [values_N[episode_N == g] for g in range(num_episodes)]


def stamp(values_G: NDArray[np.float64], episodes: Sequence[Episode]) -> list[Advantages]:
    """One number an episode on all its decisions."""
    return [
        np.full(sum(len(step.decisions) for step in episode.steps), value, dtype=np.float64)
        for episode, value in zip(episodes, values_G, strict=True)
    ]
