"""The pointing policy: what it samples is what it says it samples, and it learns a command from reward alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import exp

import numpy as np
import pytest
import torch

from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import Brief, SampleRequest
from memrl.contracts.types import Choose, Observation, Say, Task, Unreadable, ViewLine
from memrl.policies.pointer import BUCKETS, END, REACH, PointerOptions, PointerPolicy, _places, word_id, words


def request(
    text: str, *lines: str, seed: int = 0, choices: tuple[str, ...] = (), greedy: bool = False
) -> SampleRequest:
    return SampleRequest(
        task=Task(env="toy", theta=None, seed=0),
        observation=Observation(id="o", step=1, content=text, wants_action=True, choices=choices),
        view=tuple(ViewLine(line, "e", "token", "o0") for line in lines),
        memory_hash="",
        seed=seed,
        greedy=greedy,
        brief=Brief(header="Answer."),
    )


def policy(max_words: int = 2, **knobs: float) -> PointerPolicy:
    return PointerPolicy(PointerOptions(), seed=1, max_words=max_words, **knobs)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_rollout_and_update_agree_on_the_probability_of_a_sample(temperature: float) -> None:
    one = policy(max_words=4, temperature=temperature)
    asked = [request("the red box", "red is gold", "a blue red", seed=seed) for seed in range(20)]
    decisions = one.sample(asked)
    logprobs_RA, mask_RA = one.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
    for line, mask, decision in zip(logprobs_RA, mask_RA, decisions, strict=True):
        assert mask.sum() == len(decision.action_ids)
        assert torch.allclose(line[mask], torch.tensor(decision.logprobs), atol=1e-5)
    assert {len(d.action_ids) for d in decisions} > {4}


def test_samples_are_as_frequent_as_they_are_probable_and_alike_words_are_one_answer() -> None:
    one = policy(max_words=1)
    decisions = one.sample([request("red", "red blue", seed=seed) for seed in range(4000)])
    counts = Counter(d.action_ids for d in decisions)
    told = {d.action_ids: exp(d.logprobs[0]) for d in decisions}
    assert len(counts) == 4  # answer, red, blue, end: three places of "red" would be two
    assert sum(told.values()) == pytest.approx(1.0, abs=1e-5)
    for ids, count in counts.items():
        assert count / 4000 == pytest.approx(told[ids], abs=0.03)


def test_a_sample_depends_on_its_seed_alone() -> None:
    one = policy(max_words=4)
    asked = [request("the red box", "red is gold", seed=seed) for seed in range(5)]
    together = [d.action_ids for d in one.sample(asked)]
    assert together == [one.sample([single])[0].action_ids for single in asked]


def test_an_empty_answer_is_unreadable_and_a_choice_is_chosen_by_its_words() -> None:
    one = policy(max_words=3)
    said = [one.sample([request("go", seed=seed, choices=("go north", "wait"))])[0] for seed in range(200)]
    assert {type(d.action) for d in said} == {Choose, Unreadable}
    assert {d.action.text for d in said if isinstance(d.action, Choose)} <= {"go north", "wait"}
    assert all(isinstance(d.action, Unreadable) for d in said if d.action_ids == (END,))


def test_reward_alone_teaches_it_to_look_up_and_new_names_are_no_harder() -> None:
    names = [f"name{i}" for i in range(60)]
    rng, one = np.random.default_rng(0), policy(max_words=1)
    optimizer = torch.optim.Adam(one.parameters(), lr=0.02)

    def asked(low: int, high: int, seed: int, greedy: bool = False) -> tuple[SampleRequest, str]:
        doors, keys = np.array(names[low:high])[rng.permutation(high - low)[:6]].reshape(2, 3)
        lines = [f"the {door} door opens with the {key} key" for door, key in zip(doors, keys, strict=True)]
        at = int(rng.integers(3))
        return request(f"you see the {doors[at]} door", *lines, seed=seed, greedy=greedy), str(keys[at])

    def right(low: int, high: int) -> float:
        pairs = [asked(low, high, 0, greedy=True) for _ in range(100)]
        said = one.sample([question for question, _ in pairs])
        return float(np.mean([d.action == Say(key) for d, (_, key) in zip(said, pairs, strict=True)]))

    before = right(40, 60)
    for step in range(60):
        pairs = [asked(0, 40, 1000 * step + i) for i in range(64)]
        decisions = one.sample([question for question, _ in pairs])
        reward = torch.tensor([float(d.action == Say(key)) for d, (_, key) in zip(decisions, pairs, strict=True)])
        logprobs_RA, _ = one.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
        optimizer.zero_grad()
        (-(reward - reward.mean()) * logprobs_RA.sum(1)).mean().backward()
        optimizer.step()
        one.bump()
    assert before < 0.2 and right(40, 60) > 0.9 and one.version == 60


def test_state_and_reference_come_back() -> None:
    one, other = policy(), PointerPolicy(PointerOptions(), seed=2, max_words=2)
    asked = request("the red box", "red is gold", greedy=True)
    first = one.sample([asked])[0]
    rows = [(first.prompt_ids, first.action_ids)]
    other.load_state_dict(one.state_dict())
    assert other.sample([asked])[0].logprobs == first.logprobs
    one.freeze_reference()
    with torch.no_grad():
        next(iter(one.net.layers.parameters())).add_(0.5)
    assert not torch.allclose(one.token_logprobs(rows)[0], other.token_logprobs(rows)[0])
    with one.reference():
        assert torch.equal(one.token_logprobs(rows)[0], other.token_logprobs(rows)[0])


def test_words_and_their_count() -> None:
    assert words("Don't: the RED door_2!") == ("don", "t", "the", "red", "door", "2")
    assert policy().count_tokens("...") == 1 and policy().count_tokens("a red door") == 3
    prompt = policy().encode(replace(request("red box", "a b"), scratch=("so",)))
    assert [id for id in prompt if id < 8] == [3, 1, 1, 2]


def test_options_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy.options.hidden = 0"):
        PointerOptions(hidden=0)


def writer() -> PointerPolicy:
    return PointerPolicy(PointerOptions(writes=True), seed=1, max_words=6)


def test_one_that_writes_sees_what_it_said_and_where_lines_break() -> None:
    asked = request("red box\nblue hat", "red gold")
    assert [id for id in policy().encode(asked) if id < 8] == [3, 1, 2]
    prompt = writer().encode(asked)
    assert [id for id in prompt if id < 8] == [3, 1, 2, 2]
    places = _places(prompt, [word_id("box"), word_id("red")], writes=True)
    bare = _places(prompt, [word_id("box"), word_id("red")], writes=False)
    said = places.numbers[:, bare.numbers.shape[1] :]
    assert said.shape == (len(places.ids), 2 * REACH + 1)
    by_hand = {word: said[list(places.ids).index(word_id(word))].tolist() for word in ("red", "gold", "blue", "hat")}
    assert by_hand["red"] == [0.0] * 6 + [1.0] + [0.0] * 6, "the first red, in memory: said, and gold beside it is not"
    assert by_hand["gold"] == [0.0] * 5 + [1.0] + [0.0] * 7, "the word to its left was said"
    assert by_hand["blue"] == by_hand["hat"] == [0.0] * 13, "a line of its own, though it follows the box"
    assert said[-1].tolist() == [0.0] * 13


def test_one_that_learns_no_names_takes_all_content_words_alike_and_knows_function_words() -> None:
    blind = PointerPolicy(PointerOptions(content=False), seed=1)
    lantern, rope = (blind.encode(request(f"The {thing} is in it.")) for thing in ("lantern", "rope"))
    at = [_places(prompt, [], writes=False, content=False).near for prompt in (lantern, rope)]
    assert (at[0] == at[1]).all(), "what it knows of neighbours is the same for any name"
    assert (_places(lantern, [], writes=False).near != _places(rope, [], writes=False).near).any()
    words_at = list(_places(lantern, [], writes=False).ids)
    assert at[0][words_at.index(word_id("lantern"))].tolist() == [
        BUCKETS, BUCKETS, *(word_id(word) % BUCKETS for word in ("the", "is", "in", "it")),
    ], "the line begins with 'the'"  # fmt: skip
    assert at[0][words_at.index(word_id("is"))][2] == BUCKETS + 1, "to the left of 'is' stands some name"
    decisions = blind.sample([request("the red box", "red is gold", seed=seed) for seed in range(9)])
    logprobs_RA, mask_RA = blind.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
    for line, mask, decision in zip(logprobs_RA, mask_RA, decisions, strict=True):
        assert torch.allclose(line[mask], torch.tensor(decision.logprobs), atol=1e-5)


def test_rollout_and_update_agree_on_what_a_writer_wrote() -> None:
    one = writer()
    decisions = one.sample([request("the red\nbox", "red is gold", "a blue red", seed=seed) for seed in range(20)])
    rows = [(d.prompt_ids, d.action_ids) for d in decisions]
    logprobs_RA, mask_RA = one.token_logprobs(rows)
    for line, mask, decision in zip(logprobs_RA, mask_RA, decisions, strict=True):
        assert torch.allclose(line[mask], torch.tensor(decision.logprobs), atol=1e-5)
    assert max(len(ids) for _, ids in rows) == 6


def test_a_brief_says_how_many_words_there_may_be() -> None:
    asked = replace(request("a b c d"), brief=Brief(header="Write.", max_new_tokens=2))
    lengths = {len(d.action_ids) for d in policy(max_words=5).sample([replace(asked, seed=s) for s in range(40)])}
    assert max(lengths) == 2


def test_a_given_answer_is_a_row_with_its_end_unless_it_is_full() -> None:
    one, asked = policy(max_words=2), request("the red box", "red is gold")
    rows = one.answer_rows([asked, asked], ["Gold.", "red gold"])
    gold, red = word_id("gold"), word_id("red")
    assert rows == [(one.encode(asked), (gold, END)), (one.encode(asked), (red, gold))]
    logprobs_RA, _ = one.token_logprobs(rows)
    assert one.answer_logprobs([asked, asked], ["Gold.", "red gold"]) == pytest.approx(logprobs_RA.sum(1).tolist())
    with pytest.raises(InputError, match="cannot say 'silver'"):
        one.answer_rows([asked], ["silver"])
