"""Calls as a grammar: what may come next, sampled and recomputed alike by a pointer and by a language model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from memrl.contracts.calls import Calls, Head
from memrl.contracts.config import PolicyConfig
from memrl.contracts.protocols import Brief, SampleRequest
from memrl.contracts.types import Observation, Say, Task, Unreadable, ViewLine
from memrl.policies.call_rule import CallRule, Spelling
from memrl.policies.hf import HFPolicy
from memrl.policies.pointer import PointerOptions, PointerPolicy

WRITE, KEEP = Head(text="write", takes_text=True), Head(text="keep", alone=True)
FORGET = [Head(text=f"forget {n}", uses=str(n)) for n in (1, 2)]
TWO = Calls(heads=(WRITE, *FORGET, KEEP), most=2, max_tokens=8)
WORDS = ("<end>", "write", "forget", "keep", "then", "1", "2", "lamp", "attic")


def ids(text: str) -> tuple[int, ...]:
    return tuple(map(WORDS.index, text.split()))


BY_WORDS = Spelling(ids=ids, first=ids, stops=frozenset({0}))


def allowed(said: str, calls: Calls = TWO) -> set[str] | str:
    rule = CallRule(calls, BY_WORDS)
    for token in ids(said):
        rule.say(token)
    only, but = rule.allowed()
    return {WORDS[i] for i in only} if only is not None else f"all but {sorted(WORDS[i] for i in but)}"


@pytest.mark.parametrize(
    ("said", "next_"),
    [
        ("", {"write", "forget", "keep"}),
        ("forget", {"1", "2"}),
        ("forget 1", {"<end>", "then"}),
        ("keep", {"<end>"}),
        ("write", "all but ['<end>']"),
        ("write lamp", "all but []"),
        ("write lamp then", {"write", "forget"}),
        ("forget 1 then", {"write", "forget"}),
        ("forget 1 then forget", {"2"}),
        ("forget 1 then forget 2", {"<end>"}),
        ("write lamp lamp lamp lamp", "all but []"),
    ],
)
def test_what_may_come_next(said: str, next_: Any):
    assert allowed(said) == next_


def test_a_call_is_begun_only_where_there_is_room_for_all_of_it():
    # 8 tokens: behind "write lamp lamp lamp then" there are three, so both heads fit; behind one more only "forget 1".
    assert allowed("write lamp lamp lamp then") == {"write", "forget"}
    assert allowed("write lamp lamp lamp lamp then") == {"forget"}
    # With one more still, the joining word begins nothing and is a word as any other.
    assert allowed("write lamp lamp lamp lamp lamp then") == "all but []"


@pytest.mark.parametrize("calls", [replace(TWO, heads=()), replace(TWO, max_tokens=0)])
def test_a_grammar_that_allows_nothing_says_so(calls: Calls):
    assert allowed("", calls) == set()


def test_what_is_not_allowed_is_refused_by_place():
    with pytest.raises(ValueError, match="token 4 is not allowed after 0 tokens"):
        CallRule(TWO, BY_WORDS).say(4)


def test_a_head_may_begin_as_another_one_ends():
    byte = Spelling(
        ids=lambda text: tuple(text.encode()), first=lambda text: tuple(text.encode()), stops=frozenset({0})
    )
    heads = (Head(text="forget 1", uses="1"), Head(text="forget 12", uses="12"))
    rule = CallRule(Calls(heads=heads, most=2, max_tokens=64), byte)
    for token in b"forget 1":
        rule.say(token)
    assert rule.allowed().only == {0, *b"2", *b"t"}
    for token in b"2":
        rule.say(token)
    assert rule.allowed().only == {0, *b"t"}


HEADER = "You may write what is new, forget what is old, keep all as it is, or then another."


def request(seed: int = 0, greedy: bool = False, calls: Calls | None = TWO) -> SampleRequest:
    return SampleRequest(
        task=Task(env="", theta=None, seed=0),
        observation=Observation(id="o1", step=1, content="The lamp is in the attic."),
        view=(ViewLine("1. rope shed", "t1", "token", "o0"), ViewLine("2. kettle cellar", "t2", "token", "o0")),
        memory_hash="",
        seed=seed,
        greedy=greedy,
        brief=Brief(header=HEADER, max_new_tokens=None if calls is None else calls.max_tokens),
        actor="controller",
        calls=calls,
    )


def pointer() -> PointerPolicy:
    return PointerPolicy(PointerOptions(writes=True))


def tiny() -> HFPolicy:
    return HFPolicy(PolicyConfig(model="tiny", lora_rank=4, dtype="float32", device="cpu"))


LONG = replace(TWO, max_tokens=40)
POLICIES = pytest.mark.parametrize(("make", "calls"), [(pointer, TWO), (tiny, LONG)])


@POLICIES
def test_only_calls_are_sampled_and_they_are_recomputed_as_they_were(make: Any, calls: Calls):
    policy = make()
    told = policy.sample([request(seed, calls=calls) for seed in range(12)] + [request(0, True, calls)])
    for decision in told:
        assert decision.calls == calls and 0 < len(decision.action_ids) <= calls.max_tokens
        assert isinstance(decision.action, Say)
        assert decision.action.text.split()[0] in ("write", "forget", "keep"), decision.action
    rows = [(d.prompt_ids, d.action_ids) for d in told]
    logprobs, mask = policy.call_logprobs(rows, [d.calls for d in told])
    assert mask.sum(1).tolist() == [len(d.action_ids) for d in told]
    for line, exists, decision in zip(logprobs, mask, told, strict=True):
        assert np.allclose(line[exists].detach(), decision.logprobs, atol=1e-3)
    grown = torch.autograd.grad(logprobs[mask].sum(), list(policy.parameters()), allow_unused=True)
    assert any(one is not None and one.abs().max() > 0 for one in grown)


@POLICIES
def test_a_call_is_the_same_alone_and_beside_free_answers(make: Any, calls: Calls):
    policy = make()
    asked = [request(3, calls=calls), request(4, calls=None), request(5, calls=calls)]
    together = policy.sample(asked)
    alone = [policy.sample([one])[0] for one in asked]
    assert [d.action_ids for d in together] == [d.action_ids for d in alone]
    assert [d.calls for d in together] == [calls, None, calls]


@POLICIES
def test_where_nothing_may_be_said_nothing_is(make: Any, calls: Calls):
    [decision] = make().sample([request(calls=replace(calls, heads=()))])
    assert (decision.action_ids, decision.logprobs, decision.action) == ((), (), Unreadable(""))


def test_a_pointer_says_no_call_whose_words_it_does_not_read():
    strange = replace(TWO, heads=(Head(text="shout", takes_text=True), FORGET[1]))
    told = pointer().sample([request(seed, calls=strange) for seed in range(4)])
    assert {d.action for d in told} == {Say("forget 2")}
