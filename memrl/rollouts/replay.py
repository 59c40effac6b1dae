"""Play recorded episodes again with one decision changed, asking the policy only where it sees something else.

    recorded ops ─> memory before each decision (forks, one pass) ─> one decision changed ─> the ops that followed,
    carried over to the changed memory (``twin.py``) ─> the views that differ ─> ONE batch of questions ─> judged by
    fresh environments (``judge.py``)

Assumption: an environment does not react to answers except by its verdicts. Where a fresh one, told the changed
answers, shows other observations than those recorded, the replay says so (``rewards`` is None) and is worth nothing.

A question is compared with itself: where the view differs, the policy takes its likeliest answer to the recorded view
as well, so that luck in sampling is no op's merit. A policy without luck gives the recorded answer once more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from memory_stores.memory import AgentMemory
from memory_stores.types import Keep, MemoryOp
from memrl.contracts.capabilities import brief_of
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import (
    Action,
    Episode,
    Observation,
    OpDecision,
    Think,
    TokenDecision,
    Unreadable,
    ViewLine,
    is_policy,
)
from memrl.rollouts.carrying import provenance
from memrl.rollouts.judge import Judge, Rewards, recorded
from memrl.rollouts.play import see, tokens_read
from memrl.rollouts.scheduler import sample
from memrl.rollouts.twin import Twin

_log = logging.getLogger(__name__)
LOOK_AFTER, LONG_SECONDS = 32, 10.0
"""Walks after which the rest is estimated, and what is worth a warning."""
View = tuple[ViewLine, ...]


class Site(NamedTuple):
    """Where a decision stands in its episode."""

    step: int
    """Index into ``Episode.steps``."""
    place: int
    """Index into that step's decisions."""


Tape = Mapping[Site, AgentMemory]
"""The memory just before each decision of a controller."""


class Change(NamedTuple):
    """One decision of a controller, and the op to carry out instead; ``Keep`` takes back all that it did."""

    episode: int
    """Index into the episodes given."""
    site: Site
    op: MemoryOp = Keep()


class Replayed(NamedTuple):
    """What an episode earns with one decision changed."""

    rewards: Rewards | None
    """None where the environment led elsewhere."""
    reference: Rewards
    """What it earns with nothing changed, answered in the same way; ``rewards`` equals it but where views differ."""


class Replays(NamedTuple):
    """The replays in the order of their changes, and what they cost."""

    each: list[Replayed]
    requests: int
    """Questions that the policy answered, equal ones once."""
    tokens: int
    """Tokens that it read for them."""
    diverged: int
    """Replays without rewards."""


def replay(episodes: Sequence[Episode], changes: Sequence[Change], agent: Agent, reach: int = 0) -> Replays:
    """Play each change out. All questions of all changes go to the policy in one batch.

    Args:
        episodes: tries at one task, each begun with ``agent.new_memory()``.
        reach: steps after a change in which its effect is looked for; 0 for all. A change is followed until both
            memories say the same again, which is soon in a memory that is full. Where there is room what was not
            forgotten stays for good, and then time grows with the square of the episode's length.

    Raises:
        ValueError: an episode began with another memory, so its ops do not lead where they led.
    """
    changes = [_where_carried_out(change, episodes[change.episode]) for change in changes]
    tapes = {e: tape(episodes[e], agent) for e in sorted({change.episode for change in changes})}
    slow = Slowness(len(changes))
    walks = [slow.told(_walk, episodes[c.episode], c, tapes[c.episode], agent, reach) for c in changes]
    questions = Questions(agent)
    for change, walk in zip(changes, walks, strict=True):
        for step, (view, memory_hash) in walk.items():
            there = episodes[change.episode].steps[step]
            questions.add(episodes[change.episode], there.observation, view, memory_hash)
            questions.add(episodes[change.episode], there.observation, there.view, "")
    questions.ask()
    answers = [_answers(episodes[change.episode], walk, questions) for change, walk in zip(changes, walks, strict=True)]
    judge = Judge(episodes, agent)
    for change, told in zip(changes, answers, strict=True):
        for case in told:
            judge.add(change.episode, case)
    each: list[Replayed] = []
    for change, (changed, same) in zip(changes, answers, strict=True):
        rewards, reference = judge.rewards(change.episode, changed), judge.rewards(change.episode, same)
        if reference is None:
            rewards, reference = None, recorded(episodes[change.episode])
        each.append(Replayed(rewards, reference))
    return Replays(each, questions.asked, questions.tokens, sum(one.rewards is None for one in each))


def _where_carried_out(change: Change, episode: Episode) -> Change:
    """A choice that a note was carried out for is changed where the note stands, right after it."""
    decision = episode.steps[change.site.step].decisions[change.site.place]
    noted = isinstance(decision, OpDecision) and decision.note is not None
    return change._replace(site=change.site._replace(place=change.site.place + 1)) if noted else change


def tape(episode: Episode, agent: Agent) -> Tape:
    """The memory just before each decision of a controller, in one pass over the episode. To read, or to fork.

    Raises:
        ValueError: the episode began with another memory than ``agent.new_memory()``.
    """
    states: dict[Site, AgentMemory] = {}
    _rebuild(episode, agent, states)
    return states


def memory_after(episode: Episode, agent: Agent) -> AgentMemory:
    """The memory as an episode left it. Raises ValueError as ``tape`` does."""
    return _rebuild(episode, agent, None)


def _rebuild(episode: Episode, agent: Agent, states: dict[Site, AgentMemory] | None) -> AgentMemory:
    memory = agent.new_memory()
    for t, step in enumerate(episode.steps):
        for place, decision in enumerate(step.decisions):
            if is_policy(decision.actor):
                continue
            if memory.state_hash() != decision.memory_hash:
                raise ValueError(
                    f"episode.steps[{t}]: memory differs from the recorded one; "
                    "replay needs episodes that began with agent.new_memory()"
                )
            if states is not None:
                states[Site(t, place)] = memory.fork()
            stamp = provenance(step.observation, decision, memory)
            for op in decision.ops:
                memory.apply(op, stamp)
    return memory


_KEEP = (Keep(),)
Walk = Mapping[int, tuple[View, str]]
"""Step -> (view, memory hash) of the questions that see something else than they saw."""


def _walk(episode: Episode, change: Change, states: Tape, agent: Agent, reach: int) -> Walk:
    end = min(len(episode.steps), change.site.step + 1 + reach) if reach else len(episode.steps)
    twin = Twin(states[change.site].fork())
    views: dict[int, tuple[View, str]] = {}
    for t in range(change.site.step, end):
        step, hits = episode.steps[t], ()
        for place, decision in enumerate(step.decisions):
            if (t, place) < change.site:
                continue
            if is_policy(decision.actor):
                view = see(twin.memory, hits, agent)
                if view_content(view) != view_content(step.view):
                    views[t] = (view, twin.memory.state_hash())
            elif (t, place) == change.site:
                ops = () if isinstance(change.op, Keep) else (change.op,)
                hits = twin.instead(ops, decision, states[change.site], step.observation)
            elif twin.memory.state_hash() == decision.memory_hash:
                return views  # the two memories say the same again, and so does all that follows
            elif decision.ops != _KEEP:
                hits = twin.follow(decision, states[Site(t, place)], step.observation)
    return views


def _answers(episode: Episode, walk: Walk, questions: Questions) -> tuple[dict[int, Action], dict[int, Action]]:
    """By step, the answers to what is seen in a walk, and to what was seen."""
    steps = episode.steps
    changed = {t: questions.answer(steps[t].observation, view) for t, (view, _) in walk.items()}
    return changed, {t: questions.answer(steps[t].observation, steps[t].view) for t in walk}


class Slowness:
    """Says once, after the first of many walks, how long the rest will take where that is long."""

    def __init__(self, count: int) -> None:
        self._left, self._done, self._start = count, 0, time.perf_counter()

    def told(self, walk: Callable[..., Walk], *given: Any) -> Walk:
        """The walk, and a warning where there is reason."""
        found = walk(*given)
        self._done += 1
        if self._done == LOOK_AFTER:
            # The first decisions have the longest way to the end; on average it is half of it.
            seconds = (time.perf_counter() - self._start) * (self._left / LOOK_AFTER - 1) / 2
            if seconds > LONG_SECONDS:
                _log.warning(
                    "replay of %d decisions will take about %.0f s: credit.options.reach bounds how far each is "
                    "followed, and credit.name = 'return_to_go' replays nothing", self._left, seconds,
                )  # fmt: skip
        return found


class Questions:
    """Distinct questions, answered in one batch."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._brief = lru_cache(lambda task: brief_of(agent.task_source, task))
        self._requests: dict[tuple[str, object], SampleRequest] = {}
        self._answers: dict[tuple[str, object], TokenDecision] = {}
        self.tokens = 0

    @property
    def asked(self) -> int:
        return len(self._requests)

    def add(self, episode: Episode, observation: Observation, view: View, memory_hash: str) -> None:
        key = (observation.id, view_content(view))
        if key not in self._requests:
            self._requests[key] = SampleRequest(
                task=episode.task,
                observation=observation,
                view=view,
                memory_hash=memory_hash,
                seed=0,
                greedy=True,
                brief=self._brief(episode.task),
                actor=observation.to,
            )

    def ask(self) -> None:
        if not self._requests:
            return
        requests = list(self._requests.values())
        for key, request, answer in zip(self._requests, requests, sample(requests, self._agent), strict=True):
            self._answers[key] = answer
            self.tokens += tokens_read([answer], request.view, request.observation, self._agent)

    def answer(self, observation: Observation, view: View) -> Action:
        """One turn: what the policy would only have told itself says nothing."""
        action = self._answers[observation.id, view_content(view)].action
        return Unreadable(action.text) if isinstance(action, Think) else action


def view_content(view: View) -> tuple[tuple[str, str], ...]:
    """What two views must share to be read alike."""
    # The exact reader goes by observations: the same words told twice are two facts to it.
    return tuple((line.text, line.observation_id) for line in view)
