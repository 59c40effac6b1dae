"""What a policy's decisions earned. Where nothing reacts, by being right, apart from what memory had left to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memrl.advantages.clock import Clock, PerStep, align, by_place, by_step
from memrl.advantages.contract import Advantages, Scene
from memrl.algos.advantages import leave_one_out
from memrl.contracts.capabilities import EvidenceReader, able, is_passive, shown
from memrl.contracts.types import Episode, Step, is_policy

# Shapes: G siblings, T places of their common clock, D decisions of one episode.


def passive(scene: Scene) -> bool:
    """Whether actions change nothing that is shown later."""
    return is_passive(scene.agent.task_source)


def with_answers(episodes: Sequence[Episode], found: Sequence[PerStep], scene: Scene) -> list[Advantages]:
    """Advantages of all decisions: each its step's, but for answers in a passive source, which keep their own reward.

    Args:
        found: advantage of what was decided at each step, from that step on.
    """
    everywhere = by_step(episodes, found)
    if not passive(scene):
        return everywhere
    clock = align(episodes)
    answers_GT = answer_advantages(episodes, clock, scene)
    answers = by_place(episodes, clock, answers_GT, answers_GT)
    of_policy = [np.array([is_policy(d.actor) for d in episode.decisions], dtype=bool) for episode in episodes]
    return [np.where(own, a, e) for own, a, e in zip(of_policy, answers, everywhere, strict=True)]


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
        if step.acted is not None
    }


def _read(episode: Episode, step: Step, scene: Scene) -> str | None:
    seen = shown(scene.agent.task_source, step.view)
    reader = able(scene.agent.task_source, EvidenceReader)
    return None if reader is None else reader.read(episode.task, step.observation.id, seen)
