"""The start that all prompts share is read once for each version of the weights, and changes no answer."""

from __future__ import annotations

import pytest
from policy_samples import ask, forward_shapes, prompt_reads, stir, tiny_policy

from memrl.policies.frozen_prefix import FrozenPrefix, common_start
from memrl.policies.prompts import HEADER, render_prompt

STORY = ("Ana put the lantern in the attic.", "Bo moved the rope to the cellar.", "Ana took the lantern to the barn.")


def asked(greedy: bool = False):
    return [ask(lines=STORY[: i % 4], seed=i, greedy=greedy) for i in range(8)]


def test_the_common_start_ends_at_the_first_difference():
    assert common_start([(1, 2, 3), (1, 2, 4, 5)]) == (1, 2)
    assert common_start([(1, 2), (1, 2, 3)]) == (1, 2)
    assert common_start([]) == () and common_start([(1,), (2,)]) == ()


def test_a_prompt_begins_with_it_only_if_it_goes_on():
    prefix = FrozenPrefix((1, 2))
    assert prefix.begins((1, 2, 3)) and not prefix.begins((1, 2)) and not prefix.begins((2, 1, 3))
    assert not FrozenPrefix(()).begins((1, 2, 3))


def test_the_header_is_read_once_and_again_after_an_update():
    policy = tiny_policy(prefix_cache_mib=0)
    header = len(policy.sampler._prefix.ids)
    assert header >= len(HEADER)  # a byte is a token of the tiny model
    longest = max(len(ids) for ids in policy.encode([render_prompt(request) for request in asked()]))
    with forward_shapes(policy) as shapes:
        policy.sample(asked())
        policy.sample([ask(lines=STORY[:2], seed=99)])
    reads = prompt_reads(shapes)
    assert reads[0] == (1, header) and [shape for shape in reads if shape == (1, header)] == [(1, header)]
    assert max(tokens for _, tokens in reads[1:]) == longest - header
    policy.bump()
    with forward_shapes(policy) as shapes:
        policy.sample([ask(lines=STORY[:2], seed=99)])
    assert shapes[0] == (1, header)


@pytest.mark.parametrize("greedy", [True, False])
def test_answers_and_logprobs_are_those_of_prompts_read_whole(greedy: bool):
    policy, whole = tiny_policy(), tiny_policy()
    stir(policy), stir(whole)
    whole._prefix = FrozenPrefix(())
    for one, other in zip(policy.sample(asked(greedy)), whole.sample(asked(greedy)), strict=True):
        assert one.action_ids == other.action_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_a_prompt_that_begins_otherwise_is_read_whole():
    policy, whole = tiny_policy(), tiny_policy()
    policy.sampler._prefix, whole._prefix = FrozenPrefix((7, 7, 7)), FrozenPrefix(())
    assert [d.action_ids for d in policy.sample(asked())] == [d.action_ids for d in whole.sample(asked())]
