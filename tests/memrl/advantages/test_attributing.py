"""Estimators that give each memory op its own credit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scripted_writer import CHATTER, LANTERN, Script, writer
from toy import TASK, Echo, ToyTasks, toy_agent

from memory_stores.types import Forget, Keep, Overwrite, Write
from memrl.advantages.contract import Scene
from memrl.advantages.gains import OpAt, ops
from memrl.advantages.same_state import KEEP, Branch, mean_returns, taken_index
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.registry import find, make_options
from memrl.contracts.types import Episode, OpDecision
from memrl.controllers.uniform_random import UniformRandom
from memrl.policies.oracle_reader import EPS, OracleReader
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.replay import Site
from memrl.rollouts.scheduler import play_all

ATTRIBUTING = ("retrieval_tracing", "answer_likelihood_gain", "same_state", "leave_one_out", "fresh_futures")
STORY = (LANTERN, CHATTER, "where is it?")


def reader() -> OracleReader:
    return OracleReader({"toy": ToyTasks(STORY)})  # pyright: ignore[reportArgumentType]


def siblings(*agents: Agent) -> list[Episode]:
    contexts = [
        EpisodeContext(agent=a, task=TASK, memory=a.new_memory(), rng=np.random.default_rng(i))
        for i, a in enumerate(agents)
    ]
    return [play_all([play_episode(context)], context.agent, 1)[0] for context in contexts]


def agents(budget: int = 16, story: Sequence[str] = STORY) -> tuple[Agent, Agent]:
    """One that writes whatever fits, one that keeps nothing; both read without error."""
    task_source = ToyTasks(story)
    keeps = Script(lambda step, op: isinstance(op, Keep))
    made = writer(*story, budget=budget), toy_agent(task_source, keeps, budget=budget, max_ops=1)
    return tuple(replace(agent, policy=reader()) for agent in made)  # pyright: ignore[reportReturnType]


def credit(
    name: str, episodes: Sequence[Episode], agent: Agent, discount: float = 1.0, **knobs: float
) -> list[list[float]]:
    part = find("estimator", name, "credit.name")
    scene = Scene(agent, CreditConfig(name=name, discount=discount), make_options(part, knobs, "credit.options"))
    return [advantages.tolist() for advantages in part.make(episodes, scene)]


@pytest.mark.parametrize("name", ATTRIBUTING)
def test_the_write_that_won_has_all_credit_and_chatter_none(name: str):
    first, second = agents()
    unit = math.log1p(-EPS) - math.log(EPS) if name == "answer_likelihood_gain" else 1.0
    # After the write of the lantern the writer goes on as it did: it writes the chatter, and answers right.
    won, kept = credit(name, siblings(first, second), first)
    # The two answers read different views, so neither is the other's baseline.
    assert won == pytest.approx([unit, 0.0, 0.0])  # write, write, answer
    assert kept == pytest.approx([0.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ATTRIBUTING)
def test_with_a_sibling_baseline_keep_is_blamed_for_what_others_won(name: str):
    first, second = agents()
    unit = math.log1p(-EPS) - math.log(EPS) if name == "answer_likelihood_gain" else 1.0
    won, kept = credit(name, siblings(first, second), first, sibling_baseline=1.0)
    assert won[:2] == pytest.approx([unit, 0.0]) and kept[:2] == pytest.approx([-unit, 0.0])


@pytest.mark.parametrize("name", sorted(set(ATTRIBUTING) - {"retrieval_tracing"}))
def test_an_overwrite_that_lost_an_answer_is_blamed(name: str):
    agent, other = agents(budget=4)
    greedy = Script(lambda step, op: isinstance(op, Write | Overwrite))
    wasteful = replace(agent, controller=greedy)
    lost, _ = credit(name, siblings(wasteful, other), wasteful)
    assert lost[1] < 0


@pytest.mark.parametrize("name", sorted(set(ATTRIBUTING) - {"retrieval_tracing"}))
def test_a_forget_that_lost_an_answer_is_blamed(name: str):
    agent, other = agents()
    forgetful = replace(agent, controller=Script(lambda step, op: isinstance(op, Forget if step == 1 else Write)))
    lost, _ = credit(name, siblings(forgetful, other), forgetful)
    assert lost[1] < 0


@pytest.mark.parametrize("name", ATTRIBUTING)
def test_discount_shrinks_what_is_won_later(name: str):
    first, second = agents()
    episodes = siblings(first, second)
    full, half = (credit(name, episodes, first, discount=d)[0] for d in (1.0, 0.5))
    assert half[0] == pytest.approx(full[0] / 4)


class Stuffer(ScriptedPolicy):
    """Says every value at once; the right one is as likely as it ever was, whatever is in view."""

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        return [-3.0] * len(requests)


@pytest.mark.parametrize("name", ATTRIBUTING)
def test_saying_all_values_at_once_earns_nothing(name: str):
    stuffer = Stuffer(["yes no attic cellar unknown"])
    first, second = (replace(agent, policy=stuffer) for agent in agents())
    assert not np.any(np.concatenate(credit(name, siblings(first, second), first)))


def test_a_policy_that_cannot_score_answers_is_one_clear_line():
    agent = replace(agents()[0], policy=Echo())
    with pytest.raises(ConfigError, match=r"credit.name = 'answer_likelihood_gain': Echo has no answer_logprobs"):
        credit("answer_likelihood_gain", siblings(agent, agent), agent)


def test_only_questions_that_differ_cost_anything():
    first, second = agents()
    policy = Echo()
    credit("fresh_futures", siblings(first, second), replace(first, policy=policy), rollouts=8)
    # One question; seen with both lines, without the lantern, without the chatter.
    assert len(policy.requests) == 3


def test_a_continuation_follows_the_record_and_then_the_controller():
    first, second = agents()
    episodes = siblings(first, second)
    branches = [Branch(OpAt(0, Site(0, 0)), index) for index in (1, KEEP, None)]
    assert mean_returns(episodes, branches, first, rollouts=2).tolist() == [1.0, 0.0, 1.0]


def test_branches_of_one_decision_share_their_luck():
    agent = replace(agents()[0], controller=UniformRandom())
    episodes = siblings(agent, agent)
    at, decision = next((at, d) for at, d in ops(episodes, kept=True))
    again = [Branch(at, taken_index(decision))] * 2
    one, two = mean_returns(episodes, again, agent, rollouts=16).tolist()
    assert one == two


def test_advantages_run_along_the_decisions():
    agent = replace(agents()[0], controller=UniformRandom(), max_ops=2)
    episodes = siblings(agent, agent, agent)
    for name in ATTRIBUTING:
        for episode, line in zip(episodes, credit(name, episodes, agent), strict=True):
            kinds = [isinstance(d, OpDecision) for step in episode.steps for d in step.decisions]
            assert len(line) == len(kinds) and np.isfinite(line).all()


def test_fresh_futures_find_what_the_whole_rollouts_find():
    story = (LANTERN, CHATTER, "where is it?", "snow again all day", "is it there?")
    agent = replace(agents(budget=8, story=story)[0], controller=UniformRandom())
    episodes = siblings(agent, agent, agent)
    fresh, whole = (credit(name, episodes, agent, rollouts=8) for name in ("fresh_futures", "same_state"))
    assert any(any(line) for line in whole)
    for one, other in zip(fresh, whole, strict=True):
        assert one == pytest.approx(other)


def test_blended_adds_replay_and_outcome_at_equal_size():
    first, second = agents()
    both = siblings(first, second)
    (won, kept), (won_back, kept_back) = credit("blended", both, first), credit("leave_one_out", both, first)
    earned, lost = credit("gae", both, first)

    def unit(one: list[float], other: list[float], ops: int) -> float:
        return math.sqrt(sum(a * a for a in [*one[:ops], *other[:ops]]) / (2 * ops))

    ops = 2  # a write (or Keep), a write; then the answer
    replay, outcome = unit(won_back, kept_back, ops), unit(earned, lost, ops)
    expected = [0.15 * a / replay + 0.85 * b / outcome for a, b in zip(won_back[:ops], earned[:ops], strict=True)]
    assert won[:ops] == pytest.approx(expected) and won[ops:] == earned[ops:]
    assert credit("blended", both, first, replay_share=0.0)[0][0] == pytest.approx(earned[0] / outcome)
    assert credit("blended", both, first, replay_share=1.0)[0][0] == pytest.approx(won_back[0] / replay)
    assert kept[ops:] == lost[ops:]
