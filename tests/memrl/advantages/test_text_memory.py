"""Credit as papers on written memory publish it, on fixtures worked by hand: Memory-R1, Mem-alpha, AgeMem, MEM1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy import TASK, Taker, ToyTasks, toy_agent

from memory_stores.types import Keep
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import (
    CONTROLLER,
    End,
    Episode,
    Group,
    MemoryOps,
    Observation,
    Say,
    Step,
    TokenDecision,
)
from memrl.controllers.ops import OpsMemory, OpsOptions
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.scheduler import play

NOBODY = toy_agent(ToyTasks(()), Taker())
STORY = ("The lantern is here.", "It rained all day.", "Is the lantern here?")


def credit(name: str, episodes: Sequence[Episode], agent: Agent = NOBODY, **options: Any) -> list[np.ndarray]:
    config = CreditConfig(name=name, options=options)
    return [one.advantages for one in give_credit([Group(task=TASK, episodes=tuple(episodes))], config, agent)]


def written(memory: str = "") -> TokenDecision:
    return TokenDecision(
        actor=CONTROLLER, action=MemoryOps((Keep(),)), memory_hash=memory, prompt_ids=(1,), action_ids=(2,),
        logprobs=(-0.1,),
    )  # fmt: skip


def story(first: float, second: float, memory: str = "") -> Episode:
    """Told, asked, told, asked."""
    steps = []
    for i, reward in enumerate((0.0, first, 0.0, second)):
        asks = i % 2 == 1
        seen = Observation(id=f"{i}", step=i, content=f"{i}", wants_action=asks, writable=not asks)
        decision = replace(written(), actor="policy", action=Say("a")) if asks else written(memory)
        steps.append(Step(observation=seen, decisions=(decision,), reward=reward))
    return Episode(task=TASK, steps=tuple(steps), end=End.DONE)


THREE = story(1.0, 1.0), story(1.0, 0.0), story(0.0, 0.0)
THIRD = 1 / np.sqrt(3)
"""Of (1, 1, 0): deviations 1/3, 1/3, -2/3, whose sample deviation is sqrt(1/3)."""


def test_memory_r1_judges_an_op_by_the_next_answer_alone_and_an_answer_by_itself():
    found = credit("memory_r1", THREE)
    expected = [
        [THIRD, THIRD, 2 * THIRD, 2 * THIRD],
        [THIRD, THIRD, -THIRD, -THIRD],
        [-2 * THIRD, -2 * THIRD, -THIRD, -THIRD],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_memory_r1_takes_more_answers_where_told_to_and_leaves_the_answerer_frozen():
    # Means of both answers: 1, 1/2, 0, whose deviation is 1/2. After the last telling one answer is left.
    found = credit("memory_r1", THREE, questions=2, train_answers=False)
    expected = [[1, 0, 2 * THIRD, 0], [0, 0, -THIRD, 0], [-1, 0, -THIRD, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_memory_r1_compares_ops_on_one_memory_only_where_told_to():
    siblings = story(1.0, 0.0, "a"), story(0.0, 0.0, "a"), story(1.0, 0.0, "b")
    found = credit("memory_r1", siblings, same_memory=True)
    half = np.sqrt(0.5)
    np.testing.assert_allclose([one[0] for one in found], [half, -half, 0.0], atol=1e-5)


def played(*scripts: Any, budget: int = 16) -> tuple[list[Episode], Agent]:
    """One episode a script of the calls after each observation; the policy says yes where that stands in view."""
    episodes: list[Episode] = []
    for calls in scripts:

        def answer(request: SampleRequest, calls: Sequence[str] = calls) -> str:
            if request.actor == CONTROLLER:
                return calls[request.observation.step]
            return "yes" if any("yes" in line.text for line in request.view) else "no"

        policy = ScriptedPolicy(answer)
        agent = replace(toy_agent(ToyTasks(STORY), OpsMemory(policy, OpsOptions()), policy, budget=budget), offers=None)
        [group] = play(agent, [TASK], [0], tries=1)
        episodes += group.episodes
    return episodes, agent


def test_mem_alpha_standardises_four_terms_over_all_chunks_of_all_siblings():
    long = "overwrite 1 " + "rained " * 17
    episodes, agent = played(("write yes lantern is here", "keep"), ("write nothing at all", long))
    # Read: 8 words. First: right, 4 words held: 1 + 0.05 (1 - 4/8). At o0 carried out, 3 of 4 words were seen ("yes"
    # was not); at o1 nothing is written. Second: wrong, 3 words held; one op of none but made-up words, one refused.
    first, second = 1 + 0.05 * 0.5, 0.05 * (1 - 3 / 8)
    rewards = np.array([first + 1 + 0.1 * 0.75, first + 1 + 0.1, second + 1 + 0.0, second + 0.0 + 0.1])
    assert np.allclose(rewards, [2.1, 2.125, 1.03125, 0.13125])
    # Mean 1.346875, sample deviation 0.9607...
    ops = (rewards - 1.346875) / np.sqrt(np.sum((rewards - 1.346875) ** 2) / 3)
    half = np.sqrt(0.5)
    found = credit("mem_alpha", episodes, agent)
    np.testing.assert_allclose(found, [[*ops[:2], half], [*ops[2:], -half]], atol=1e-4)
    plain = credit("mem_alpha", episodes, agent, compression_weight=0.0, content_weight=0.0)
    # 2, 2, 1, 0: mean 1.25, squares 0.5625, 0.5625, 0.0625, 1.5625 sum to 2.75.
    np.testing.assert_allclose(
        np.ravel([one[:2] for one in plain]), np.array([0.75, 0.75, -0.25, -1.25]) / np.sqrt(2.75 / 3), atol=1e-5
    )


def test_what_cannot_be_read_is_no_success_to_mem_alpha():
    episodes, agent = played(("write yes", "keep"), ("I would rather not", "keep"))
    found = credit("mem_alpha", episodes, agent, compression_weight=0.0, content_weight=0.0)
    # 2, 2, 0, 1.
    deviations = np.array([0.75, 0.75, -1.25, -0.25])
    np.testing.assert_allclose(np.ravel([one[:2] for one in found]), deviations / np.sqrt(2.75 / 3), atol=1e-5)


def test_age_mem_stamps_the_standardised_return_with_its_memory_terms_on_every_step():
    episodes, agent = played(
        ("write yes lantern", "overwrite 1 yes lantern rain"), ("write no", "keep"), ("write yes", "keep")
    )
    # Views of 3, 1 and 1 words of 16. Written: two entries, of which the second was in view; one, wrong; one, right.
    returns = np.array(
        [1 + (13 / 16 + 1) / 2 + (1 / 4 + 1 / 2), 0 + (15 / 16 + 0) / 2 + 0, 1 + (15 / 16 + 1) / 2 + 1 / 2]
    )
    assert np.allclose(returns, [2.65625, 0.46875, 2.46875])
    found = credit("age_mem", episodes, agent)
    assert all(len(set(one.tolist())) == 1 and len(one) == 3 for one in found), "one number for all stages"
    np.testing.assert_allclose([one[0] for one in found], [0.652944, -1.151244, 0.498299], atol=1e-5)
    task = credit("age_mem", episodes, agent, context_weight=0.0, memory_weight=0.0)
    np.testing.assert_allclose([one[0] for one in task], [THIRD, -2 * THIRD, THIRD], atol=1e-5)


def token_gae(rewards: Sequence[float], values: Sequence[float], discount: float, lam: float) -> list[float]:
    """As PPO computes it token by token over one sequence (Schulman et al. 2016)."""
    found, ahead = [0.0] * len(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        after = values[t + 1] if t + 1 < len(values) else 0.0
        ahead = rewards[t] + discount * after - values[t] + discount * lam * ahead
        found[t] = ahead
    return found


def test_mem1s_token_level_gae_is_gae_with_lambda_one_where_the_siblings_are_its_critic():
    # One sequence: a state of 2 tokens, an observation of 3 (masked), a state of 1, an answer of 2, paid at its end.
    # The critic is taken to say at a turn what the other sibling earned from there on: 0, as it failed.
    right, wrong = story(0.0, 1.0), story(0.0, 0.0)
    kinds = ["o0"] * 2 + ["masked"] * 3 + ["o2"] + ["q3"] * 2
    rewards = [0.0] * 7 + [1.0]
    [ours, theirs] = credit("gae", [right, wrong], gae_lambda=1.0)
    by_place = dict(zip(("o0", "q1", "o2", "q3"), ours, strict=True))
    tokens = token_gae(rewards, [0.0] * 8, 1.0, 1.0)
    assert all(a == by_place[kind] == 1.0 for a, kind in zip(tokens, kinds, strict=True) if kind != "masked")
    # The other sibling, whose critic expects what the first one earned.
    tokens = token_gae([0.0] * 8, [1.0] * 8, 1.0, 1.0)
    assert set(tokens) == {-1.0} == {float(one) for one in theirs[[0, 2, 3]]}


def test_with_a_lower_lambda_the_paper_decays_by_the_token_and_we_by_the_step():
    [ours, _] = credit("gae", [story(0.0, 1.0), story(0.0, 0.0)], gae_lambda=0.5)
    assert ours[0] == pytest.approx(0.5**3)
    assert token_gae([0.0] * 7 + [1.0], [0.0] * 8, 1.0, 0.5)[0] == pytest.approx(0.5**7)


@pytest.mark.parametrize("name", ["memory_r1", "mem_alpha"])
def test_what_judges_answers_by_themselves_refuses_a_source_that_reacts(name: str):
    agent = replace(NOBODY, task_source=ToyTasks((), passive=False))
    with pytest.raises(ConfigError, match=f"credit.name = '{name}'.*use one of"):
        credit(name, THREE, agent)
