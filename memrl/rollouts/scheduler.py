"""``play``: the only place that seats episodes. Training, evaluation, proofs and the monitor all call it.

Needs are served one kind at a time: slow environments' calls first, then the controller, then the policies. So the
controller decides once no live episode waits for its environment, and a policy reads once every live episode waits for
a policy: its batch is as large as can be, and the slowest environment of a round is waited for by all. Which episodes
share a batch follows from their steps alone, never from the clock. An ``instant`` policy is asked before the
controller, and answers that may wait (``later.py``) are given when nothing else is left to do.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import numpy as np

from memrl.contracts.capabilities import Foreseen, able
from memrl.contracts.promised import decisions
from memrl.contracts.protocols import NO_OFFERS, Agent, Rests, SampleRequest
from memrl.contracts.types import Decision, End, Episode, Group, Task
from memrl.rollouts.env_workers import INLINE, EnvWorkers
from memrl.rollouts.later import AnswersNeed
from memrl.rollouts.play import EnvNeed, EpisodeContext, OpNeed, Play, play_episode

_log = logging.getLogger(__name__)

Needs = dict[type, list[tuple[int, Play, Any]]]
"""Kind of need -> (which episode, the play itself, its need) of all that wait for it."""


def play(
    agent: Agent,
    tasks: Sequence[Task],
    seed: Sequence[int],
    *,
    tries: int | None = None,
    greedy: bool = False,
    practice: bool = False,
) -> list[Group]:
    """Tries at each task; siblings start from forks of one memory, each with its own RNG.

    Args:
        seed: identifies this call in the run (run seed, step, ...); an episode's RNG adds task and sibling.
        tries: at each task; None for ``rollout.group_size``.
        greedy: take the likeliest everywhere.
        practice: mark the episodes as read by an oracle reader.
    """
    foreseen = able(agent.task_source, Foreseen)
    if foreseen is not None:
        agent.table.add([text for task in tasks for text in foreseen.texts(task)])
    size = agent.rollout.group_size if tries is None else tries
    workers = EnvWorkers(agent.rollout.env_workers)
    contexts = [
        EpisodeContext(
            agent=agent,
            task=task,
            memory=memory.fork(),
            rng=np.random.default_rng([*seed, i, g]),
            greedy=greedy,
            practice=practice,
            workers=workers,
        )
        for i, task in enumerate(tasks)
        for memory in [agent.new_memory()]
        for g in range(size)
    ]
    _rest(agent)
    try:
        with undisturbed():
            episodes = play_all((play_episode(one) for one in contexts), agent, agent.rollout.concurrency, workers)
    finally:
        workers.close()
        _rest(agent)
    _tell_failures(episodes)
    return [Group(task=task, episodes=tuple(episodes[i * size : (i + 1) * size])) for i, task in enumerate(tasks)]


def _rest(agent: Agent) -> None:
    for policy in (agent.policy, *agent.others.values()):
        if isinstance(policy, Rests):
            policy.rest()


def play_all(plays: Iterable[Play], agent: Agent, concurrency: int, workers: EnvWorkers = INLINE) -> list[Episode]:
    """Play every generator to its end, at most ``concurrency`` at a time; results keep their order."""
    waiting = list(enumerate(plays))[::-1]
    done: dict[int, Episode] = {}
    needs: Needs = {kind: [] for kind in (EnvNeed, OpNeed, SampleRequest, AnswersNeed)}

    def advance(index: int, playing: Play, answer: Any) -> None:
        try:
            need = playing.send(answer)
        except StopIteration as stop:
            done[index] = stop.value
        else:
            needs[type(need)].append((index, playing, need))

    while waiting or any(needs.values()):
        free = concurrency - sum(map(len, needs.values()))
        while waiting and free > 0:
            before = len(done)
            advance(*waiting.pop(), None)
            free -= len(done) == before
        for index, playing, answer in _serve(needs, agent, workers):
            advance(index, playing, answer)
    return [done[index] for index in sorted(done)]


def _serve(needs: Needs, agent: Agent, workers: EnvWorkers) -> list[tuple[int, Play, Any]]:
    """Answer one kind of need, of all episodes that have it, in the order of episodes."""
    servers: dict[type, Callable[[list[Any]], Sequence[Any]]] = {
        EnvNeed: lambda calls: workers.run([(need.call, need.arguments) for need in calls]),
        OpNeed: lambda moments: decide(moments, agent),
        SampleRequest: lambda requests: sample(requests, agent),
        AnswersNeed: lambda needs: sample_together(needs, agent),
    }
    instant = all(getattr(policy, "instant", False) for policy in (agent.policy, *agent.others.values()))
    for kind in (*((EnvNeed, SampleRequest, OpNeed) if instant else (EnvNeed, OpNeed, SampleRequest)), AnswersNeed):
        ready, answer = needs[kind], servers[kind]
        if ready:
            needs[kind] = []
            ready.sort(key=itemgetter(0))
            answers = answer([need for _, _, need in ready])
            return [(index, playing, one) for (index, playing, _), one in zip(ready, answers, strict=True)]
    return []


def decide(needs: Sequence[OpNeed], agent: Agent) -> list[Decision | None]:
    """The controller's decisions, in order; None where nothing but Keep was on offer."""
    if agent.offers is None:
        asked = [need.asked(NO_OFFERS) for need in needs]
        return list(decisions(agent.controller, "controller.name", agent.controller.decide(asked), asked))
    offered = agent.offers.offers([need.moment for need in needs])
    open_ = [i for i, offers in enumerate(offered) if len(offers) > 1]
    asked = [needs[i].asked(offered[i]) for i in open_]
    given = agent.controller.decide(asked) if open_ else []
    found: list[Decision | None] = [None] * len(needs)
    for i, decision in zip(open_, decisions(agent.controller, "controller.name", given, asked), strict=True):
        found[i] = decision
    return found


def sample(requests: Sequence[SampleRequest], agent: Agent) -> list[Any]:
    """The policies' decisions, in order; each policy gets its own requests in one batch."""
    by_policy: dict[int, list[int]] = {}
    for i, request in enumerate(requests):
        by_policy.setdefault(id(agent.policy_of(request.actor)), []).append(i)
    found: list[Any] = [None] * len(requests)
    for places in by_policy.values():
        policy = agent.policy_of(requests[places[0]].actor)
        asked = [requests[i] for i in places]
        for i, decision in zip(places, decisions(policy, "policy.name", policy.sample(asked), asked), strict=True):
            found[i] = decision
    return found


def sample_together(needs: Sequence[AnswersNeed], agent: Agent) -> list[list[Any]]:
    """The answers to all questions of several episodes, in order."""
    answers = iter(sample([request for need in needs for request in need.requests], agent))
    return [[next(answers) for _ in need.requests] for need in needs]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have the garbage collector look in rarely, and only at what is new: libraries and earlier episodes are a million
    objects, and a play makes many that stay, so that it would go through all of them again and again. Everything is as
    it was afterwards."""
    if gc.get_freeze_count():
        yield
        return
    often = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(often[0], 100_000) if often[0] else 0, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()


def _tell_failures(episodes: Sequence[Episode]) -> None:
    """The most frequent of what environments that failed said; the metrics count them all."""
    errors = Counter(episode.error for episode in episodes if episode.end is End.ENV_ERROR)
    for error, count in errors.most_common(1):
        _log.warning(
            "%d of %d episodes ended with an environment's error, %d of them with: %s",
            errors.total(), len(episodes), count, error,
        )  # fmt: skip
