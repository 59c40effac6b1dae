"""The story of one step, and of an episode of them.

    observation ──> controller: bring something into view?  ──> policy acts, if the environment wants it
                ──> environment answers: reward, next observation
                ──> controller: write, overwrite, link …, until Keep

An episode is a generator that yields what it needs: an op decided, an action sampled, a slow environment called.
Where answers change nothing that follows, they are given together at its end (``later.py``).
``scheduler.play`` seats episodes and serves equal needs of all of them in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from memory_stores.memory import AgentMemory
from memory_stores.types import Hit, Keep, Overwrite, Stamp, Write
from memrl.contracts.capabilities import brief_of
from memrl.contracts.protocols import PLAIN, Agent, Brief, ControllerRequest, OfferRequest, Outcome, SampleRequest
from memrl.contracts.types import (
    ARCHIVIST,
    Decision,
    End,
    Episode,
    MemoryOps,
    Observation,
    OfferSet,
    OpDecision,
    Step,
    Task,
    Think,
    TokenDecision,
    Unreadable,
    ViewLine,
    is_policy,
    with_action,
)
from memrl.rollouts.env_workers import INLINE, EnvWorkers
from memrl.rollouts.guards import EnvFailed, EnvGuard, LeakGuard, guarded
from memrl.rollouts.later import NOT_YET, AnswersNeed, Question, check_same, waits, with_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeContext:
    """What one episode plays with."""

    agent: Agent
    task: Task
    memory: AgentMemory
    rng: np.random.Generator
    brief: Brief = PLAIN
    greedy: bool = False
    practice: bool = False
    workers: EnvWorkers = field(default=INLINE)
    """Where slow environments are called side by side."""


class OpNeed(NamedTuple):
    """The controller is to decide, if there is anything to decide."""

    context: EpisodeContext
    moment: OfferRequest
    count: int
    """Ops already carried out at this step."""

    def asked(self, offers: OfferSet) -> ControllerRequest:
        """The request to the controller, once offers are made."""
        context, moment = self.context, self.moment
        return ControllerRequest(
            observation=moment.observation,
            offers=offers,
            memory=moment.memory,
            table=context.agent.table,
            task=context.task,
            rng=context.rng,
            greedy=context.greedy,
            count=self.count,
            brief=context.brief,
        )


class EnvNeed(NamedTuple):
    """A slow environment is to be called."""

    call: Callable[..., Any]
    arguments: tuple[Any, ...]


Need = OpNeed | SampleRequest | AnswersNeed | EnvNeed
Play = Generator[Need, Any, Episode]
Called = Callable[[Any], Generator[Need, Any, Outcome]]


def play_episode(context: EpisodeContext) -> Play:
    """One try at one task."""
    agent = context.agent
    limits = agent.rollout
    steps: list[Step] = []
    questions: list[Question] = []
    leaks = LeakGuard() if limits.query_free else None
    end, error, judged = End.DONE, "", None
    observation: Observation | None = None
    try:
        context = replace(context, brief=guarded(brief_of, agent.task_source, context.task))
        env = yield from _call(context, EnvGuard, agent.task_source.make, context.task, limits.env_seconds)
        observation = yield from _call(context, env.start)
        while observation is not None:
            if len(steps) >= limits.step_limit:
                end = End.STEP_LIMIT
                break
            if leaks is not None:
                leaks.check(observation)
            step, outcome = yield from play_step(context, env.step, observation, (len(steps), questions))
            steps.append(step)
            observation, judged = outcome.next, outcome.success
            end = End.STEP_LIMIT if outcome.truncated and observation is None else End.DONE
    except EnvFailed as failure:
        end, error = End.ENV_ERROR, str(failure)
    questions = [one for one in questions if one.step < len(steps)]
    if questions:
        story, steps = steps, []
        try:
            judged = yield from give_answers(context, story, questions, steps)
        except EnvFailed as failure:
            end, error = End.ENV_ERROR, str(failure)
    return Episode(
        task=context.task,
        steps=tuple(steps),
        end=end,
        judged=judged,
        versions=agent.versions,
        error=error,
        cut=observation if end is End.STEP_LIMIT else None,
        practice=context.practice,
    )


def give_answers(
    context: EpisodeContext, story: Sequence[Step], questions: Sequence[Question], told: list[Step]
) -> Generator[Need, Any, float | None]:
    """Answer all questions of a story and tell it again into ``told``; returns the success that the environment said.

    Raises EnvFailed.
    """
    answers = yield AnswersNeed(tuple(one.request for one in questions))
    given = {one.step: (one, answer) for one, answer in zip(questions, answers, strict=True)}
    agent = context.agent
    env = yield from _call(context, EnvGuard, agent.task_source.make, context.task, agent.rollout.env_seconds)
    yield from _call(context, env.start)
    success = None
    for number, step in enumerate(story):
        answered = given.get(number)
        action = answered[1].action if answered else None
        outcome = yield from _call(context, env.step, action)
        success = outcome.success
        if answered:
            step = with_answer(step, *answered)
            read = tokens_read(step.decisions, step.view, step.observation, context.agent)
            step = replace(step, context_tokens=read)
        told.append(replace(step, reward=float(outcome.reward), verdict=outcome.verdict))
        check_same(story, number, outcome.next)
    return success


def play_step(
    context: EpisodeContext,
    env_step: Callable[[Any], Outcome],
    observation: Observation,
    later: tuple[int, list[Question]] | None = None,
) -> Generator[Need, Any, tuple[Step, Outcome]]:
    """One step, and what the environment answered. Raises EnvFailed.

    Args:
        later: the step's number, and where to put a question whose answer may wait; None answers on the spot.
    """
    decisions: list[Decision] = []
    view: tuple[ViewLine, ...] = ()
    action = None
    if observation.wants_action:
        hits = yield from retrieve(context, observation, decisions)
        view = see(context.memory, hits, context.agent)
        if later is not None and waits(context.agent, observation, context.workers.slow):
            request = _sample_request(context, observation, view)
            later[1].append(Question(later[0], len(decisions), request))
            action = NOT_YET
        else:
            action = (yield from act(context, observation, view, decisions)).action
    if context.workers.slow:
        outcome: Outcome = yield from _call(context, env_step, action)
    else:
        outcome = context.workers.timed(env_step, action)
    if observation.writable:
        thoughts = [d.action.text for d in decisions if isinstance(d.action, Think)]
        kept = thoughts if context.agent.rollout.keep_thoughts else ()
        yield from write(context, with_action(observation, action, kept), decisions)
    elif not context.agent.rollout.query_free:
        yield from write(context, observation, decisions)
    step = Step(
        observation=observation,
        decisions=tuple(decisions),
        reward=float(outcome.reward),
        view=view,
        verdict=outcome.verdict,
        context_tokens=tokens_read(decisions, view, observation, context.agent) if observation.wants_action else 0,
    )
    return step, outcome


def _call(context: EpisodeContext, call: Callable[..., Any], *arguments: Any) -> Generator[Need, Any, Any]:
    """A call of the environment: at once, or beside those of other episodes where environments are slow."""
    if not context.workers.slow:
        return context.workers.timed(call, *arguments)
    result = yield EnvNeed(call, arguments)
    if isinstance(result, EnvFailed):
        raise result
    return result


def retrieve(
    context: EpisodeContext, observation: Observation, decisions: list[Decision]
) -> Generator[Need, Any, tuple[Hit, ...]]:
    """The controller may bring entries into view, one reading after the other, until Keep, ``max_reads`` or the end of
    the read budget; nothing on offer but Keep is no decision."""
    agent, memory = context.agent, context.memory
    hits: tuple[Hit, ...] = ()
    if agent.offers is None:
        return hits
    room = agent.read_budget - (memory.token.tokens_used if memory.token is not None else 0)
    for count in range(agent.max_reads):
        left = max(0, room - sum(hit.tokens for hit in hits))
        moment = OfferRequest(memory, observation, True, view=hits, room=left)
        decision = yield OpNeed(context, moment, count)
        if decision is None:
            break
        found = carry_out(context, observation, decision, decisions)
        hits = (*hits, *found)
        if not found:
            break
    return hits


def act(
    context: EpisodeContext, observation: Observation, view: tuple[ViewLine, ...], decisions: list[Decision]
) -> Generator[Need, Any, TokenDecision]:
    """The policy acts, after as many turns to itself as it takes and may have."""
    scratch: tuple[str, ...] = ()
    while True:
        decision: TokenDecision = yield _sample_request(context, observation, view, scratch)
        if isinstance(decision.action, Think) and len(scratch) >= context.agent.rollout.scratch_turns:
            decision = replace(decision, action=Unreadable(decision.action.text))
        decisions.append(decision)
        if not isinstance(decision.action, Think):
            return decision
        scratch = (*scratch, decision.action.text)


def write(context: EpisodeContext, observation: Observation, decisions: list[Decision]) -> Generator[Need, Any, None]:
    """Ops on what was seen, one after the other, until Keep or ``max_ops``; a controller that writes its ops itself is
    asked once. An op that only makes room is not counted: what it makes room for is decided next, as if it came only
    now, so that a full memory costs a fact no more than an empty one and a scorer need not learn the second look apart.
    """
    agent, memory = context.agent, context.memory
    if agent.archive_all:
        archive(context, observation, decisions)
        if memory.token is None and memory.graph is None:
            return
    count = counted = 0
    while counted < agent.max_ops:
        decision = yield OpNeed(context, OfferRequest(memory, observation, False, counted), count)
        if decision is None:
            return
        held = len(memory)
        carry_out(context, observation, decision, decisions)
        if agent.offers is None or isinstance(decision.action, Keep):
            return
        count += 1
        counted += len(memory) >= held


def archive(context: EpisodeContext, observation: Observation, decisions: list[Decision]) -> None:
    """Put an observation into the archive: nobody's decision, but recorded as one that was made without tokens, so
    that replays do it too."""
    if not observation.text.strip():
        return
    decision = TokenDecision(
        actor=ARCHIVIST,
        action=MemoryOps((Write(observation.text, "archive"),)),
        memory_hash=context.memory.state_hash(),
        prompt_ids=(),
        action_ids=(),
        logprobs=(),
    )
    carry_out(context, observation, decision, decisions)


def carry_out(
    context: EpisodeContext, observation: Observation, decision: Decision, decisions: list[Decision]
) -> tuple[Hit, ...]:
    """Apply the decision's ops and record it, with what they made; what was found comes back."""
    if isinstance(decision.action, Keep):  # the usual case, and the quick one
        decisions.append(decision)
        return ()
    stamp = provenance(observation, decision, context.memory)
    results = [context.memory.apply(op, stamp) for op in decision.ops]
    if len(results) == 1:
        created, refused, hits = results[0].created, not results[0].done, results[0].hits
    else:
        created = tuple(id for result in results for id in result.created)
        refused = any(not result.done for result in results)
        hits = tuple(hit for result in results for hit in result.hits)
    decisions.append(_with_outcome(decision, created, refused) if created or refused else decision)
    return hits


def _with_outcome(decision: Decision, created: tuple[str, ...], refused: bool) -> Decision:
    """The decision, and what came of it. Spelled out where it is made for every op, as ``replace`` takes its time."""
    if not isinstance(decision, OpDecision):
        return replace(decision, created=created, refused=refused)
    return OpDecision(
        actor=decision.actor,
        action=decision.action,
        memory_hash=decision.memory_hash,
        offers=decision.offers,
        choice=decision.choice,
        logprob=decision.logprob,
        created=created,
        refused=refused,
    )


def provenance(observation: Observation, decision: Decision, memory: AgentMemory) -> Stamp:
    """The stamp of what a decision writes, memory being as it was before.

    What stands in the observation is believed as that is. Words of an actor's own may rest on all that it had in view,
    so they are believed as the least of it: a note about a doubtful note does not become a sure one.
    """
    seen = observation
    stamp = Stamp(step=seen.step, observation_id=seen.id, writer=decision.actor, trust=seen.trust)
    if isinstance(decision, OpDecision) or memory.token is None:  # offers are made of the observation's own words
        return stamp
    own = any(isinstance(op, Write | Overwrite) and op.text not in observation.text for op in decision.ops)
    least = min((item.stamp.trust for item in memory.token.entries()), default=1.0)
    return replace(stamp, trust=min(stamp.trust, least)) if own else stamp


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


def _sample_request(
    context: EpisodeContext, observation: Observation, view: tuple[ViewLine, ...], scratch: tuple[str, ...] = ()
) -> SampleRequest:
    return SampleRequest(
        task=context.task,
        observation=observation,
        view=view,
        memory_hash=context.memory.state_hash(),
        seed=int(context.rng.integers(2**62)),
        greedy=context.greedy,
        brief=context.brief,
        scratch=scratch,
        actor=observation.to,
    )


def tokens_read(
    decisions: Sequence[Decision], view: tuple[ViewLine, ...], observation: Observation, agent: Agent
) -> int:
    """The prompts' length; where the reader takes no tokens, what the same view would cost a model."""
    read = sum(len(d.prompt_ids) for d in decisions if isinstance(d, TokenDecision) and is_policy(d.actor))
    return read or sum(agent.count_tokens(line.text) for line in view) + agent.count_tokens(observation.text)
