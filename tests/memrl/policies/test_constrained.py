"""Writing under a rule: what is not allowed has no probability, and the rest sums to one."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import pytest
import torch

from memrl.contracts.config import PolicyConfig
from memrl.policies.constrained import allowed_logprobs
from memrl.policies.counter_noise import gumbel, place_keys, row_keys
from memrl.policies.hf import HFPolicy


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    return HFPolicy(PolicyConfig(model="tiny", lora_rank=4), seed=0)


def test_probabilities_are_normalised_over_what_is_allowed():
    logits = torch.tensor([[0.0, log(3.0), 50.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    chosen, entropy = allowed_logprobs(logits, [1, 2, 0], [(0, 1), (2,), (0, 1, 2)], temperature=1.0)
    assert chosen.tolist() == pytest.approx([log(0.75), 0.0, -log(3.0)])
    assert entropy.tolist() == pytest.approx([-(0.75 * log(0.75) + 0.25 * log(0.25)), 0.0, log(3.0)])


def test_temperature_flattens():
    logits = torch.tensor([[0.0, log(9.0)]])
    chosen, _ = allowed_logprobs(logits, [1], [(0, 1)], temperature=2.0)
    assert chosen.item() == pytest.approx(log(0.75))


def test_nothing_flows_to_what_was_forced_or_forbidden():
    logits = torch.zeros(2, 4, requires_grad=True)
    chosen, _ = allowed_logprobs(logits, [3, 0], [(3,), (0, 1)], temperature=1.0)
    chosen.sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0] * 4, [0.5, -0.5, 0.0, 0.0]]


def three_of(allowed: Sequence[int]):
    return lambda ids: allowed if len(ids) < 3 else ()


def test_what_is_written_is_allowed_and_repeats_by_its_seed(policy: HFPolicy):
    prompt = policy.encode(["Write:"])[0]
    texts = {policy.write_under(prompt, three_of([65, 70, 75]), seed).ids for seed in range(12)}
    assert len(texts) > 4 and all(set(ids) <= {65, 70, 75} and len(ids) == 3 for ids in texts)
    again = [policy.write_under(prompt, three_of([65, 70, 75]), 3) for _ in range(2)]
    assert again[0] == again[1]


def test_every_sample_is_the_larger_of_log_p_and_the_noise_of_its_seed_and_token(policy: HFPolicy):
    # Exact, where a frequency would hang on the luck of a few hundred seeds.
    prompt = policy.encode(["Write:"])[0]
    drawn = [policy.write_under(prompt, lambda ids: (65, 70) if not ids else (), seed) for seed in range(60)]
    share = {text.ids[0]: exp(text.logprobs[0]) for text in drawn}
    assert share[65] + share[70] == pytest.approx(1.0)
    noise = gumbel(place_keys(row_keys(range(60)), 0), torch.tensor([65, 70])).tolist()
    assert [text.ids[0] for text in drawn] == [65 if log(share[65]) + a > log(share[70]) + b else 70 for a, b in noise]


def test_the_order_in_which_a_rule_lists_its_tokens_does_not_matter(policy: HFPolicy):
    prompt = policy.encode(["Write:"])[0]
    for seed in range(8):
        one, other = (policy.write_under(prompt, three_of(allowed), seed) for allowed in ([65, 70, 75], [75, 65, 70]))
        assert one.ids == other.ids and one.logprobs == pytest.approx(other.logprobs)


def test_the_loss_reads_the_logprobs_that_were_sampled(policy: HFPolicy):
    prompt = policy.encode(["Write:"])[0]
    drawn = policy.write_under(prompt, three_of([65, 70, 75]), 1)
    chosen, _ = policy.allowed_logprobs(prompt, drawn.ids, [(65, 70, 75)] * 3)
    assert chosen.tolist() == pytest.approx(drawn.logprobs, abs=1e-5)
