"""Walkthroughs as lessons: training tasks are played along them by the one ``play``, and what was asked at each step is
kept beside what was said.

The views are those of a real run: its stores, its budgets, its way of showing what memory holds. Where the environment
knows what a step rests on (``EvidenceReader``), a step whose evidence is not in view is left out, as it would teach to
guess; where nobody knows, who keeps memory (``warm_start.demonstrated_with``) must see to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from memrl.contracts.capabilities import Demonstrates, EvidenceReader, Example, able, need, shown
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.rows import row_kind
from memrl.contracts.silent import silent_decision
from memrl.contracts.types import End, Episode, OpDecision, Task, TokenDecision, Unreadable, as_text
from memrl.curricula._draws import Draws
from memrl.policies.parsing import parse
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.scheduler import play
from memrl.training.build import OWN
from memrl.training.players import make_row, with_controller

DEMONSTRATIONS, WITH = "warm_start.demonstrations", "warm_start.demonstrated_with"
DEMONSTRATED = 0xDE30
"""Marks what demonstrations draw."""


class Guide(ScriptedPolicy):
    """Says what the walkthrough of each task says, and keeps what it was asked.

    Raises:
        DataError: where a walkthrough says what is not admissible, or ends before its task does.
    """

    def __init__(self, source: Demonstrates, tasks: Sequence[Task]) -> None:
        super().__init__(self._said)
        self._ways = {id(task): tuple(source.walkthrough(task)) for task in tasks}
        self._tasks = tasks  # keeps the ids alive
        self.lessons: dict[int, list[Example]] = {id(task): [] for task in tasks}

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """The walkthrough's next text for each request, in order."""
        return [self._decided(request) for request in requests]

    def _said(self, request: SampleRequest) -> str:
        way, lessons = self._ways[id(request.task)], self.lessons[id(request.task)]
        if len(lessons) >= len(way):
            raise _wrong(request.task, f"has {len(way)} texts and ends before the task does")
        lessons.append(Example(request, way[len(lessons)]))
        return lessons[-1].text

    def _decided(self, request: SampleRequest) -> TokenDecision:
        said = self._said(request)
        action = parse(said, request)
        if isinstance(action, Unreadable):
            raise _wrong(request.task, f"says {said!r}, which is no action there: {_offered(request)}")
        return replace(silent_decision(said, request), action=action)


class Shown(NamedTuple):
    """What a play along walkthroughs has to teach."""

    lessons: list[Example]
    """What the policy was asked, and what it is to say."""
    kept: list[OpDecision]
    """What whoever kept memory chose among offers."""


def demonstrations(agent: Agent, config: TrainConfig) -> Shown:
    """Play along the walkthroughs of ``warm_start.demonstrations`` tasks.

    The cells take turns, easiest first. Steps at which another actor's policy acts are left out, and so are episodes
    that did not end well.

    Raises:
        ConfigError: the source knows no walkthroughs, there is no such controller, or no play along a walkthrough
            solves its task within the rollout's limits.
        DataError: a walkthrough cannot be followed.
    """
    count = config.warm_start.demonstrations
    source = need(agent.task_source, Demonstrates, DEMONSTRATIONS, count, "set it to 0")
    tasks = _tasks(agent, config, count)
    guide = Guide(source, tasks)
    player = replace(_keeper(agent, config), policy=guide, others={})
    episodes = [group.episodes[0] for group in play(player, tasks, [config.seed, DEMONSTRATED], tries=1)]
    solved = [episode for episode in episodes if episode.end is End.DONE and episode.success >= 1.0]
    if not solved:
        raise ConfigError(DEMONSTRATIONS, count, f"no walkthrough solves its task; the first ends so: {_end(episodes)}")
    lessons = [one for episode in solved for one in guide.lessons[id(episode.task)] if _teaches(agent, one)]
    return Shown(lessons, [one for episode in solved for one in episode.decisions if isinstance(one, OpDecision)])


def _keeper(agent: Agent, config: TrainConfig) -> Agent:
    """The agent with whom ``warm_start.demonstrated_with`` names to keep memory. Raises ConfigError."""
    name = config.warm_start.demonstrated_with
    if name in (OWN, config.controller.name):
        return agent
    if row_kind(name) == "row":
        return make_row(agent, config, name, WITH).agent
    return with_controller(agent, config, name, WITH)


def _tasks(agent: Agent, config: TrainConfig, count: int) -> list[Task]:
    """Training tasks, the cells in turn."""
    seed = int(np.random.default_rng([config.seed, DEMONSTRATED]).integers(2**31))
    draws = Draws(agent.task_source, seed, config.env.train_seeds)
    return [draws.task(draws.names[i % len(draws.names)], draws.seed()) for i in range(count)]


def _teaches(agent: Agent, one: Example) -> bool:
    """Whether it is the policy that was asked, with all that the right action rests on before it."""
    request, reader = one.request, able(agent.task_source, EvidenceReader)
    if agent.policy_of(request.actor) is not agent.policy:
        return False
    if reader is None:
        return True
    seen = shown(agent.task_source, request.view) | {request.observation.id}
    return not reader.blame(request.task, request.observation.id, seen)


def _offered(request: SampleRequest) -> str:
    choices, tools = request.observation.choices, request.brief.tools
    if choices:
        return f"the choices are {'; '.join(choices[:5])}{' …' if len(choices) > 5 else ''}"
    return f"the tools are {', '.join(tool.name for tool in tools)}" if tools else "nothing was said"


def _end(episodes: Sequence[Episode]) -> str:
    first = episodes[0]
    said = [as_text(step.acted) for step in first.steps if step.acted is not None]
    last = f"after {said[-1]!r}" if said else "before anything was done"
    return first.error or f"{first.end.value}, success {first.success:g} {last}"


def _wrong(task: Task, what: str) -> DataError:
    return DataError(f"env {task.env!r}: the walkthrough of task {task.cell or task.split} {task.seed} {what}")
