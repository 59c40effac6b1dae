"""The clipped surrogate and the candidates' softmax, by hand."""

import math
from math import exp, log

import pytest
import torch

from memrl.algos.losses import (
    answer_loss,
    clipped_surrogate,
    entropy,
    kl_to_reference,
    masked_log_softmax,
    preference_loss,
    truncated_surrogate,
)


def test_on_policy_the_surrogate_is_minus_the_advantage():
    zero = torch.zeros(2)
    out = clipped_surrogate(zero, zero, torch.tensor([2.0, -1.0]), 0.2, 0.28)
    assert out.loss.tolist() == [-2.0, 1.0]
    assert not out.clipped.any()


def test_a_ratio_above_the_upper_bound_earns_no_more():
    logprob = torch.tensor([math.log(1.5)], requires_grad=True)
    out = clipped_surrogate(logprob, torch.zeros(1), torch.ones(1), 0.2, 0.28)
    out.loss.sum().backward()
    assert math.isclose(out.loss.item(), -1.28, rel_tol=1e-6)
    assert logprob.grad.item() == 0.0 and out.clipped.item()


def test_a_bad_choice_made_likelier_is_punished_in_full():
    logprob = torch.tensor([math.log(1.5)])
    out = clipped_surrogate(logprob, torch.zeros(1), -torch.ones(1), 0.2, 0.28)
    assert math.isclose(out.loss.item(), 1.5, rel_tol=1e-6) and not out.clipped.item()


def test_missing_candidates_take_no_probability():
    mask = torch.tensor([[True, True, False]])
    logprobs = masked_log_softmax(torch.tensor([[0.0, 0.0, 9.0]]), mask)
    torch.testing.assert_close(logprobs.exp(), torch.tensor([[0.5, 0.5, 0.0]]))
    torch.testing.assert_close(entropy(logprobs, mask), torch.tensor([math.log(2)]))


def test_a_masked_softmax_has_finite_gradients():
    logits = torch.tensor([[1.0, -1.0, 0.0]], requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    entropy(masked_log_softmax(logits, mask), mask).sum().backward()
    assert torch.isfinite(logits.grad).all() and logits.grad[0, 2] == 0


def test_a_stale_sample_weighs_its_ratio_up_to_the_cap():
    logprob = torch.tensor([math.log(0.4), math.log(0.9)], requires_grad=True)
    behaviour = torch.log(torch.tensor([0.2, 0.1]))
    found = truncated_surrogate(logprob, behaviour, torch.tensor([1.0, 1.0]), cap=3.0)
    found.loss.sum().backward()
    assert logprob.grad is not None
    torch.testing.assert_close(logprob.grad, torch.tensor([-2.0, -3.0]))  # ratios 2 and 9
    assert found.clipped.tolist() == [False, True]


def test_on_policy_truncation_and_clipping_pull_alike():
    old = torch.tensor([-0.5, -1.5])
    pulls = []
    for loss in (
        lambda lp: truncated_surrogate(lp, old, torch.tensor([0.3, -0.7]), 2.0).loss,
        lambda lp: clipped_surrogate(lp, old, torch.tensor([0.3, -0.7]), 0.2, 0.28).loss,
    ):
        logprob = old.clone().requires_grad_()
        pulls.append(torch.autograd.grad(loss(logprob).sum(), logprob)[0])
    torch.testing.assert_close(*pulls)


def test_the_kl_estimate_is_right_on_average_and_never_negative():
    p, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.25, 0.25])
    each = kl_to_reference(p.log(), reference.log())
    torch.testing.assert_close((p * each).sum(), (p * (p / reference).log()).sum())
    assert (each >= 0).all()


def test_the_likelihood_of_answers_under_each_of_its_three_means():
    logprobs = torch.tensor([[-1.0, -2.0, -9.0], [-6.0, -9.0, -9.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert answer_loss(logprobs, mask, 1 / 2).item() == pytest.approx((3 + 6) / 2)  # over answers
    assert answer_loss(logprobs, mask, 1 / mask.sum()).item() == pytest.approx((3 + 6) / 3)  # over tokens
    weight = 1 / (2 * mask.sum(1))
    assert answer_loss(logprobs, mask, weight).item() == pytest.approx((1.5 + 6) / 2)  # over answers of their tokens


def test_a_preference_is_log_two_at_its_reference_and_falls_with_the_margin():
    reference = torch.tensor([0.5, -0.5])
    assert preference_loss(reference, reference, 2.0).item() == pytest.approx(log(2))
    apart = preference_loss(reference + torch.tensor([1.0, -1.0]), reference, 2.0)
    assert apart.item() == pytest.approx((log(1 + exp(-2.0)) + log(1 + exp(2.0))) / 2)
    assert preference_loss(torch.tensor([-200.0]), torch.tensor([0.0]), 1.0).item() == pytest.approx(200.0)
