"""HFPolicy learns: gradients through the sampled ids, LoRA alone, and what a checkpoint brings back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from policy_samples import ask, plain_logprobs, stir, tiny_policy

from memrl.contracts.config import LearnerConfig
from memrl.contracts.errors import InputError
from memrl.policies.tiny import tiny_model
from memrl.training.batch import Batch, TokenRow
from memrl.training.learner import Learner

LINES = ("Ana put the lantern in the attic.", "Bo moved the rope to the cellar.")
ROWS = [((5, 9, 12, 40, 41), (7,)), ((80, 3), (11, 12, 13, 14)), ((9,) * 12, (6, 0))]


def base_weights(policy: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in policy.model.named_parameters() if "lora_" not in name}


def test_recomputed_logprobs_equal_those_of_the_rollout() -> None:
    policy = tiny_policy()
    decisions = policy.sample([ask(lines=LINES[: i % 3], seed=i) for i in range(12)])
    logprobs, mask = policy.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
    assert logprobs.shape == mask.shape == (12, max(len(d.action_ids) for d in decisions))
    for row, exists, decision in zip(logprobs.detach(), mask, decisions, strict=True):
        length = len(decision.action_ids)
        assert exists.tolist() == [True] * length + [False] * (mask.shape[1] - length)
        assert row[:length].tolist() == pytest.approx(decision.logprobs, abs=1e-4)
        assert not row[length:].any()


def test_temperature_is_the_same_when_sampled_and_when_learned() -> None:
    policy = tiny_policy(temperature=2.5)
    decisions = policy.sample([ask(lines=LINES, seed=i) for i in range(4)])
    logprobs, _ = policy.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
    for row, decision in zip(logprobs.detach(), decisions, strict=True):
        assert row[: len(decision.logprobs)].tolist() == pytest.approx(decision.logprobs, abs=1e-4)


def test_padding_changes_neither_logprobs_nor_gradients() -> None:
    policy = tiny_policy()
    weights = list(policy.parameters())
    together, mask = policy.token_logprobs(ROWS)
    joint = torch.autograd.grad(together[mask].sum(), weights)
    alone = [policy.token_logprobs([row]) for row in ROWS]
    single = torch.autograd.grad(sum(logprobs.sum() for logprobs, _ in alone), weights)  # pyright: ignore[reportArgumentType, reportCallIssue]
    for (prompt, action), row in zip(ROWS, together.detach(), strict=True):
        assert row[: len(action)].tolist() == pytest.approx(plain_logprobs(policy, prompt, action), abs=1e-4)
    assert any(g.abs().max() > 1e-3 for g in joint)
    for a, b in zip(joint, single, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_only_lora_learns_and_the_base_stays_as_it_is() -> None:
    policy = tiny_policy()
    before = base_weights(policy)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.001)
    rows = [(d.prompt_ids, d.action_ids) for d in policy.sample([ask(seed=s) for s in range(4)])]
    first = policy.token_logprobs(rows)[0].sum()
    for _ in range(3):
        optimizer.zero_grad()
        (-policy.token_logprobs(rows)[0].sum()).backward()
        optimizer.step()
        policy.bump()
        policy.sample([ask(seed=1)])
    assert policy.token_logprobs(rows)[0].sum() > first
    after = base_weights(policy)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert {name.rpartition("lora_")[1] for name, p in policy.model.named_parameters() if p.requires_grad} == {"lora_"}


def test_a_bf16_base_keeps_every_bit_and_its_lora_is_fp32() -> None:
    policy = tiny_policy(dtype="bfloat16")
    before = base_weights(policy)
    assert {weight.dtype for weight in before.values()} == {torch.bfloat16}
    assert {weight.dtype for weight in policy.parameters()} == {torch.float32}
    for seed in range(3):
        decisions = policy.sample([ask(lines=LINES, seed=seed)])
        logprobs, _ = policy.token_logprobs([(d.prompt_ids, d.action_ids) for d in decisions])
        assert logprobs[0].tolist() == pytest.approx(decisions[0].logprobs, abs=0.15)
        stir(policy, seed)
    after = base_weights(policy)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_with_lora_off_the_base_answers() -> None:
    policy, (base, _) = tiny_policy(), tiny_model(seed=3)
    [(prompt, action)] = ROWS[1:2]
    with torch.no_grad():
        logprobs = base(input_ids=torch.tensor([[*prompt, *action]])).logits[0].log_softmax(-1)
    expected = [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(action)]
    with policy.reference(), torch.no_grad():
        assert policy.token_logprobs(ROWS[1:2])[0][0].tolist() == pytest.approx(expected, abs=1e-5)
    with torch.no_grad():
        assert policy.token_logprobs(ROWS[1:2])[0][0].tolist() != pytest.approx(expected, abs=1e-2)
    assert all(weight.requires_grad for weight in policy.parameters())


def test_fresh_lora_changes_nothing_and_comes_from_the_seed() -> None:
    one, two = tiny_policy(stirred=False), tiny_policy(stirred=False)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    with torch.no_grad():
        fresh = one.token_logprobs(ROWS)[0]
        with one.reference():
            torch.testing.assert_close(fresh, one.token_logprobs(ROWS)[0])


def test_a_state_brings_back_weights_version_and_answers() -> None:
    policy = tiny_policy()
    answers = [d.action_ids for d in policy.sample([ask(lines=LINES, seed=s) for s in range(4)])]
    state = policy.state_dict()
    stir(policy, seed=8)
    assert [d.action_ids for d in policy.sample([ask(lines=LINES, seed=s) for s in range(4)])] != answers
    other = tiny_policy(stirred=False)
    for restored in (policy, other):
        restored.load_state_dict(state)
        assert restored.version == state["version"]
        assert [d.action_ids for d in restored.sample([ask(lines=LINES, seed=s) for s in range(4)])] == answers


def test_loading_a_state_empties_the_answer_cache() -> None:
    policy = tiny_policy()
    state = policy.state_dict()
    stir(policy, seed=8)
    [stale] = policy.sample([ask(lines=LINES, greedy=True)])
    policy.load_state_dict(state)
    [fresh] = policy.sample([ask(lines=LINES, greedy=True)])
    assert fresh.action_ids != stale.action_ids
    assert fresh.action_ids == tiny_policy().sample([ask(lines=LINES, greedy=True)])[0].action_ids


def test_a_state_of_another_shape_is_refused_in_one_line() -> None:
    state = tiny_policy(lora_rank=2).state_dict()
    policy = tiny_policy()
    before = [weight.detach().clone() for weight in policy.parameters()]
    with pytest.raises(InputError, match="lora_rank") as raised:
        policy.load_state_dict(state)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_a_saved_adapter_loads_with_peft_alone(tmp_path: Path) -> None:
    policy = tiny_policy()
    policy.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(tiny_model(seed=3)[0], str(tmp_path)).eval()
    ids = torch.tensor([[*ROWS[0][0], *ROWS[0][1]]])
    with torch.no_grad():
        torch.testing.assert_close(loaded(input_ids=ids).logits, policy.model(input_ids=ids).logits)


def test_the_reference_is_the_policy_that_rl_starts_from_and_part_of_its_state() -> None:
    policy = tiny_policy()  # as a warm start leaves it: no longer the base
    rows = tuple(
        TokenRow(prompt_ids=d.prompt_ids, action_ids=d.action_ids, logprobs=d.logprobs, advantage=1.0)
        for d in policy.sample([ask(lines=LINES, seed=s) for s in range(3)])
    )
    start = logprobs_of(policy)
    learner = Learner({"policy": policy}, None, LearnerConfig(kl=0.1, policy_learning_rate=1e-2))
    first, second = (learner.update(Batch(ops=None, tokens={"policy": rows})) for _ in range(2))
    assert first["kl"] == 0.0 and second["kl"] > 0.0
    resumed = tiny_policy(stirred=False)
    resumed.load_state_dict(policy.state_dict())
    for one in (policy, resumed):
        moved = logprobs_of(one)
        with one.reference():
            assert torch.equal(logprobs_of(one), start)
        assert torch.equal(logprobs_of(one), moved) and not torch.equal(moved, start)
    assert resumed.state_dict()["reference"][0] is not policy.state_dict()["reference"][0]


def logprobs_of(policy: Any) -> torch.Tensor:
    with torch.no_grad():
        return policy.token_logprobs(ROWS)[0]


def test_a_policy_whose_start_nobody_kept_saves_no_copy_of_it() -> None:
    policy = tiny_policy()
    assert "reference" not in policy.state_dict()
    policy.freeze_reference()
    policy.load_state_dict(tiny_policy().state_dict())
    assert "reference" not in policy.state_dict()
