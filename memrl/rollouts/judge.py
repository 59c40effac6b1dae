"""What episodes earn with other answers, by fresh environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.protocols import Agent
from memrl.contracts.types import Action, Episode, Observation
from memrl.rollouts.guards import EnvFailed, EnvGuard

Rewards = NDArray[np.float64]
"""[T] of one episode, one number a step."""
Answers = frozenset[tuple[int, Action]]
"""Step and answer, of those that differ from what was recorded."""


def recorded(episode: Episode) -> Rewards:
    """What an episode earned."""
    return np.array([step.reward for step in episode.steps], dtype=np.float64)


@dataclass
class _Own:
    """What is known of one episode."""

    asked: set[Answers] = field(default_factory=set)
    known: dict[Answers, Rewards | None] = field(default_factory=dict)
    apart: dict[tuple[int, Action], float] | None = None
    """(step, answer) -> its reward, where each answer was found to be paid for by itself."""


class Judge:
    """Rewards of episodes with other answers; equal cases are played once.

    Where many cases are told beforehand (``add``) and every answer is paid for by itself, a few plays tell them all:
    each play gives other answers at all asked steps at once. That answers are paid for by themselves is looked at, not
    believed: in each such play every step that was given its recorded answer must pay as recorded, and the case that
    changes most and the last that changes least must earn, played alone, what was put together for them. Else each case
    is played by itself.
    """

    def __init__(self, episodes: Sequence[Episode], agent: Agent) -> None:
        self._episodes, self._agent = episodes, agent
        self._own = [_Own() for _ in episodes]
        self._settled = False

    def add(self, index: int, answers: Mapping[int, Action]) -> None:
        """Tell a case beforehand: answers by step of the episode ``index``."""
        self._own[index].asked.add(self._changed(index, answers))

    def rewards(self, index: int, answers: Mapping[int, Action]) -> Rewards | None:
        """None where the environment, told these answers, shows something else than was recorded, or fails."""
        if not self._settled:
            self._settled = True
            for i in range(len(self._episodes)):
                self._put_together(i)
        own, new = self._own[index], self._changed(index, answers)
        if new not in own.known:
            apart = own.apart if own.apart is not None and all(one in own.apart for one in new) else None
            own.known[new] = self._play(index, new) if apart is None else self._sum(index, new, apart)
        return own.known[new]

    def _changed(self, index: int, answers: Mapping[int, Action]) -> Answers:
        steps = self._episodes[index].steps
        return frozenset((t, action) for t, action in answers.items() if action != steps[t].acted)

    def _put_together(self, index: int) -> None:
        """Play all answers at once, in as many plays as the step of the most answers needs, and see if that holds."""
        own = self._own[index]
        cases = [case for case in own.asked if case]
        at: dict[int, list[Action]] = {}
        for t, action in sorted({one for case in cases for one in case}, key=lambda one: (one[0], repr(one[1]))):
            at.setdefault(t, []).append(action)
        plays = max(map(len, at.values()), default=0)
        if plays + 2 >= len(cases):
            return
        was, apart = recorded(self._episodes[index]), {}
        for k in range(plays):
            told = {t: actions[k] for t, actions in at.items() if k < len(actions)}
            paid = self._play(index, frozenset(told.items()))
            if paid is None or any(paid[t] != was[t] for t in range(len(was)) if t not in told):
                return
            apart.update({(t, action): float(paid[t]) for t, action in told.items()})
        in_order = sorted(cases, key=lambda case: (-len(case), sorted((t, repr(action)) for t, action in case)))
        for case in (in_order[0], in_order[-1]):
            alone = own.known[case] = self._play(index, case)
            if alone is None or not np.array_equal(alone, self._sum(index, case, apart)):
                return
        own.apart = apart

    def _sum(self, index: int, case: Answers, apart: Mapping[tuple[int, Action], float]) -> Rewards:
        rewards = recorded(self._episodes[index])
        for t, action in case:
            rewards[t] = apart[t, action]
        return rewards

    def _play(self, index: int, new: Answers) -> Rewards | None:
        episode, answers = self._episodes[index], dict(new)
        if not answers:
            return recorded(episode)
        rewards = np.zeros(len(episode.steps))
        try:
            env = EnvGuard(self._agent.task_source.make, episode.task, self._agent.rollout.env_seconds)
            shown: Observation | None = env.start()
            for t, step in enumerate(episode.steps):
                if shown is None or (shown.id, shown.content) != (step.observation.id, step.observation.content):
                    return None
                outcome = env.step(answers.get(t, step.acted))
                rewards[t], shown = outcome.reward, outcome.next
        except EnvFailed:
            return None
        return rewards
