"""What an answer earned by being right, apart from what memory had left it to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.clock import Clock
from memrl.advantages.contract import Scene
from memrl.algos.advantages import leave_one_out
from memrl.contracts.capabilities import EvidenceReader, able
from memrl.contracts.types import Episode, Step, TokenDecision

# Shapes: G siblings, T places of their common clock.


def answer_advantages(episodes: Sequence[Episode], clock: Clock, scene: Scene) -> NDArray[np.float64]:
    """An answer's reward less the mean of the siblings' answers to the same question from views that support the same.

    What a view supports is what an exact reader would answer from it. So nobody is blamed for a fact that memory had
    lost, which would teach to guess, nor praised for one that memory had kept. The baseline depends on the view and
    never on the answer, so the estimate stays unbiased. Without an exact reader, all siblings compare.

    Returns:
        [G, T]; 0 where there was no answer, or nobody to compare with.
    """
    supported = _supported(episodes, clock, scene)
    advantages = np.zeros_like(clock.rewards_GT)
    for what in set(supported.values()):
        alike_GT = np.zeros_like(clock.present_GT)
        for place, read in supported.items():
            alike_GT[place] = read == what
        advantages += leave_one_out(clock.rewards_GT, alike_GT)
    return advantages


def _supported(episodes: Sequence[Episode], clock: Clock, scene: Scene) -> dict[tuple[int, int], str | None]:
    """(sibling, column) of each answer -> what its view supports."""
    return {
        (g, clock.column_of[step.observation.id]): _read(episode, step, scene)
        for g, episode in enumerate(episodes)
        for step in episode.steps
        if any(isinstance(decision, TokenDecision) for decision in step.decisions)
    }


def _read(episode: Episode, step: Step, scene: Scene) -> str | None:
    seen = frozenset(line.observation_id for line in step.view)
    reader = able(scene.agent.task_source, EvidenceReader)
    return None if reader is None else reader.read(episode.task, step.observation.id, seen)
