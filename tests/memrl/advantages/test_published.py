"""Published estimators on hand-made episodes: what each says of an op and of an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import TASK, Taker, ToyTasks, toy_agent

from memory_stores.types import Keep, Write
from memrl.advantages.credit import give_credit
from memrl.algos.group_advantages import EPS
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import names
from memrl.contracts.types import (
    Decision,
    End,
    Episode,
    Group,
    Observation,
    OfferSet,
    OpDecision,
    Say,
    Step,
    TokenDecision,
)

NOBODY = toy_agent(ToyTasks(()), Taker())
"""None of these estimators asks the agent anything."""
OFFERS = OfferSet(
    ops=(Keep(), Write("x")), rows=np.full((2, 3), -1, dtype=np.int64), numbers=np.zeros((2, 1), dtype=np.float32)
)
PUBLISHED = ["grpo", "dr_grpo", "gigpo_state", "gigpo_memory", "stratified", "question_step", "gae"]


def op(memory: str = "") -> OpDecision:
    return OpDecision(actor="controller", action=Keep(), memory_hash=memory, offers=OFFERS, choice=0, logprob=-0.7)


def answer(memory: str = "") -> TokenDecision:
    return TokenDecision(
        actor="policy", action=Say("a"), memory_hash=memory, prompt_ids=(1,), action_ids=(2,), logprobs=(-0.1,)
    )


def episode(*steps: tuple[str, list[Decision], float], end: End = End.DONE) -> Episode:
    """Steps of observation id, decisions, reward; an id that starts with "q" is a question's."""
    made = []
    for i, (name, decisions, reward) in enumerate(steps):
        asks = name.startswith("q")
        observation = Observation(id=name, step=i, content=name, wants_action=asks, writable=not asks)
        made.append(Step(observation=observation, decisions=tuple(decisions), reward=reward))
    return Episode(task=TASK, steps=tuple(made), end=end)


def credit(name: str, *episodes: Episode, **knobs) -> list[list[float]]:
    config = CreditConfig(name=name, options=knobs)
    return [c.advantages.tolist() for c in give_credit([Group(task=TASK, episodes=episodes)], config, NOBODY)]


def story(first: float, second: float) -> Episode:
    """Told, asked, told, asked."""
    return episode(("o0", [op()], 0.0), ("q1", [answer()], first), ("o2", [op()], 0.0), ("q3", [answer()], second))


def close(got: list[list[float]], *expected: list[float]) -> None:
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, atol=1e-12)


def test_dr_grpo_stamps_the_centred_return_and_grpo_divides_it_by_the_deviation():
    siblings = story(1.0, 1.0), story(0.0, 1.0), story(0.0, 0.0)  # returns 2, 1, 0; mean 1, deviation 1
    close(credit("dr_grpo", *siblings), [1.0] * 4, [0.0] * 4, [-1.0] * 4)
    size = 1.0 / (1.0 + EPS)
    close(credit("grpo", *siblings), [size] * 4, [0.0] * 4, [-size] * 4)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=5))
def test_broadcast_is_rloo_per_episode_and_so_a_multiple_of_dr_grpo(rewards):
    siblings = [story(float(a), float(b)) for a, b in rewards]
    g = len(siblings)
    np.testing.assert_allclose(
        np.array(credit("broadcast", *siblings)), np.array(credit("dr_grpo", *siblings)) * g / (g - 1), atol=1e-9
    )


def test_gigpo_adds_the_return_to_go_at_the_same_observation():
    # Returns 1, 1. To go: 1, 1, 0, 0 and 1, 1, 1, 1: only after the first question do they differ, by 0.5 each way.
    got = credit("gigpo_state", story(1.0, 0.0), story(0.0, 1.0), step_weight=2.0)
    close(got, [0.0, 0.0, -1.0, -1.0], [0.0, 0.0, 1.0, 1.0])


def test_an_episode_counts_once_at_an_observation_however_many_ops_it_took_there():
    busy = episode(("o0", [op(), op()], 0.0), ("q1", [answer()], 1.0))
    idle = episode(("o0", [op()], 0.0), ("q1", [answer()], 0.0))
    # Both shares are 0.5: by decisions the mean at o0 would be 2/3.
    close(credit("gigpo_state", busy, idle), [1.0, 1.0, 1.0], [-1.0, -1.0])


def test_gigpo_on_memory_compares_only_those_who_remember_the_same():
    one = episode(("o0", [op("empty")], 0.0), ("q1", [answer("fact")], 1.0))
    two = episode(("o0", [op("empty")], 0.0), ("q1", [answer("empty")], 0.0))
    three = episode(("o0", [op("empty")], 0.0), ("q1", [answer("empty")], 0.5))
    # Episodes: 0.5, -0.5, 0 around the mean 0.5. At o0 the same again. At q1 the first stands alone; 0 and 0.5 do not.
    close(credit("gigpo_memory", one, two, three), [1.0, 0.5], [-1.0, -0.75], [0.0, 0.25])


def test_a_retrieval_is_not_compared_with_the_answer_that_follows_it():
    looked = episode(("q0", [op("m"), answer("m")], 1.0))
    blind = episode(("q0", [answer("m")], 0.0))
    # Were all three one state, its mean would be 2/3 and the answer would get 0.5 + 1/3.
    close(credit("gigpo_memory", looked, blind), [0.5, 1.0], [-1.0])


def test_stratified_judges_ops_by_all_questions_and_an_answer_by_its_own():
    # Scores (1, 1), (1, 0): memory means 1 and 1/2, deviation sqrt(1/8); the second question, deviation sqrt(1/2).
    got = credit("stratified", story(1.0, 1.0), story(1.0, 0.0))
    memory, reply = 0.25 / (np.sqrt(1 / 8) + EPS), 0.5 / (np.sqrt(1 / 2) + EPS)
    close(got, [memory, 0.0, memory, reply], [-memory, 0.0, -memory, -reply])


def test_question_step_mixes_the_outcome_with_the_reward_at_the_observation():
    # Returns 2 and 1, outcome +-0.5; the two differ at the second question alone, by +-0.5.
    got = credit("question_step", story(1.0, 1.0), story(1.0, 0.0), outcome_weight=0.6)
    close(got, [0.3, 0.3, 0.3, 0.5], [-0.3, -0.3, -0.3, -0.5])


def test_gae_discounts_how_far_ahead_the_surprise_lies():
    # Values are the other's to go: at o0 and q1 1 | 2, at o2 and q3 0 | 1.
    # First: deltas 0+1-1, 1+0-1, 0+0-0, 1-0 = 0, 0, 0, 1.  Second: 0+2-2, 1+1-2, 0+1-1, 0-1 = 0, 0, 0, -1.
    got = credit("gae", story(1.0, 1.0), story(1.0, 0.0), gae_lambda=0.5)
    close(got, [0.125, 0.0, 0.5, 1.0], [-0.125, 0.0, -0.5, -1.0])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=5))
def test_gae_with_lambda_one_is_return_to_go(rewards):
    siblings = [story(float(a), float(b)) for a, b in rewards]
    np.testing.assert_allclose(credit("gae", *siblings, gae_lambda=1.0), credit("return_to_go", *siblings), atol=1e-9)


def test_who_was_cut_off_is_not_blamed_for_what_the_others_went_on_to_earn():
    whole = episode(("o0", [op()], 0.0), ("q1", [answer()], 1.0))
    cut = episode(("o0", [op()], 0.0), end=End.TOKEN_LIMIT)
    gave_up = episode(("o0", [op()], 0.0))
    # The others' mean at o0 is (1 + 0) / 2; the limit bootstraps with the 1 that was still to be had.
    got = credit("gae", whole, cut, gave_up, gae_lambda=0.0)
    assert got[1] == [0.5] and got[2] == [-0.5]


def test_who_was_alone_at_an_observation_gets_nothing_there_and_passes_it_on():
    went = episode(("o0", [op()], 0.0), ("cellar", [op()], 1.0))
    stayed = episode(("o0", [op()], 0.0), ("attic", [op()], 0.0))
    close(credit("gae", went, stayed, gae_lambda=0.9), [1.0, 0.0], [-1.0, 0.0])


@pytest.mark.parametrize("name", PUBLISHED)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=5), st.integers(0, 99))
def test_the_order_of_siblings_does_not_matter(name, rewards, seed):
    siblings = [story(float(a), float(b)) for a, b in rewards]
    order = np.random.default_rng(seed).permutation(len(siblings))
    shuffled = credit(name, *(siblings[i] for i in order))
    np.testing.assert_allclose(shuffled, np.array(credit(name, *siblings))[order], atol=1e-7)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_constant_added_to_a_question_for_all_changes_nothing(name):
    plain = credit(name, story(1.0, 0.0), story(0.0, 0.0), story(0.5, 1.0))
    moved = credit(name, story(1.0, 7.0), story(0.0, 7.0), story(0.5, 8.0))
    np.testing.assert_allclose(moved, plain, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_equal_returns_give_zeros(name):
    assert not np.array(credit(name, *[story(1.0, 0.5)] * 3)).any()


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_decision_gets_a_number_also_where_siblings_saw_different_things(name):
    siblings = (
        episode(("o0", [op("a"), op("b")], 0.0), ("q1", [op("b"), answer("b")], 1.0)),
        episode(("o0", [], 0.0), ("o9", [op("c")], 0.5), ("q1", [answer("c")], 0.0), end=End.STEP_LIMIT),
        episode(),
    )
    got = credit(name, *siblings)
    assert [len(a) for a in got] == [4, 2, 0]
    assert all(np.isfinite(a).all() for a in got)


def test_each_has_its_name_in_the_table():
    assert set(PUBLISHED) <= set(names("estimator"))


@pytest.mark.parametrize(
    ("name", "knob", "value", "way_out"),
    [
        ("gae", "gae_lambda", 1.5, r"in \[0, 1\]"),
        ("question_step", "outcome_weight", -0.1, r"in \[0, 1\]"),
        ("gigpo_state", "step_weight", -1.0, "at least 0"),
        ("gigpo_memory", "step_weight", True, "a finite number"),
    ],
)
def test_a_knob_out_of_range_is_one_clear_line(name, knob, value, way_out):
    with pytest.raises(ConfigError, match=rf"^credit\.options.*{knob}.* {value}.*: it m(ust|ay).*{way_out}"):
        credit(name, story(1.0, 0.0), **{knob: value})
