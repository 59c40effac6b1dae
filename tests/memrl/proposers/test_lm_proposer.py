"""The language model fills in the form, and only with what is legal."""

from __future__ import annotations

import json

import pytest
import torch
from toy_space import ToySpace

from memrl.contracts.config import PolicyConfig
from memrl.contracts.types import Task
from memrl.envs.memworld.space import MemWorldSpace
from memrl.envs.memworld.theta import Theta
from memrl.policies.hf import HFPolicy
from memrl.proposers.form import Form, to_json
from memrl.proposers.lm import LmProposer

EXAMPLE = Task(env="toy", theta=(("share", 0.5), ("size", 1)), seed=0)


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    return HFPolicy(PolicyConfig(model="tiny", lora_rank=4), seed=0)


def skill(task: Task) -> str:
    return "+".join(f"{axis}.{level:g}" for axis, level in task.theta)


def lm(policy: HFPolicy, **options) -> LmProposer:
    return LmProposer(policy, ToySpace(), skill, [EXAMPLE], seed=0, **options)


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def filled(form: Form, text: str) -> str:
    """Write ``text`` letter by letter, each of which must be allowed; what may follow."""
    ids: list[int] = []
    for letter in text:
        assert ord(letter) in form(ids), f"{letter!r} after {text[: len(ids)]!r}"
        ids.append(ord(letter))
    return "".join(map(chr, form(ids)))


def test_the_form_allows_legal_levels_alone():
    assert filled(Form(ToySpace(), letters), '{"size":') == "012"
    assert filled(Form(ToySpace(), letters), '{"size":2,"share":') == "01"
    assert filled(Form(ToySpace(), letters), '{"size":2,"share":0') == ".}"
    assert filled(Form(ToySpace(), letters), '{"size":0,"share":0') == "}"
    form = Form(ToySpace(), letters)
    assert filled(form, '{"size":2,"share":0.5}') == ""
    assert form.levels == {"size": 2, "share": 0.5}
    assert [len(offered) for offered in form.allowed if len(offered) > 1] == [3, 2, 2]


def test_what_the_model_writes_is_json_of_a_legal_theta(policy: HFPolicy):
    space = MemWorldSpace(Theta(horizon=24, questions=4))
    proposer = LmProposer(policy, space, lambda task: "s", [], seed=4)
    for proposal in proposer.propose(3, []):
        text = policy.tokenizer.decode(proposal.trace.decision.action_ids)
        written = json.loads(text)
        assert written.items() <= json.loads(to_json(space.axes(proposal.candidate) or {})).items()
        assert proposal.trace.decision.actor == "proposer"


def test_logprobs_are_those_of_the_constrained_choice(policy: HFPolicy):
    proposer = lm(policy)
    (proposal,) = proposer.propose(1, [])
    decision, allowed = proposal.trace.decision, proposal.trace.allowed
    forced = [logprob for logprob, offered in zip(decision.logprobs, allowed, strict=True) if len(offered) == 1]
    assert set(forced) == {0.0}
    again, entropy = (told.cpu() for told in proposer.read(proposal.trace))
    assert torch.allclose(again, torch.tensor(decision.logprobs), atol=1e-5)
    assert ((entropy > 0) == torch.tensor([len(offered) > 1 for offered in allowed])).all()


def test_its_lesson_makes_what_paid_likelier(policy: HFPolicy):
    proposer = lm(policy, entropy_floor=0.0)
    before = policy.state_dict()
    good, bad = proposer.propose(2, [])
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    started = proposer.read(good.trace)[0].sum().item() - proposer.read(bad.trace)[0].sum().item()
    (part,) = proposer.auxiliary_losses([(good, 1.0), (bad, -0.5)])
    told = part.backward()
    optimizer.step()
    ended = proposer.read(good.trace)[0].sum().item() - proposer.read(bad.trace)[0].sum().item()
    assert ended > started
    assert told["reward"] == 0.25 and 0 < told["entropy"] <= 1
    optimizer.zero_grad()
    policy.load_state_dict(before)


def test_a_frozen_model_proposes_and_learns_nothing(policy: HFPolicy):
    proposer = lm(policy, trained=False)
    (proposal,) = proposer.propose(1, [])
    assert proposer.auxiliary_losses([(proposal, 1.0)]) == () and list(proposer.parameters()) == []


def test_the_prompt_shows_what_fails_what_was_proven_and_what_taught(policy: HFPolicy):
    proposer = lm(policy)
    (proposal,) = proposer.propose(1, [])
    proposer.auxiliary_losses([(proposal, 0.9)])
    prompt = proposer.prompt(["size.2: keep the newest word", "size.1"])
    assert "Skills that fail: size.2, size.1" in prompt
    assert "- keep the newest word" in prompt
    assert '- {"share":0.5}  share.0.5+size.1' in prompt
    assert skill(proposal.candidate) in prompt


def test_at_most_six_references_one_a_signature_the_alike_first(policy: HFPolicy):
    tasks = [Task(env="toy", theta=(("share", i / 8), ("size", 1)), seed=0) for i in range(8)]
    proposer = LmProposer(policy, ToySpace(), skill, [*tasks, *tasks], seed=0)
    lines = [line for line in proposer.prompt(["share.0.875+size.1"]).splitlines() if line.startswith("- {")]
    assert len(lines) == len(set(lines)) == 6 and "share.0.875" in lines[0]


def test_it_goes_on_to_the_bit(policy: HFPolicy):
    one, two = lm(policy), LmProposer(policy, ToySpace(), skill, [], seed=5)
    one.auxiliary_losses([(p, 1.0) for p in one.propose(1, [])])
    two.load_state_dict(one.state_dict())
    first, second = one.propose(1, ["x"])[0], two.propose(1, ["x"])[0]
    assert first.trace.decision == second.trace.decision and first.candidate == second.candidate
    assert one.state_dict() == two.state_dict()
