"""Playing an episode again with one op changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_writer import CHATTER, LANTERN, Script, writer
from toy import TASK, Echo, ToyEnv, ToyTasks, count_words, toy_agent

from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Forget, Keep, Link, MemoryOp, Overwrite, Relink, Retrieve, Write
from memrl.contracts.protocols import Agent, OfferRequest, OpChoice, Outcome, decided
from memrl.contracts.types import Action, End, Episode, Observation, OfferSet, OpDecision, Say, Step, Task, Verdict
from memrl.rollouts.carrying import carry_out
from memrl.rollouts.play import EpisodeContext, OpNeed, play_episode, see
from memrl.rollouts.replay import Change, Site, replay, tape
from memrl.rollouts.scheduler import play_all


def played(agent: Agent) -> Episode:
    context = EpisodeContext(agent=agent, task=TASK, memory=agent.new_memory(), rng=np.random.default_rng(0))
    [episode] = play_all([play_episode(context)], agent, 1)
    assert episode.end is End.DONE
    return episode


def taken_back(agent: Agent, episode: Episode, *steps: int) -> Any:
    agent = replace(agent, policy=Echo())
    return agent.policy, replay([episode], [Change(0, Site(step, 0)) for step in steps], agent)


def test_taking_back_the_write_of_a_needed_fact_loses_exactly_the_answers_it_won():
    agent = writer("is it early?", LANTERN, CHATTER, "where is it?", "is it there?")
    episode = played(agent)
    policy, replays = taken_back(agent, episode, 1)
    [one] = replays.each
    assert one.reference.tolist() == [0, 0, 0, 1, 1]
    assert one.rewards.tolist() == [0, 0, 0, 0, 0]
    assert replays.requests == len(policy.requests) == 4  # two questions, with the line and without
    assert replays.tokens == 4 * 2 and replays.diverged == 0


def test_taking_back_a_useless_op_changes_nothing_and_asks_nobody():
    agent = writer(LANTERN, "where is it?", CHATTER)
    policy, replays = taken_back(agent, played(agent), 2)
    assert replays.each[0].rewards.tolist() == [0, 1, 0]
    assert replays.requests == replays.tokens == 0 and not policy.requests


def test_an_op_undone_before_anybody_looked_changes_nothing():
    # The second text overwrites the first (no room for both), the third the second.
    def wanted(step: int, op: MemoryOp) -> bool:
        return isinstance(op, Write | Overwrite)

    agent = toy_agent(ToyTasks((CHATTER, "snow again all day", LANTERN, "where is it?")), Script(wanted), budget=4)
    episode = played(replace(agent, max_ops=1))
    assert [type(step.decisions[0].action) for step in episode.steps[:3]] == [Write, Overwrite, Overwrite]
    policy, replays = taken_back(agent, episode, 0, 1)
    assert all(one.rewards.tolist() == [0, 0, 0, 1] for one in replays.each)
    assert not policy.requests


def test_nothing_taken_back_is_the_recorded_episode():
    agent = writer(LANTERN, CHATTER, "where is it?")
    episode = played(agent)
    changes = [Change(0, Site(t, 0), episode.steps[t].decisions[0].action) for t in (0, 1)]  # pyright: ignore[reportArgumentType]
    replays = replay([episode], changes, agent)
    recorded = [step.reward for step in episode.steps]
    assert all(one.rewards.tolist() == one.reference.tolist() == recorded for one in replays.each)  # pyright: ignore[reportOptionalMemberAccess]
    assert replays.requests == 0


def test_equal_questions_of_all_changes_are_asked_once():
    agent = writer(LANTERN, "where is it?")
    episode = played(agent)
    policy = Echo()
    changes = [Change(e, Site(0, 0)) for e in (0, 1)]
    replays = replay([episode, episode], changes, replace(agent, policy=policy))
    assert replays.requests == len(policy.requests) == 2
    assert [one.rewards.sum() for one in replays.each if one.rewards is not None] == [0.0, 0.0]


def test_entries_made_later_are_found_under_their_new_ids():
    def wanted(step: int, op: MemoryOp) -> bool:
        return op == Forget("t2") if step == 2 else isinstance(op, Write)

    agent = toy_agent(ToyTasks((LANTERN, CHATTER, "forget it", "where is it?")), Script(wanted), max_ops=1)
    policy, replays = taken_back(agent, played(agent), 0)
    # Without the first write the chatter is t1; it must go all the same.
    assert [r.view for r in policy.requests if not r.view] == [()]
    assert replays.each[0].rewards.tolist() == [0, 0, 0, 0]


def test_an_environment_that_answers_back_is_worth_nothing_and_counted():
    class Moody(ToyEnv):
        def step(self, action: Action | None) -> Outcome:
            outcome = super().step(action)
            if action == Say("no") and outcome.next is not None:
                return outcome._replace(next=replace(outcome.next, text="you are wrong"))
            return outcome

    class MoodyFamily(ToyTasks):
        def make(self, task: Task) -> ToyEnv:
            return Moody(task, self.story)

    agent = replace(writer(), task_source=MoodyFamily((LANTERN, "where is it?", "fine")))  # pyright: ignore[reportArgumentType]
    _, replays = taken_back(agent, played(agent), 0)
    assert replays.each[0].rewards is None and replays.diverged == 1
    assert replays.each[0].reference.tolist() == [0, 1, 0]


def test_an_episode_that_began_with_another_memory_is_refused():
    agent = writer(LANTERN, "where is it?")
    full = agent.new_memory()
    full.apply(Write("an older fact"))
    context = EpisodeContext(agent=agent, task=TASK, memory=full, rng=np.random.default_rng(0))
    [episode] = play_all([play_episode(context)], agent, 1)
    with pytest.raises(ValueError, match=r"episode.steps\[0\].*new_memory"):
        tape(episode, agent)


def recorded(agent: Agent, *told: MemoryOp, read: MemoryOp) -> Episode:
    """An episode of one op a step, and a question at its end."""
    context = EpisodeContext(agent=agent, task=TASK, memory=agent.new_memory(), rng=np.random.default_rng(0))
    steps: list[Step] = []
    for t, op in enumerate((*told, read)):
        asks = op is read
        observation = Observation(
            id=f"o{t}", step=t, content=f"text {t}" + "?" * (op is read), wants_action=asks, writable=not asks
        )
        offers = OfferSet(ops=(Keep(), op), rows=np.zeros((2, 3), dtype=np.int64), numbers=np.zeros((2, 1), np.float32))
        decisions: list[Any] = []
        asked = OpNeed(context, OfferRequest(context.memory, observation, asks), 0).asked(offers)
        hits = carry_out(context.memory, observation, decided(asked, OpChoice(1, 0.0)), decisions)
        view = ()
        if op is read:
            view = see(context.memory, hits, agent)
            decisions += Echo().sample([_request(observation, view)])
        verdict = Verdict(score=0.0, expected="yes", category="toy") if op is read else None
        steps.append(Step(observation=observation, decisions=tuple(decisions), view=view, verdict=verdict))
    return Episode(task=TASK, steps=tuple(steps), end=End.DONE)


def _request(observation: Observation, view: Any) -> Any:
    from memrl.contracts.protocols import SampleRequest

    return SampleRequest(task=TASK, observation=observation, view=view, memory_hash="", seed=0)


def graph_agent() -> Agent:
    def memory() -> AgentMemory:
        return AgentMemory(token=TokenStore(8, count_words), graph=GraphStore(30, count_words))

    story = [f"text {t}" for t in range(3)]
    return replace(writer(*story[:2], "text 2?"), new_memory=memory)


def views_of(agent: Agent, episode: Episode, step: int) -> list[list[str]]:
    policy = Echo()
    replay([episode], [Change(0, Site(step, 0))], replace(agent, policy=policy))
    return [[line.text for line in request.view] for request in policy.requests]


def test_a_relink_whose_link_was_taken_back_becomes_a_link():
    agent, read = graph_agent(), Retrieve("where is lamp", "graph", 2, 1)
    episode = recorded(agent, Link("lamp", "is in", "attic"), Relink("g1", "cellar"), read=read)
    assert views_of(agent, episode, 0) == []  # the lamp is in the cellar either way
    assert views_of(agent, episode, 1) == [["lamp is in attic"], ["lamp is in cellar"]]


def test_taking_back_a_retrieval_takes_its_hits_out_of_view():
    agent, read = graph_agent(), Retrieve("where is lamp", "graph", 2, 1)
    episode = recorded(agent, Link("lamp", "is in", "attic"), Keep(), read=read)
    assert views_of(agent, episode, 2) == [[], ["lamp is in attic"]]


def test_an_overwrite_that_finds_no_room_takes_the_place_it_had():
    agent = writer(LANTERN, CHATTER, "snow again all day", "where is it?", budget=4)
    episode = recorded(agent, Write(LANTERN), Overwrite("t1", CHATTER), Overwrite("t2", "snow again"), read=Keep())
    assert episode.steps[3].view[0].text == "snow again"
    # The lantern was never overwritten by chatter; snow, which fits beside nothing, takes its place.
    assert views_of(agent, episode, 1) == []


def test_every_state_of_the_tape_is_the_recorded_one():
    agent = writer(LANTERN, CHATTER, "where is it?")
    episode = played(agent)
    states = tape(episode, agent)
    decisions = {Site(t, p): d for t, s in enumerate(episode.steps) for p, d in enumerate(s.decisions)}
    assert {site: state.state_hash() for site, state in states.items()} == {
        site: d.memory_hash for site, d in decisions.items() if isinstance(d, OpDecision)
    }
