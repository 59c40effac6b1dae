"""Siblings on one time axis: what each earned at a place, beside what the others earned there.

What siblings share is the id of an observation. Where a source is passive they all see the same ids. Where actions
change what is shown, ids may differ by the path taken; the place is then the number of the step. Either is fixed before
the decision that is judged, and the others' returns hold nothing of it, so the comparison adds no bias.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.contract import Advantages
from memrl.contracts.types import Actor, Episode, Step, is_policy

# Shapes: G siblings, T places of their common clock, D decisions of one episode, S steps of one episode.

PerStep = NDArray[np.float64]
"""[S] of one episode, one number a step."""


class Clock(NamedTuple):
    """An observation that several siblings saw stands in one column."""

    rewards_GT: NDArray[np.float64]
    present_GT: NDArray[np.bool_]
    column_of: dict[str, int]


def align(episodes: Sequence[Episode]) -> Clock:
    """Columns by observation id, in the order of first sight. Who was elsewhere shares no column there."""
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


def acting(step: Step) -> Actor:
    """Which policy acted at a step; "" for none."""
    return next((d.actor for d in step.decisions if is_policy(d.actor)), "")


def places(episodes: Sequence[Episode], passive: bool) -> list[list[Hashable]]:
    """[S] of each episode: the observation's id; where nothing is passive and nobody shares it, the step's number."""
    shared = Counter(step.observation.id for episode in episodes for step in episode.steps)
    return [
        [
            step.observation.id if passive or shared[step.observation.id] > 1 else t
            for t, step in enumerate(episode.steps)
        ]
        for episode in episodes
    ]


def expected(episodes: Sequence[Episode], values: Sequence[PerStep], passive: bool) -> list[PerStep]:
    """What the *other* siblings had on average at each step's place, where the same actor acted (RLOO's baseline).

    Several policies in one episode are so compared each with itself. Of what stands at the same observation; where no
    sibling saw it and the source is not passive, of what stands at the same number of the step. Who was alone there
    has his own value, and so an advantage of 0.

    Args:
        values: one number a step of each episode, such as its return from there on.
    """
    by_id: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0])
    by_number: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0])
    for _, t, step, value in _each(episodes, values):
        for table, place in ((by_id, step.observation.id), (by_number, t)):
            entry = table[place, acting(step)]
            entry[0] += value
            entry[1] += 1
    out = [np.array(own, dtype=np.float64) for own in values]
    for g, t, step, value in _each(episodes, values):
        total, count = by_id[step.observation.id, acting(step)]
        if count < 2 and not passive:
            total, count = by_number[t, acting(step)]
        if count > 1:
            out[g][t] = (total - value) / (count - 1)
    return out


def _each(episodes: Sequence[Episode], values: Sequence[PerStep]) -> Iterator[tuple[int, int, Step, float]]:
    for g, (episode, own) in enumerate(zip(episodes, values, strict=True)):
        for t, (step, value) in enumerate(zip(episode.steps, own.tolist(), strict=True)):
            yield g, t, step, value


def by_place(
    episodes: Sequence[Episode], clock: Clock, ops_GT: NDArray[np.float64], answers_GT: NDArray[np.float64]
) -> list[Advantages]:
    """Every decision's number from the place of the clock at which it was taken: a controller's, or a policy's."""
    return [
        np.array(
            [
                (answers_GT if is_policy(decision.actor) else ops_GT)[g, clock.column_of[step.observation.id]]
                for step in episode.steps
                for decision in step.decisions
            ],
            dtype=np.float64,
        )
        for g, episode in enumerate(episodes)
    ]


def by_step(episodes: Sequence[Episode], values: Sequence[PerStep]) -> list[Advantages]:
    """Every decision's number from its step."""
    return [
        np.repeat(own, [len(step.decisions) for step in episode.steps]).astype(np.float64)
        for episode, own in zip(episodes, values, strict=True)
    ]
