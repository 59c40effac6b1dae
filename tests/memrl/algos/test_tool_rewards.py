"""Rewards of tool use, worked by hand."""

import math

import pytest

from memrl.algos.tool_rewards import call_efficiency, call_match, call_score, group_efficiency


def test_efficiency_without_a_sibling_that_tells():
    assert call_efficiency(0, 2.0) == 1.0
    assert call_efficiency(1, 2.0) == pytest.approx(math.cos(math.pi / 4))  # 1 pi / (2 + 2)
    assert call_efficiency(2, 2.0) == pytest.approx(0.5)  # 2 pi / 6 = 60 degrees
    assert 0 < call_efficiency(1000, 2.0) < 0.01


def test_efficiency_against_the_fewest_calls():
    assert call_efficiency(3, 2.0, 3) == pytest.approx(1.0)
    # m = 6, n = 3: f = 2 * 3 * 6 / 9 = 4, sin(4 pi / 6) = sin(120 degrees)
    assert call_efficiency(6, 2.0, 3) == pytest.approx(math.sqrt(3) / 2)
    # m = 1, n = 3: f = 6 / 4 = 1.5, sin(1.5 pi / 6) = sin(45 degrees)
    assert call_efficiency(1, 2.0, 3) == pytest.approx(math.sqrt(0.5))
    assert call_efficiency(0, 2.0, 3) == 0.0
    assert call_efficiency(0, 2.0, 0) == 1.0
    assert call_efficiency(2, 2.0, 0) == call_efficiency(2, 2.0)


def test_a_group_is_measured_against_its_best():
    assert group_efficiency([6, 3, 1], [True, True, False], 2.0) == pytest.approx(
        [math.sqrt(3) / 2, 1.0, math.sqrt(0.5)]
    )
    assert group_efficiency([2, 0], [False, False], 2.0) == pytest.approx([0.5, 1.0])


RIGHT = [("search", {"query": "kettle"}), ("sql", {"query": "SELECT 1", "most": 5})]


def test_calls_against_the_right_ones():
    # most = 1 + (1 + 1) + (1 + 2) = 6
    assert call_match(RIGHT, RIGHT) == 3.0
    assert call_match([], RIGHT) == -3.0
    # one of two names (1/2); keys of search 1, its value right 1: 2.5 of 6
    assert call_match(RIGHT[:1], RIGHT) == pytest.approx(6 * 2.5 / 6 - 3)
    # both names 1; search: keys 1, value wrong; sql: keys 1/2 (query of query, most), value right 1: 3.5 of 6
    near = [("search", {"query": "pan"}), ("sql", {"query": "SELECT 1"})]
    assert call_match(near, RIGHT) == pytest.approx(6 * 3.5 / 6 - 3)
    # a name too many: 2 of 3; the rest is right: 2/3 + 5 of 6
    assert call_match([*RIGHT, ("python", {"code": "1"})], RIGHT) == pytest.approx(6 * (2 / 3 + 5) / 6 - 3)


def test_a_call_is_matched_once_and_no_call_can_be_right():
    twice = [("search", {"query": "a"}), ("search", {"query": "b"})]
    # most = 1 + 2 + 2 = 5; names: 1 of 2; right call a comes first and takes the one call (keys 1, value 0); b has none
    assert call_match([("search", {"query": "b"})], twice) == pytest.approx(6 * (0.5 + 1 + 0) / 5 - 3)
    assert call_match(list(reversed(twice)), twice) == 3.0
    assert call_match([], []) == 3.0 and call_match([("python", {})], []) == -3.0
    assert call_match([("python", {})], [("python", {})]) == 3.0


def test_form_is_paid_apart():
    assert call_score(RIGHT, RIGHT, True) == 4.0 and call_score([], RIGHT, False) == -3.0
    assert call_score([], RIGHT, True) == -2.0
