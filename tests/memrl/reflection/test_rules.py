"""The reflection memory: support, trials, influence, eviction."""

from __future__ import annotations

import json

import pytest

from memrl.contracts.config import ReflectionConfig
from memrl.controllers.advice import Advice
from memrl.reflection.rules import ORIGINS, RuleMemory

KEEP, WRITE, FORGET = (Advice(kind, (("states", True),)) for kind in ("keep", "write", "forget"))


def memory(**knobs: float) -> RuleMemory:
    return RuleMemory(ReflectionConfig(**{"decay": 0.5, **knobs}))  # pyright: ignore[reportArgumentType]


def test_lessons_of_one_rule_add_to_its_support_and_keep_their_origins():
    rules = memory()
    for i in range(ORIGINS + 2):
        rules.enter(KEEP, "text", f"update {i}")
    rules.enter(KEEP, "other words", f"update {ORIGINS + 1}")
    [rule] = rules.rules
    assert (rule.support, rule.text, len(rule.origins)) == (ORIGINS + 3, "text", ORIGINS)
    assert rule.origins[-1] == f"update {ORIGINS + 1}"


def test_a_rule_influences_nothing_before_three_siblings_did_better_with_it():
    rules = memory()
    rule = rules.enter(KEEP, "text", "here")
    for gain in (0.5, 0.0, 0.25):
        rules.judge(rule, gain, 0)
        assert rules.standing == []
    rules.judge(rule, 0.5, 1)
    assert rules.standing == [rule]
    assert (rule.wins, rule.ties, rule.losses) == (3, 1, 0)
    # 0.5, then halves with each newcomer: 0.25, 0.25, 0.375
    assert rule.utility == pytest.approx(0.375)


def test_a_standing_rule_that_turns_harmful_loses_its_influence_and_then_its_place():
    rules = memory()
    rule = rules.enter(KEEP, "text", "here")
    for gain in (0.2, 0.2, 0.2, -0.9):
        rules.judge(rule, gain, 0)
    assert rule.utility == pytest.approx(-0.35)
    assert rules.standing == []
    rules.prune()
    assert len(rules) == 0 and rules.dropped == 1


def test_a_rule_of_one_bad_trial_is_tried_again():
    rules = memory()
    rules.judge(rules.enter(KEEP, "text", "here"), -0.5, 0)
    rules.prune()
    assert KEEP.key in rules


def test_the_least_useful_goes_where_there_is_no_room():
    rules = memory(rules=2)
    for advice, gain in ((KEEP, 0.1), (WRITE, 0.3), (FORGET, 0.2)):
        rules.judge(rules.enter(advice, "text", "here"), gain, 0)
    rules.prune()
    assert [rule.advice for rule in rules.rules] == [WRITE, FORGET]


def test_the_least_tried_rule_is_tried_next():
    rules = memory()
    tried, fresh = rules.enter(KEEP, "a", "here"), rules.enter(WRITE, "b", "here")
    rules.judge(tried, 0.1, 0)
    assert rules.to_try(1) == [fresh]


def test_where_nothing_is_verified_every_rule_stands():
    rules = RuleMemory(ReflectionConfig(verify=False))
    rule = rules.enter(KEEP, "text", "here")
    assert rules.standing == [rule]


def test_the_memory_comes_back_from_json_to_the_bit():
    rules, twin = memory(), memory()
    for advice, gain in ((KEEP, 0.1), (WRITE, 1 / 3)):
        rules.judge(rules.enter(advice, "text", "here"), gain, 4)
    twin.load_state_dict(json.loads(json.dumps(rules.state_dict())))
    assert twin.state_dict() == rules.state_dict()
    for one in (rules, twin):
        one.judge(one[WRITE.key], 0.7, 5)
        one.enter(FORGET, "text", "there")
    assert twin.state_dict() == rules.state_dict()
