"""Play: many episodes at once, each a generator that reads as the story of its steps.

    observation ──> controller: retrieve?  ──> policy acts, if asked  ──> environment answers
                ──> controller: write, overwrite, link …, until Keep

A generator yields what it needs (texts to embed, an op chosen, an answer); ``play_all`` collects equal needs of
all live episodes and serves each kind in one batch, so no episode waits for the slowest.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from memory_stores.memory import AgentMemory
from memory_stores.types import Hit, Keep, Stamp
from memrl.contracts.config import RolloutConfig
from memrl.contracts.protocols import Agent, ControllerRequest, OpChoice, Outcome, SampleRequest
from memrl.contracts.types import (
    Actor,
    End,
    Episode,
    Group,
    Kind,
    Observation,
    OfferSet,
    OpDecision,
    Step,
    Task,
    TextTable,
    TokenDecision,
    ViewLine,
)
from memrl.rollouts.guards import EnvFailed, EnvGuard, LeakGuard, guarded

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts that must stand in the table before the next offers are made."""

    texts: tuple[str, ...]


Need = EmbedRequest | ControllerRequest | SampleRequest
Play = Generator[Need, Any, Episode]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeContext:
    """What one episode plays with."""

    agent: Agent
    task: Task
    memory: AgentMemory
    rng: np.random.Generator
    greedy: bool = False
    practice: bool = False
    query_free: bool = True
    step_limit: int = 100_000
    env_seconds: float = 0.0
    """Longest call of the environment; 0 for no limit."""


def play_episode(context: EpisodeContext) -> Play:
    """One try at one task."""
    steps: list[Step] = []
    guard = LeakGuard() if context.query_free else None
    end, error = End.DONE, ""
    try:
        env = EnvGuard(context.agent.task_source.make, context.task, context.env_seconds)
        observation: Observation | None = env.start()
        while observation is not None:
            if len(steps) >= context.step_limit:
                end = End.STEP_LIMIT
                break
            if guard is not None:
                guard.check(observation)
            step, observation = yield from play_step(context, env.step, observation)
            steps.append(step)
    except EnvFailed as failure:
        end, error = End.ENV_ERROR, str(failure)
    agent = context.agent
    actors: tuple[tuple[Actor, int], ...] = (
        ("policy", agent.policy.version),
        ("controller", agent.controller.version),
    )
    return Episode(
        task=context.task, steps=tuple(steps), end=end, versions=actors, error=error, practice=context.practice
    )


def play_step(
    context: EpisodeContext, env_step: Callable[[Any], Outcome], observation: Observation
) -> Generator[Need, Any, tuple[Step, Observation | None]]:
    """One step, and the next observation; None at the task's own ending. Raises EnvFailed."""
    unseen = [text for text in context.agent.offers.texts(observation) if text not in context.agent.table]
    if unseen:
        yield EmbedRequest(tuple(unseen))
    decisions: list[OpDecision | TokenDecision] = []
    view: tuple[ViewLine, ...] = ()
    answer: TokenDecision | None = None
    if observation.kind is Kind.ASK:
        hits = yield from _retrieve(context, observation, decisions)
        view = see(context.memory, hits, context.agent)
        answer = yield _policy_request(context, observation, view)
        assert answer is not None
        decisions.append(answer)
    outcome = guarded(env_step, answer.action if answer is not None else None)
    if observation.kind is Kind.TELL or not context.query_free:
        yield from _write(context, observation, decisions)
    step = Step(
        observation=observation,
        decisions=tuple(decisions),
        reward=float(outcome.reward),
        view=view,
        verdict=outcome.verdict,
        context_tokens=tokens_read(answer, view, observation, context.agent),
    )
    return step, outcome.next


def take_in(context: EpisodeContext, observation: Observation) -> list[OpDecision | TokenDecision]:
    """One observation outside an episode: the controller's ops on it, carried out now."""
    decisions: list[OpDecision | TokenDecision] = []
    context.agent.table.add(context.agent.offers.texts(observation))
    _drive(_write(context, observation, decisions), context.agent)
    return decisions


class Answered(NamedTuple):
    """A question outside an episode."""

    decisions: list[OpDecision | TokenDecision]
    view: tuple[ViewLine, ...]
    answer: TokenDecision


def answer_question(context: EpisodeContext, observation: Observation) -> Answered:
    """Retrieve, look, answer: the ASK half of a step, with no environment to reply."""
    decisions: list[OpDecision | TokenDecision] = []
    context.agent.table.add([observation.text])
    hits = _drive(_retrieve(context, observation, decisions), context.agent)
    view = see(context.memory, hits, context.agent)
    [answer] = context.agent.policy.sample([_policy_request(context, observation, view)])
    return Answered(decisions, view, answer)


def _drive(plays: Generator[Any, Any, Any], agent: Agent) -> Any:
    """Run a generator that needs only the controller."""
    try:
        need = next(plays)
        while True:
            [choice] = agent.controller.choose([need])
            need = plays.send(choice)
    except StopIteration as stop:
        return stop.value


def _retrieve(
    context: EpisodeContext, observation: Observation, decisions: list[OpDecision | TokenDecision]
) -> Generator[Need, OpChoice, tuple[Hit, ...]]:
    """The controller may bring entries into view; nothing on offer but Keep is no decision."""
    offers = context.agent.offers.reads(context.memory, observation)
    if len(offers.ops) == 1:
        return ()
    choice = yield _controller_request(context, observation, offers, 0)
    return carry_out(context, observation, offers, choice, decisions)


def _write(
    context: EpisodeContext, observation: Observation, decisions: list[OpDecision | TokenDecision]
) -> Generator[Need, OpChoice, None]:
    """Ops on what was told, one after the other, until Keep or ``max_ops``. An op that only makes room is not counted:
    what it makes room for is decided next, as if it came only now, so that a full memory costs a fact no more than an
    empty one and a scorer need not learn the second look apart."""
    count = counted = 0
    while counted < context.agent.max_ops:
        offers = context.agent.offers.writes(context.memory, observation, counted)
        if len(offers.ops) == 1:
            return
        choice = yield _controller_request(context, observation, offers, count)
        held = len(context.memory)
        carry_out(context, observation, offers, choice, decisions)
        if isinstance(offers.ops[choice.index], Keep):
            return
        count += 1
        counted += len(context.memory) >= held


def carry_out(
    context: EpisodeContext,
    observation: Observation,
    offers: OfferSet,
    choice: OpChoice,
    decisions: list[OpDecision | TokenDecision],
) -> tuple[Hit, ...]:
    """Apply the chosen op and record the decision, with the hash of the memory that it was taken in."""
    op, memory_hash = offers.ops[choice.index], context.memory.state_hash()
    result = context.memory.apply(op, stamped(observation))
    decisions.append(
        OpDecision(
            actor="controller",
            action=op,
            memory_hash=memory_hash,
            offers=offers,
            choice=choice.index,
            logprob=choice.logprob,
            created=result.created,
            refused=not result.done,
        )
    )
    return result.hits


def stamped(observation: Observation) -> Stamp:
    """The provenance of what the controller does with an observation."""
    return Stamp(step=observation.step, observation_id=observation.id, writer="controller", trust=observation.trust)


def see(memory: AgentMemory, hits: Sequence[Hit], agent: Agent) -> tuple[ViewLine, ...]:
    """What the policy reads: token memory in stable order, then the hits, within the read budget.

    Where token memory alone is over the read budget its oldest lines stay out.
    """
    left = agent.read_budget
    newest_first: list[ViewLine] = []
    for item in reversed(memory.token.entries() if memory.token is not None else ()):
        if item.tokens > left:
            break
        left -= item.tokens
        newest_first.append(ViewLine(item.text, item.id, "token", item.stamp.observation_id))
    lines = newest_first[::-1]
    # Best hits first for the budget, then oldest first in view, as in token memory: a newer line supersedes.
    kept: list[Hit] = []
    for hit in hits:
        if hit.tokens <= left:
            left -= hit.tokens
            kept.append(hit)
    for hit in sorted(kept, key=lambda hit: hit.stamp.step):
        lines.append(ViewLine(hit.text, hit.id, hit.store, hit.stamp.observation_id))
    return tuple(lines)


def _policy_request(context: EpisodeContext, observation: Observation, view: tuple[ViewLine, ...]) -> SampleRequest:
    return SampleRequest(
        task=context.task,
        observation=observation,
        view=view,
        memory_hash=context.memory.state_hash(),
        seed=int(context.rng.integers(2**62)),
        greedy=context.greedy,
    )


def _controller_request(
    context: EpisodeContext, observation: Observation, offers: OfferSet, count: int
) -> ControllerRequest:
    return ControllerRequest(
        observation=observation,
        offers=offers,
        memory=context.memory,
        table=context.agent.table,
        task=context.task,
        rng=context.rng,
        greedy=context.greedy,
        count=count,
    )


def tokens_read(
    answer: TokenDecision | None, view: tuple[ViewLine, ...], observation: Observation, agent: Agent
) -> int:
    """The prompt's length; where the reader takes no tokens, what the same view would cost a model."""
    if answer is None:
        return 0
    if answer.prompt_ids:
        return len(answer.prompt_ids)
    return sum(agent.count_tokens(line.text) for line in view) + agent.count_tokens(observation.text)


def play_all(plays: Iterable[Play], agent: Agent, concurrency: int) -> list[Episode]:
    """Play every generator to its end, at most ``concurrency`` at a time; results keep their order."""
    waiting = list(enumerate(plays))[::-1]
    done: dict[int, Episode] = {}
    needs: dict[int, tuple[Play, Need]] = {}

    def advance(index: int, play: Play, answer: Any) -> None:
        try:
            needs[index] = (play, play.send(answer))
        except StopIteration as stop:
            done[index] = stop.value
            needs.pop(index, None)

    while waiting or needs:
        while waiting and len(needs) < concurrency:
            advance(*waiting.pop(), None)
        for index, play, answer in _serve(needs, agent):
            advance(index, play, answer)
    return [done[index] for index in sorted(done)]


def _serve(needs: dict[int, tuple[Play, Need]], agent: Agent) -> list[tuple[int, Play, Any]]:
    """Answer the cheapest kind of need first; the policy reads only when everybody else waits for it."""
    servers: tuple[tuple[type, Callable[[list[Any]], Sequence[Any]]], ...] = (
        (EmbedRequest, lambda requests: _embed(requests, agent.table)),
        (ControllerRequest, agent.controller.choose),
        (SampleRequest, agent.policy.sample),
    )
    for kind, answer in servers:
        ready = [(index, play, need) for index, (play, need) in needs.items() if isinstance(need, kind)]
        if ready:
            ready.sort(key=lambda entry: entry[0])
            requests: list[Any] = [need for _, _, need in ready]
            answers = answer(requests)
            return [(index, play, one) for (index, play, _), one in zip(ready, answers, strict=True)]
    return []


def _embed(requests: Sequence[EmbedRequest], table: TextTable) -> list[None]:
    table.add([text for request in requests for text in request.texts])
    return [None] * len(requests)


def play_groups(
    agent: Agent, tasks: Sequence[Task], config: RolloutConfig, seed: Sequence[int], practice: bool = False
) -> list[Group]:
    """``group_size`` tries at each task; siblings start from forks of one memory, each with its own RNG.

    Args:
        seed: identifies this call in the run (run seed, step, ...); an episode's RNG adds task and sibling.
    """
    agent.table.add([text for task in tasks for text in agent.task_source.texts(task)])
    contexts = []
    for i, task in enumerate(tasks):
        memory = agent.new_memory()
        for g in range(config.group_size):
            rng = np.random.default_rng([*seed, i, g])
            contexts.append(
                EpisodeContext(
                    agent=agent,
                    task=task,
                    memory=memory.fork(),
                    rng=rng,
                    practice=practice,
                    query_free=config.query_free,
                    step_limit=config.step_limit,
                    env_seconds=config.env_seconds,
                )
            )
    episodes = play_all((play_episode(context) for context in contexts), agent, config.concurrency)
    _tell_failures(episodes)
    size = config.group_size
    return [Group(task=task, episodes=tuple(episodes[i * size : (i + 1) * size])) for i, task in enumerate(tasks)]


def _tell_failures(episodes: Sequence[Episode]) -> None:
    """The most frequent of what environments that failed said; the metrics count them all."""
    errors = Counter(episode.error for episode in episodes if episode.end is End.ENV_ERROR)
    for error, count in errors.most_common(1):
        _log.warning(
            "%d of %d episodes ended with an environment's error, %d of them with: %s",
            errors.total(), len(episodes), count, error,
        )  # fmt: skip
