"""The language model as reflector: JSON that always parses, edits that are always legal, tokens that can be learned."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from reflecting import Wanting, group, parts, reader_agent, writes_nothing

from memory_stores.types import Keep
from memrl.reflectors.lm import RULE_TOKENS, Grammar, LmReflector

HEADS = [(1, 2, 3), (1, 4)]
GRAMMAR = Grammar(HEADS, plain=(10, 11), end=(20, 21))


def test_the_grammar_is_a_head_then_plain_words_then_the_end():
    assert GRAMMAR([]) == [1]
    assert GRAMMAR([1]) == [2, 4]
    assert GRAMMAR([1, 2]) == [3]
    assert GRAMMAR([1, 4]) == (10, 11)
    assert GRAMMAR([1, 4, 10]) == (10, 11, 20)
    assert GRAMMAR([1, 4, 10, 20]) == (21,)
    assert GRAMMAR([1, 4, 10, 20, 21]) == ()


def test_a_rule_ends_at_its_longest():
    assert GRAMMAR([1, 4, *[10] * RULE_TOKENS]) == (20,)


@pytest.fixture(scope="module")
def reflected() -> Any:
    made = parts(reflection={"name": "lm"})
    agent = reader_agent(made, Wanting(writes_nothing))
    groups = [group(agent, seed) for seed in (3, 4)]
    policy: Any = made.agent.policy
    reflector = LmReflector(policy, "diff", lambda offers, i: False, 3, 0)
    return reflector, reflector.reflect(groups, agent), groups, agent, policy


def test_every_lesson_is_an_offer_of_its_own_episode(reflected: Any):
    _, lessons, groups, _, _ = reflected
    own = {id(d) for g in groups for e in g.episodes for s in e.steps for d in s.decisions}
    assert lessons
    for lesson in lessons:
        assert id(lesson.decision) in own
        assert lesson.better != lesson.decision.choice


def test_what_it_says_is_json_of_step_ops_and_rule(reflected: Any):
    _, lessons, _, _, _ = reflected
    for lesson in lessons:
        said = json.loads(lesson.told.action.text)
        assert said["step"] == lesson.step
        assert said["op_before"].split()[0] == type(lesson.decision.action).__name__ == Keep.__name__
        assert said["op_after"].split()[0] == type(lesson.decision.offers.ops[lesson.better]).__name__
        assert said["rule"] == lesson.rule


def test_its_tokens_are_recorded_as_the_reflectors_and_score_as_they_were_sampled(reflected: Any):
    reflector, lessons, _, _, _ = reflected
    for lesson in lessons:
        told = lesson.told
        assert told.actor == "reflector"
        logprobs = reflector.logprobs(told)
        assert logprobs.requires_grad
        assert torch.allclose(logprobs.detach().cpu(), torch.tensor(told.logprobs).float(), atol=2e-3)


def test_the_same_seed_says_the_same(reflected: Any):
    _, lessons, groups, agent, policy = reflected
    again = LmReflector(policy, "diff", lambda offers, i: False, 3, 0).reflect(groups, agent)
    assert [one.told for one in again] == [one.told for one in lessons]
