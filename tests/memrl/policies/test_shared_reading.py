"""Rows that begin alike are read once, and nothing changes by it: log-probabilities, gradients, who may do it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from policy_samples import tiny_policy
from transformers import BloomConfig, BloomForCausalLM, MistralConfig, MistralForCausalLM

from memrl.policies import shared_reading
from memrl.policies.hf import HFPolicy
from memrl.policies.selected import selected_logprobs
from memrl.policies.shared_reading import can_share, worthy_trees
from memrl.policies.tiny import tiny_model

HEADER = tuple(range(5, 45))
ROWS = [
    ((*HEADER, 60, 61), (7, 8, 9)),
    ((*HEADER, 60, 61), (7, 3)),
    ((*HEADER, 60, 61), (2,)),
    ((*HEADER, 70), (7, 8, 9)),
    (HEADER[:30], (1, 2)),
    ((90, 91), (4,)),
]


def read(policy: HFPolicy, shares: bool) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    policy.shares_starts = shares
    logprobs, mask = policy.token_logprobs(ROWS)
    weight = torch.arange(1.0, 1.0 + mask.numel()).view(mask.shape)
    gradients = torch.autograd.grad((logprobs * weight * mask).sum(), list(policy.parameters()))
    return logprobs.detach(), mask, list(gradients)


def tokens_read(policy: HFPolicy, shares: bool) -> int:
    """Tokens that go through the model."""
    seen: list[int] = []

    def note(_module: object, _args: object, kwargs: dict[str, Any]) -> None:
        seen.append(kwargs["input_ids"].numel())

    hook = policy.model.register_forward_pre_hook(note, with_kwargs=True)
    read(policy, shares)
    hook.remove()
    return sum(seen)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("limit", [512, 46])
def test_what_is_shared_is_read_once_and_gives_the_same(
    attention: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reading, "SHORT", limit)
    policy = tiny_policy(temperature=1.5)
    policy.model.set_attn_implementation(attention)
    apart, together = read(policy, shares=False), read(policy, shares=True)
    assert torch.equal(apart[1], together[1])
    torch.testing.assert_close(together[0], apart[0], atol=1e-5, rtol=1e-5)
    assert any(gradient.abs().max() > 1e-2 for gradient in apart[2])
    for one, other in zip(together[2], apart[2], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    if limit == 512:
        # The header 60 61 and their answers 7 8 | 3, the 70 and 7 8, a row that ends with the 30th token, two more.
        assert tokens_read(policy, shares=True) == 40 + 2 + 1 + 1 + 1 + 2 + 1 + 2
    assert tokens_read(policy, shares=False) == 6 * 45


def test_rows_with_little_in_common_stay_padded() -> None:
    device = torch.device("cpu")
    assert worthy_trees(ROWS[4:], device) is not None  # not for what they share: for the padding
    assert worthy_trees([((1,) * 9, (4,)), ((5,) * 9, (8,))], device) is None
    assert worthy_trees(ROWS[:1], device) is None and worthy_trees([((), (4,)), ((), (5,))], device) is None


def test_only_models_that_tell_places_by_positions_read_what_is_shared_once() -> None:
    small: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 1}
    assert can_share(tiny_model()[0])
    # Bloom counts distances in the mask, and a window counts places.
    assert not can_share(BloomForCausalLM(BloomConfig(n_head=2, **small)))
    window = {"intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": 8}
    assert not can_share(MistralForCausalLM(MistralConfig(**small, **window)))


def test_tokens_asked_of_the_same_position_add_up_there() -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    at, ids, weight = torch.tensor([2, 0, 2, 2]), torch.tensor([1, 4, 1, 3]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    plain = torch.autograd.grad(((logits / 2).log_softmax(1)[at, ids] * weight).sum(), logits)[0]
    found = selected_logprobs(logits, ids, 2.0, chunk=2, at=at)
    torch.testing.assert_close(found, (logits / 2).log_softmax(1)[at, ids])
    torch.testing.assert_close(torch.autograd.grad((found * weight).sum(), logits)[0], plain)
