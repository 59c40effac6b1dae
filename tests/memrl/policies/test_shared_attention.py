"""The plain products give what the fused kernel gives, also where they are not used."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from memrl.policies.shared_attention import NAME, attend, shared_attention
from memrl.policies.tiny import tiny_model


@pytest.mark.parametrize(("heads", "new"), [(2, 3), (6, 1), (6, 3)])
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_it_attends_as_the_fused_kernel_does(heads: int, new: int, scaling: float | None):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(4, n, t, 8, generator=generator) for n, t in ((heads, new), (2, 11), (2, 11)))
    mask = torch.zeros(4, 1, new, 11).masked_fill(torch.rand(4, 1, new, 11, generator=generator) < 0.4, -1e30)
    mask[..., 0] = 0
    module: Any = nn.Module()
    module.num_key_value_groups = heads // 2
    ours, _ = attend(module, query, key, value, mask, scaling=scaling)
    fused, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, mask, scaling=scaling)
    torch.testing.assert_close(ours, fused)


def test_two_tokens_by_hand():
    # Scores 0 and log 3, so weights 1/4 and 3/4, for two query heads that share one head of keys.
    query = torch.ones(1, 2, 2, 1)
    key, value = torch.tensor([0.0, 3.0]).log().clamp(min=0).view(1, 1, 2, 1), torch.tensor([4.0, 8.0]).view(1, 1, 2, 1)
    mask = torch.tensor([[0.0, 0.0], [0.0, -torch.inf]]).view(1, 1, 2, 2)
    mixed, _ = attend(nn.Module(), query, key, value, mask, scaling=1.0)
    assert mixed.flatten().tolist() == pytest.approx([7.0, 7.0, 4.0, 4.0])


def test_a_soft_cap_is_not_passed_over():
    key = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ValueError, match="softcap"):
        attend(nn.Module(), torch.zeros(1, 2, 2, 4), key, key, torch.zeros(1, 1, 2, 2), softcap=30.0)


def test_the_model_gets_its_own_attention_back_also_after_an_error():
    model, _ = tiny_model()
    with pytest.raises(RuntimeError), shared_attention(model):
        assert model.config._attn_implementation == NAME
        raise RuntimeError
    assert model.config._attn_implementation == "sdpa"
    model.set_attn_implementation("eager")
    with shared_attention(model):
        assert model.config._attn_implementation == "eager"
