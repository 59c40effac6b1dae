"""Play recorded episodes again with one op changed, asking the policy only where it sees something else.

    recorded ops ─> memory before each decision (forks, one pass) ─> one op changed ─> the ops that followed, carried
    over to the changed memory ─> the views that differ ─> ONE batch of questions ─> judged by a fresh environment

Assumption: an environment does not react to answers except by its verdicts. Where a fresh one, told the changed
answers, shows other observations than those recorded, the replay says so (``rewards`` is None) and is worth nothing.

A question is compared with itself: where the view differs, the policy takes its likeliest answer to the recorded view
as well, so that luck in sampling is no op's merit. A policy without luck gives the recorded answer once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Forget, Hit, Keep, Link, MemoryOp, Overwrite, Relink, Unlink, Write
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import Action, Episode, Observation, OpDecision, TokenDecision, ViewLine
from memrl.rollouts.guards import EnvFailed, EnvGuard
from memrl.rollouts.play import see, stamped, tokens_read

View = tuple[ViewLine, ...]
Rewards = NDArray[np.float64]
"""[T] of one episode, one number a step."""


class Site(NamedTuple):
    """Where a decision stands in its episode."""

    step: int
    """Index into ``Episode.steps``."""
    place: int
    """Index into that step's decisions."""


Tape = Mapping[Site, AgentMemory]
"""The memory just before each op decision."""


class Change(NamedTuple):
    """One op decision, and the op to carry out instead; ``Keep`` takes it back."""

    episode: int
    """Index into the episodes given."""
    site: Site
    op: MemoryOp = Keep()


class Replayed(NamedTuple):
    """What an episode earns with one op changed."""

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


def replay(episodes: Sequence[Episode], changes: Sequence[Change], agent: Agent) -> Replays:
    """Play each change out. All questions of all changes go to the policy in one batch.

    Args:
        episodes: tries at one task, each begun with ``agent.new_memory()``.

    Raises:
        ValueError: an episode began with another memory, so its ops do not lead where they led.
    """
    tapes = {e: tape(episodes[e], agent) for e in sorted({change.episode for change in changes})}
    walks = [_walk(episodes[c.episode], c, tapes[c.episode], agent) for c in changes]
    questions = Questions(agent)
    for change, walk in zip(changes, walks, strict=True):
        for step, (view, memory_hash) in walk.items():
            recorded = episodes[change.episode].steps[step]
            questions.add(episodes[change.episode], recorded.observation, view, memory_hash)
            questions.add(episodes[change.episode], recorded.observation, recorded.view, "")
    questions.ask()
    judge = Judge(episodes, agent)
    each: list[Replayed] = []
    for change, walk in zip(changes, walks, strict=True):
        steps = episodes[change.episode].steps
        changed = {t: questions.answer(steps[t].observation, view) for t, (view, _) in walk.items()}
        same = {t: questions.answer(steps[t].observation, steps[t].view) for t in walk}
        rewards, reference = judge.rewards(change.episode, changed), judge.rewards(change.episode, same)
        if reference is None:
            rewards, reference = None, _recorded(episodes[change.episode])
        each.append(Replayed(rewards, reference))
    return Replays(each, questions.asked, questions.tokens, sum(one.rewards is None for one in each))


def tape(episode: Episode, agent: Agent) -> Tape:
    """The memory just before each op decision, in one pass over the episode. To read, or to fork.

    Raises:
        ValueError: the episode began with another memory than ``agent.new_memory()``.
    """
    memory = agent.new_memory()
    states: dict[Site, AgentMemory] = {}
    for t, step in enumerate(episode.steps):
        for place, decision in enumerate(step.decisions):
            if isinstance(decision, OpDecision):
                if memory.state_hash() != decision.memory_hash:
                    raise ValueError(
                        f"episode.steps[{t}]: memory differs from the recorded one; "
                        "replay needs episodes that began with agent.new_memory()"
                    )
                states[Site(t, place)] = memory.fork()
                memory.apply(decision.action, stamped(step.observation))
    return states


def _walk(episode: Episode, change: Change, states: Tape, agent: Agent) -> dict[int, tuple[View, str]]:
    """Step -> (view, memory hash) of the questions that see something else than they saw."""
    twin = _Twin(states[change.site].fork())
    views: dict[int, tuple[View, str]] = {}
    for t in range(change.site.step, len(episode.steps)):
        step, hits = episode.steps[t], ()
        for place, decision in enumerate(step.decisions):
            if (t, place) < change.site:
                continue
            if isinstance(decision, TokenDecision):
                view = see(twin.memory, hits, agent)
                if view_content(view) != view_content(step.view):
                    views[t] = (view, twin.memory.state_hash())
            elif (t, place) == change.site:
                hits = twin.carry_out(change.op, decision, step.observation)
            elif twin.memory.state_hash() == decision.memory_hash:
                return views  # the two memories say the same again, and so does all that follows
            else:
                op = twin.carried_over(decision, states[Site(t, place)])
                hits = twin.carry_out(op, decision, step.observation)
    return views


class _Twin:
    """A changed memory, and which of its entries stands for which recorded one."""

    def __init__(self, memory: AgentMemory) -> None:
        self.memory = memory
        self._id_of = {entry.id: entry.id for entry in memory.entries()}
        self._place_of: dict[str, str] = {}
        """Recorded entry that is not here -> the recorded one whose place it had taken."""

    def carry_out(self, op: MemoryOp, recorded: OpDecision, observation: Observation) -> tuple[Hit, ...]:
        """Apply an op where ``recorded`` was applied; an op that finds no room takes the place it had then."""
        result = self.memory.apply(op, stamped(observation))
        if not result.done and isinstance(op, Write) and isinstance(recorded.action, Overwrite):
            heir = self._standing(self._place_of.get(recorded.action.id))
            if heir is not None:
                result = self.memory.apply(Overwrite(heir, op.text), stamped(observation))
        if isinstance(recorded.action, Overwrite | Relink):
            self._place_of.update((id, recorded.action.id) for id in recorded.created)
        if _said(op) == _said(recorded.action):
            self._id_of.update(zip(recorded.created, result.created, strict=False))
        return result.hits

    def carried_over(self, decision: OpDecision, before: AgentMemory) -> MemoryOp:
        """The recorded op as it reads in this memory.

        What it would have touched may not be here: then Overwrite becomes Write, Relink becomes Link, and Forget or
        Unlink has nothing left to do.
        """
        op = decision.action
        match op:
            case Overwrite():
                id = self._here(op.id)
                store = "archive" if op.id.startswith("a") else "token"
                return Write(op.text, store) if id is None else Overwrite(id, op.text)
            case Forget() | Unlink():
                id = self._here(op.id)
                return Keep() if id is None else type(op)(id)
            case Relink():
                id, edge = self._here(op.id), before.get(op.id)
                if id is None and isinstance(edge, Edge):
                    return Link(edge.subject, edge.relation, op.object)
                return Keep() if id is None else Relink(id, op.object)
            case _:
                return op

    def _here(self, recorded_id: str) -> str | None:
        id = self._id_of.get(recorded_id)
        return id if id is not None and self.memory.get(id) is not None else None

    def _standing(self, recorded_id: str | None) -> str | None:
        """The entry here for a recorded one, or for the nearest of those whose place it had taken."""
        while recorded_id is not None:
            id = self._here(recorded_id)
            if id is not None:
                return id
            recorded_id = self._place_of.get(recorded_id)
        return None


class Questions:
    """Distinct questions, answered in one batch."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
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
                task=episode.task, observation=observation, view=view, memory_hash=memory_hash, seed=0, greedy=True
            )

    def ask(self) -> None:
        if not self._requests:
            return
        requests = list(self._requests.values())
        for key, request, answer in zip(self._requests, requests, self._agent.policy.sample(requests), strict=True):
            self._answers[key] = answer
            self.tokens += tokens_read([answer], request.view, request.observation, self._agent)

    def answer(self, observation: Observation, view: View) -> Action:
        return self._answers[observation.id, view_content(view)].action


class Judge:
    """What episodes earn with other answers, by fresh environments; equal cases are played once."""

    def __init__(self, episodes: Sequence[Episode], agent: Agent) -> None:
        self._episodes, self._agent = episodes, agent
        self._known: dict[tuple[int, frozenset[tuple[int, Action]]], Rewards | None] = {}

    def rewards(self, index: int, answers: Mapping[int, Action]) -> Rewards | None:
        """None where the environment, told these answers, shows something else than was recorded, or fails."""
        episode = self._episodes[index]
        new = {t: action for t, action in answers.items() if action != answered(episode, t)}
        key = (index, frozenset(new.items()))
        if key not in self._known:
            self._known[key] = self._play(episode, new) if new else _recorded(episode)
        return self._known[key]

    def _play(self, episode: Episode, answers: Mapping[int, Action]) -> Rewards | None:
        rewards = np.zeros(len(episode.steps))
        try:
            env = EnvGuard(self._agent.task_source.make, episode.task, self._agent.rollout.env_seconds)
            shown: Observation | None = env.start()
            for t, step in enumerate(episode.steps):
                if shown is None or (shown.id, shown.text) != (step.observation.id, step.observation.text):
                    return None
                outcome = env.step(answers[t] if t in answers else answered(episode, t))
                rewards[t], shown = outcome.reward, outcome.next
        except EnvFailed:
            return None
        return rewards


def answered(episode: Episode, t: int) -> Action | None:
    """The recorded answer at a step; None where nothing was asked."""
    return next((d.action for d in episode.steps[t].decisions if isinstance(d, TokenDecision)), None)


def _recorded(episode: Episode) -> Rewards:
    return np.array([step.reward for step in episode.steps], dtype=np.float64)


def _said(op: MemoryOp) -> str | None:
    """What an op puts into memory."""
    if isinstance(op, Write | Overwrite):
        return op.text
    return op.object if isinstance(op, Link | Relink) else None


def view_content(view: View) -> tuple[tuple[str, str], ...]:
    """What two views must share to be read alike."""
    # The exact reader goes by observations: the same words told twice are two facts to it.
    return tuple((line.text, line.observation_id) for line in view)
