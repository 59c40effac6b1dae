"""Play on from a decision of a recorded episode, with any of the ops that were on offer there."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memrl.contracts.capabilities import brief_of
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import (
    Decision,
    End,
    Episode,
    MemoryOps,
    Observation,
    OpDecision,
    Step,
    TokenDecision,
    is_policy,
)
from memrl.rollouts.guards import EnvFailed, EnvGuard
from memrl.rollouts.play import EnvNeed, EpisodeContext, Need, Play, done_before, play_step
from memrl.rollouts.replay import Site, Tape


def continue_episode(
    agent: Agent, episode: Episode, site: Site, index: int | None, states: Tape, seed: Sequence[int]
) -> Play:
    """The rest of an episode, from the step of a decision on, with op ``index`` of its offers; then actors decide.

    Args:
        index: None leaves this decision, too, to the controller. Of a decision in tokens, 0 takes back all its ops and
            any other number carries them out.
        states: of this episode, by ``replay.tape``. Forked, never changed.
        seed: of this continuation. Each step draws from its own stream, so that continuations with equal seeds that
            differ in the op share their luck (common random numbers).
    """
    future = _Future(agent, episode, site, index, states, seed)
    end, error = End.DONE, ""
    try:
        future.begin()
        while future.goes_on:
            yield from future.play_step()
        end = End.DONE if future.shown is None else End.STEP_LIMIT
    except EnvFailed as failure:
        end, error = End.ENV_ERROR, str(failure)
    return Episode(
        task=episode.task,
        steps=tuple(future.steps),
        end=end,
        judged=future.judged,
        error=error,
        practice=episode.practice,
    )


def continue_twins(
    agent: Agent, episode: Episode, site: Site, indices: tuple[int, int], states: Tape, seed: Sequence[int]
) -> Generator[Need, Any, tuple[Sequence[Step], Sequence[Step]]]:
    """Two futures of one decision side by side, up to where they are the same: returns the steps of both.

    They share their luck, so once their memories and observations agree nothing can part them again. What an
    environment that failed did not play is missing from both.
    """
    one, other = (_Future(agent, episode, site, index, states, seed) for index in indices)
    try:
        one.begin()
        other.begin()
        while one.goes_on and other.goes_on:
            yield from one.play_step()
            yield from other.play_step()
            if one.shown == other.shown and one.same_memory(other):
                break
    except EnvFailed:
        return (), ()
    return one.steps, other.steps


class _Future:
    """One way for an episode to go on."""

    def __init__(
        self, agent: Agent, episode: Episode, site: Site, index: int | None, states: Tape, seed: Sequence[int]
    ) -> None:
        self._episode, self._site, self._seed = episode, site, seed
        self._context = EpisodeContext(
            agent=agent,
            task=episode.task,
            memory=states[min(s for s in states if s.step == site.step)].fork(),
            rng=np.random.default_rng(0),
            brief=brief_of(agent.task_source, episode.task),
        )
        recorded = episode.steps[site.step].decisions
        given = list(recorded[: site.place])
        if index is not None:
            given.append(_taken_instead(recorded[site.place], index))
        self._given = _with_notes(given)
        self.steps: list[Step] = []
        self.shown: Observation | None = None
        self.judged: float | None = None

    def begin(self) -> None:
        """A fresh environment, told the recorded actions up to the step. Raises EnvFailed, as ``play_step``."""
        self._env, self.shown = _reach(self._context.agent, self._episode, self._site.step)

    @property
    def goes_on(self) -> bool:
        cut = self._episode.end is End.STEP_LIMIT
        most = len(self._episode.steps) if cut else self._context.agent.rollout.step_limit
        return self.shown is not None and self._site.step + len(self.steps) < most

    def play_step(self) -> Generator[Need, Any, None]:
        assert self.shown is not None
        at_step = replace(self._context, rng=np.random.default_rng([*self._seed, self.shown.step]))
        done = done_before(self.steps or self._episode.steps[: self._site.step])
        playing = play_step(at_step, self._env.step, self.shown, done=done)
        step, outcome = yield from (playing if self.steps else _steered(playing, self._given))
        self.shown = outcome.next
        self.judged = outcome.success
        self.steps.append(step)

    def same_memory(self, other: _Future) -> bool:
        """Whether a controller would be offered the same ops, described alike; ids may differ."""
        mine, theirs = self._context.memory, other._context.memory
        if mine.state_hash() != theirs.state_hash():
            return False
        pairs = zip(mine.entries(), theirs.entries(), strict=True)
        return all((a.text, a.stamp, a.uses) == (b.text, b.stamp, b.uses) for a, b in pairs)


def _taken_instead(decision: Decision, index: int) -> Decision:
    """The same moment with another of its offers taken, or with nothing written."""
    if not isinstance(decision, OpDecision):
        action = decision.action if index else MemoryOps(())
        return replace(decision, action=action, created=(), refused=False)
    op = decision.offers.ops[index]
    note = decision.note if index == decision.choice else None
    return replace(decision, action=op, choice=index, logprob=0.0, created=(), refused=False, note=note)


def _with_notes(recorded: Sequence[Decision]) -> list[Decision]:
    """Decisions as they were handed to play: a note goes with the choice that it was recorded after."""
    given: list[Decision] = []
    for decision in recorded:
        before = given[-1] if given else None
        if isinstance(before, OpDecision) and before.note is not None and isinstance(decision, TokenDecision):
            given[-1] = replace(before, note=decision)
        else:
            given.append(decision)
    return given


def total(episode: Episode, discount: float = 1.0) -> float:
    """Its rewards, later ones discounted per step."""
    return float(sum(step.reward * discount**t for t, step in enumerate(episode.steps)))


def _reach(agent: Agent, episode: Episode, step: int) -> tuple[EnvGuard, Observation | None]:
    """A fresh environment, told the recorded actions up to a step."""
    env = EnvGuard(agent.task_source.make, episode.task, agent.rollout.env_seconds)
    shown: Observation | None = env.start()
    for t in range(step):
        shown = env.step(episode.steps[t].acted).next
    if shown is None or shown.id != episode.steps[step].observation.id:
        raise EnvFailed("a fresh environment, told the recorded actions, showed other observations")
    return env, shown


def _steered(playing: Generator[Need, Any, Any], given: Sequence[Decision]) -> Generator[Need, Any, Any]:
    """A step whose first decisions are given."""
    ahead = list(given)
    try:
        need = next(playing)
        while True:
            # Where nothing was on offer nothing was recorded: such a need is not what comes next.
            known = bool(ahead) and is_policy(ahead[0].actor) == isinstance(need, SampleRequest)
            answer = ahead.pop(0) if known and not isinstance(need, EnvNeed) else (yield need)
            need = playing.send(answer)
    except StopIteration as stop:
        return stop.value
