"""Is a lesson true? Replay of the same episode with the edit, and siblings played with the rule and without.

lesson ─ text guard ─> replay: same seed, one op changed ─> success grew? ─> its rule on siblings ─> sibling gain
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from memrl.contracts.capabilities import WritesTasks, able
from memrl.contracts.learning import Lesson, Place
from memrl.contracts.protocols import Agent
from memrl.contracts.types import End, Episode, Group, OpDecision, Task
from memrl.controllers.advice import Advice
from memrl.controllers.guided import Guided
from memrl.policies.advised import Advised
from memrl.rollouts.replay import Change, Replayed, Site, replay
from memrl.rollouts.scheduler import play


class Measured(NamedTuple):
    """A lesson after replay."""

    lesson: Lesson
    """With what replay gained, in success."""
    reached: float
    """Success with the edit; as before where the replay led elsewhere."""


class Trial(NamedTuple):
    """One rule on one sibling."""

    key: str
    gain: float


class Spent(NamedTuple):
    """What proof cost, to be counted against a run without reflection."""

    episodes: int = 0
    """Sibling episodes."""
    steps: int = 0
    """Environment steps of siblings and of replays."""
    tokens: int = 0
    """Tokens read in siblings and replays."""

    def plus(self, other: Spent) -> Spent:
        return Spent(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def decision_at(groups: Sequence[Group], at: Place) -> OpDecision | None:
    """The op decision that stands there; None where there is none."""
    try:
        found = groups[at.group].episodes[at.episode].steps[at.step].decisions[at.place]
    except IndexError:
        return None
    return found if isinstance(found, OpDecision) else None


def replayed(lessons: Sequence[Lesson], groups: Sequence[Group], agent: Agent) -> tuple[list[Measured], Spent]:
    """Every lesson with its measured gain, in order; a replay that led elsewhere gains nothing."""
    by_group: dict[int, list[int]] = {}
    for i, lesson in enumerate(lessons):
        by_group.setdefault(lesson.at.group, []).append(i)
    found: dict[int, Measured] = {}
    spent = Spent()
    for g, indices in by_group.items():
        own = [lessons[i] for i in indices]
        changes = [
            Change(one.at.episode, Site(one.at.step, one.at.place), one.decision.offers.ops[one.better]) for one in own
        ]
        results = replay(groups[g].episodes, changes, agent)
        for i, lesson, result in zip(indices, own, results.each, strict=True):
            episode = groups[g].episodes[lesson.at.episode]
            found[i] = _measured(lesson, episode, result)
            spent = spent.plus(Spent(steps=len(episode.steps)))
        spent = spent.plus(Spent(tokens=results.tokens))
    return [found[i] for i in range(len(lessons))], spent


def _measured(lesson: Lesson, episode: Episode, result: Replayed) -> Measured:
    asked = max(1, len(episode.verdicts))
    if result.rewards is None:
        return Measured(replace(lesson, gain=0.0), episode.success)
    gain = float((result.rewards - result.reference).sum()) / asked
    return Measured(replace(lesson, gain=gain), float(result.rewards.sum()) / asked)


def without_rules(agent: Agent) -> Agent:
    """The agent as deployed."""
    controller, policy = agent.controller, agent.policy
    return replace(agent, controller=getattr(controller, "inner", controller), policy=getattr(policy, "inner", policy))


def with_rules(agent: Agent, advice: Sequence[Advice], texts: Sequence[str], bonus: float) -> Agent:
    """The deployed agent under the influence of these rules alone."""
    plain = without_rules(agent)
    guided = Guided(plain.controller, lambda: advice, bonus)  # pyright: ignore[reportArgumentType]
    return replace(plain, controller=guided, policy=Advised(plain.policy, lambda: texts))


def siblings_of(tasks: Sequence[Task], agent: Agent, count: int, rng: np.random.Generator) -> list[Task]:
    """At most ``count`` new tasks of the thetas of these; none where a theta stands for one task only."""
    chosen = [tasks[int(i)] for i in rng.permutation(len(tasks))[:count]]
    writer = able(agent.task_source, WritesTasks)
    if writer is None:
        return []
    made = [writer.sibling(task, int(rng.integers(2**31))) for task in chosen]
    return [task for task in made if task is not None]


def try_rules(
    rules: Sequence[tuple[Advice, str]], tasks: Sequence[Task], agent: Agent, bonus: float, practice: bool
) -> tuple[list[Trial], Spent]:
    """Each rule on each sibling: success with it less success without, the episode's random numbers being the same."""
    if not rules or not tasks:
        return [], Spent()
    plain = _play(without_rules(agent), tasks, practice)
    trials, episodes = [], list(plain)
    for advice, text in rules:
        swayed = _play(with_rules(agent, [advice], [text], bonus), tasks, practice)
        episodes += swayed
        trials += [
            Trial(advice.key, after.success - before.success)
            for before, after in zip(plain, swayed, strict=True)
            if End.ENV_ERROR not in (before.end, after.end)
        ]
    steps = [step for episode in episodes for step in episode.steps]
    return trials, Spent(len(episodes), len(steps), sum(step.context_tokens for step in steps))


def _play(agent: Agent, tasks: Sequence[Task], practice: bool) -> list[Episode]:
    seed = [0x51B, *(abs(task.seed) for task in tasks)]
    return [one for group in play(agent, tasks, seed, tries=1, practice=practice) for one in group.episodes]
