"""A prompt that begins like one that was read lately is read on from there, and its answer stays what it is."""

from __future__ import annotations

import pytest
import torch
from policy_samples import ask, forward_shapes, prompt_reads, stir, tiny_policy
from transformers import DynamicCache

from memrl.policies.prefix_cache import BLOCK, NOTHING, WORTH, PrefixCache, Start, first_of_each, past_of

STORY = ("Ana put the lantern in the attic.", "Bo moved the rope to the cellar.", "Ana took the lantern to the barn.")


def states(length: int) -> DynamicCache:
    """Two layers whose keys are the tokens' places, and whose values are ten more."""
    cache = DynamicCache()
    for layer in range(2):
        places = torch.arange(length, dtype=torch.float32)[None, None, :, None] + 100 * layer
        cache.update(places, places + 10, layer)
    return cache


def kept(*prompts: tuple[int, ...], limit: int = 2**20) -> PrefixCache:
    cache = PrefixCache(limit)
    for prompt in prompts:
        cache.keep([prompt], torch.ones(1, len(prompt), dtype=torch.long), states(len(prompt)))
    return cache


def test_the_longest_start_is_found_to_the_token():
    first, second = tuple(range(20)), (*range(12), 99, 98, 97, 96)
    cache = kept(first, second)
    assert cache.longest((*range(18), 50, 51)).length == 18
    assert cache.longest((*range(12), 99, 98, 1, 2)).length in (12, 14)  # give or take a block
    assert cache.longest(tuple(range(20))).length == 19  # the last is read, as nobody held what follows it
    assert cache.longest((*range(BLOCK - 1), 77, 78, 79)) == NOTHING
    assert cache.longest((5, *range(20))) == NOTHING


def test_what_is_not_used_is_dropped_first():
    one = states(16).layers[0].keys.nbytes * 4  # two layers, keys and values
    a, b, c = (tuple(range(k, k + 16)) for k in (0, 100, 200))
    cache = kept(a, b, limit=2 * one)
    assert cache.longest((*a, 1)).length == 16
    cache.keep([c], torch.ones(1, 16, dtype=torch.long), states(16))
    assert len(cache) == 2 and cache.longest((*b, 1)) == NOTHING
    assert cache.longest((*a, 1)).length == 16 and cache.longest((*c, 1)).length == 16
    cache.forget()
    assert len(cache) == 0 and cache.longest((*a, 1)) == NOTHING


def test_a_cache_without_room_holds_nothing():
    assert len(kept(tuple(range(16)), limit=0)) == 0
    assert len(kept(tuple(range(16)), limit=100)) == 0


def test_starts_of_different_length_end_at_the_same_place():
    cache = kept(tuple(range(20)), tuple(range(100, 116)))
    starts = [cache.longest((*range(10), 1)), cache.longest((*range(100, 116), 1))]
    past, mask = past_of(starts, room=4)
    assert mask.tolist() == [[0] * 6 + [1] * 10, [1] * 16]
    assert past.get_seq_length() == 16
    assert past.layers[1].keys[0, 0, 6:, 0].tolist() == [100.0 + i for i in range(10)]
    assert past.layers[0].values[1, 0, :, 0].tolist() == [10.0 + i for i in range(16)]


def test_padding_of_a_batch_is_not_held():
    cache, mask = PrefixCache(2**20), torch.tensor([[0, 0] + [1] * 10])
    cache.keep([tuple(range(10))], mask, states(12))
    found = cache.longest((*range(10), 1))
    assert found.states is not None and found.states[0, 0, 0, :, 0].tolist() == [2.0 + i for i in range(10)]


def test_of_prompts_that_begin_alike_one_is_read_first():
    start = tuple(range(WORTH))
    prompts = [(*start, 1, 2), (*start, 3), (*range(50, 80), 4), (*start[:BLOCK], 5, 6), (*range(50, 80), 7)]
    assert first_of_each(prompts, [NOTHING] * 5) == [0, 2, 3]
    held = torch.zeros(1)
    assert first_of_each(prompts, [Start(WORTH, held)] * 5) == [0, 1, 2, 3, 4]  # 14 tokens more are not worth it
    assert first_of_each([start, start], [NOTHING] * 2) == [0]


def questions():
    """Three rounds of questions over memories that change a little."""
    lines = [STORY[:2], STORY, (*STORY[:2], "Bo has the key.")]
    return [[ask(question=f"Where is the {thing}?", lines=held, seed=i) for i, held in enumerate(lines)]
            for thing in ("rope", "lantern", "key")]  # fmt: skip


@pytest.mark.parametrize("greedy", [False, True])
def test_answers_are_those_of_prompts_that_are_read_whole(greedy: bool):
    policy, whole = tiny_policy(), tiny_policy(prefix_cache_mib=0)
    stir(policy), stir(whole)
    for requests in questions():
        for one, other in zip(policy.sample(requests), whole.sample(requests), strict=True):
            assert one.action_ids == other.action_ids
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_in_one_call_common_starts_are_read_once():
    policy, whole = tiny_policy(), tiny_policy(prefix_cache_mib=0)
    stir(policy), stir(whole)
    requests = [request for round in questions() for request in round]
    with forward_shapes(policy) as shapes:
        told = policy.sample(requests)
    with forward_shapes(whole) as plain:
        expected = whole.sample(requests)
    for one, other in zip(told, expected, strict=True):
        assert one.action_ids == other.action_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    read, before = (sum(rows * tokens for rows, tokens in prompt_reads(s)) for s in (shapes, plain))
    assert read < before / 2


def test_only_what_is_new_is_read_until_the_weights_change_or_a_play_ends():
    policy = tiny_policy()
    first, second, _ = questions()
    policy.sample(first)
    with forward_shapes(policy) as shapes:
        policy.sample(second)
    longest = max(tokens for _, tokens in prompt_reads(shapes))
    assert longest <= len("lantern?\nAnswer:") + BLOCK  # a byte is a token of the tiny model
    for forget in (policy.rest, policy.bump):
        forget()
        with forward_shapes(policy) as shapes:
            policy.sample(second)
        assert max(tokens for _, tokens in prompt_reads(shapes)) > 2 * longest
        policy.sample(first)
