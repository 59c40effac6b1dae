"""Reflexion (arXiv:2303.11366): after a failed try the policy says in words what went wrong, and its reflections stand
in view when it tries the same task again; up to three of them.

Each try is played as ``react`` plays. Reflections come out of the read budget, and memory has what is left. Whether a
try failed is told by the environment: no other row gets to know that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from memrl.contracts.capabilities import brief_of
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, Policy, SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.rows import Played, RowContext
from memrl.contracts.types import End, Episode, Observation, Say, Task, Think, TokenDecision, ViewLine, with_action
from memrl.policies.prompts import ACTING
from memrl.rollouts.rows.react import THINK, in_turns
from memrl.rollouts.scheduler import play

REFLECT = "You tried this and did not succeed. Say in one line what went wrong and what to do better next time."
REFLECTED = 0x4EF
"""Marks the seeds of reflections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflexionOptions:
    reflections: int = 3
    """Most reflections on a task, and tries after the first."""
    turn_tokens: int = 48
    """Tokens of a thought or a reflection at the most."""

    def __post_init__(self) -> None:
        for name in ("reflections", "turn_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(name, getattr(self, name), "it must be at least 1")


class Reminded:
    """``inner`` with lines of its own in front of each task's view, within the read budget; all else is ``inner``'s.

    Args:
        lines: what a task's view begins with.
        budget: tokens of these lines and the view together: the oldest lines of the view give way.
    """

    def __init__(
        self, inner: Policy, lines: Callable[[Task], Sequence[str]], budget: int, count: Callable[[str], int]
    ) -> None:
        self.inner, self._lines, self._budget, self._count = inner, lines, budget, count

    @property
    def version(self) -> int:
        return self.inner.version

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return self.inner.sample([self._reminded(request) for request in requests])

    def _reminded(self, request: SampleRequest) -> SampleRequest:
        lines = self._lines(request.task)
        if not lines:
            return request
        told = tuple(ViewLine(f"Lesson: {line}", f"lesson{n}", "token", "") for n, line in enumerate(lines))
        kept = newest(told, self._budget, self._count)
        left = self._budget - sum(self._count(line.text) for line in kept)
        return replace(request, view=(*kept, *newest(request.view, left, self._count)))

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


def newest(lines: Sequence[ViewLine], budget: int, count: Callable[[str], int]) -> tuple[ViewLine, ...]:
    """As many of the last lines as fit, in their order."""
    kept: list[ViewLine] = []
    for line in reversed(lines):
        budget -= count(line.text)
        if budget < 0:
            break
        kept.append(line)
    return tuple(kept[::-1])


class Reflexion:
    """Tries, reflects, tries again."""

    def __init__(self, agent: Agent, writer: Policy, options: ReflexionOptions, greedy: bool = True) -> None:
        self.agent, self._writer, self._options, self._greedy = agent, writer, options, greedy

    def play(self, tasks: Sequence[Task], seed: Sequence[int]) -> list[Played]:
        """The last try at each task counts; the tokens of the others, and of reflections, are told beside it."""
        said: dict[int, list[str]] = {id(task): [] for task in tasks}
        agent = self.agent
        policy = Reminded(agent.policy, lambda task: said[id(task)], agent.read_budget, agent.count_tokens)
        agent = replace(agent, policy=policy)
        played: dict[int, Played] = {}
        left = list(range(len(tasks)))
        for number in range(self._options.reflections + 1):
            groups = play(agent, [tasks[i] for i in left], [*seed, number], tries=1, greedy=self._greedy)
            for i, group in zip(left, groups, strict=True):
                before = played.get(i)
                spent = before.tokens + _read(before.episode) if before is not None else 0
                played[i] = Played(group.episodes[0], number + 1, spent)
            left = [i for i in left if _failed(played[i].episode)]
            if not left or number == self._options.reflections:
                break
            asked = [self._asked(played[i].episode, [*seed, number, i]) for i in left]
            for i, answer in zip(left, self._writer.sample(asked), strict=True):
                played[i] = played[i]._replace(tokens=played[i].tokens + len(answer.prompt_ids))
                if isinstance(answer.action, Say):
                    said[id(tasks[i])].append(answer.action.text)
        return [played[i] for i in range(len(tasks))]

    def _asked(self, episode: Episode, seed: Sequence[int]) -> SampleRequest:
        """Looks back on a try: its end, as much as the read budget shows of it."""
        agent, brief = self.agent, brief_of(self.agent.task_source, episode.task)
        lines = [ViewLine(_told(episode, n), "", "token", step.observation.id) for n, step in enumerate(episode.steps)]
        header = f"{brief.header or ACTING} {REFLECT}"
        return SampleRequest(
            task=episode.task,
            observation=Observation(id="end", step=len(episode.steps), content="It is over.", wants_action=True),
            view=newest(lines, agent.read_budget, agent.count_tokens),
            memory_hash="",
            seed=int(np.random.default_rng([*seed, REFLECTED]).integers(2**62)),
            greedy=self._greedy,
            brief=replace(
                brief, header=header, tools=(), does="Reflection", max_new_tokens=self._options.turn_tokens, lines=1
            ),
        )


def _told(episode: Episode, number: int) -> str:
    """What was seen at a step, thought and done."""
    step = episode.steps[number]
    thoughts = [one.action.text for one in step.decisions if isinstance(one.action, Think)]
    return with_action(step.observation, step.acted, thoughts).text


def _failed(episode: Episode) -> bool:
    return episode.end is not End.ENV_ERROR and episode.success < 1.0


def _read(episode: Episode) -> int:
    return sum(step.context_tokens for step in episode.steps)


def _make(context: RowContext, options: ReflexionOptions) -> Reflexion:
    return Reflexion(in_turns(context, [THINK], options.turn_tokens), context.agent.policy, options, context.greedy)


register("row", "reflexion", _make, ReflexionOptions)
