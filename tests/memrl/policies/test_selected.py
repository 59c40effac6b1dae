"""Log-probabilities in chunks against torch's own, value and gradient."""

import pytest
import torch

from memrl.policies.selected import selected_logprobs


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_value_and_gradient_are_those_of_log_softmax(chunk: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(7, 11, generator=generator) * 4).requires_grad_()
    ids = torch.randint(11, (7,), generator=generator)
    weight = torch.randn(7, generator=generator)
    plain = (logits / temperature).log_softmax(1).gather(1, ids[:, None]).squeeze(1)
    (expected,) = torch.autograd.grad((plain * weight).sum(), logits)
    ours = selected_logprobs(logits, ids, temperature, chunk)
    (got,) = torch.autograd.grad((ours * weight).sum(), logits)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(got, expected)


def test_two_equal_logits_are_a_coin() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    value = selected_logprobs(logits, torch.tensor([1]))
    value.sum().backward()
    assert value.item() == pytest.approx(-0.6931472)
    assert logits.grad is not None and logits.grad.tolist() == [[-0.5, 0.5]]


def test_the_gradient_comes_in_the_dtype_of_the_logits() -> None:
    logits = torch.zeros(2, 4, dtype=torch.bfloat16, requires_grad=True)
    value = selected_logprobs(logits, torch.tensor([0, 3]))
    value.sum().backward()
    assert value.dtype is torch.float32
    assert logits.grad is not None and logits.grad.dtype is torch.bfloat16
