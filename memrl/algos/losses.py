"""Losses of the joint learner: pure functions on tensors.

Shapes: D decisions, C candidate ops (padded), R rows of tokens, A sampled tokens (padded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Clipped(NamedTuple):
    """A clipped objective, and how often the clip bound."""

    loss: Tensor
    """Same shape as the log-ratio; to be weighted and summed by the caller."""
    clipped: Tensor
    """Boolean, where the gradient was cut off."""


def clipped_surrogate(
    logprob: Tensor, old_logprob: Tensor, advantage: Tensor, clip_low: float, clip_high: float
) -> Clipped:
    """PPO's pessimistic surrogate, ``-min(r A, clip(r, 1-low, 1+high) A)``, element by element.

    Schulman et al. 2017 (arXiv:1707.06347), with the asymmetric range of DAPO (arXiv:2503.14476).
    """
    ratio = (logprob - old_logprob).exp()
    bounded = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    plain, safe = ratio * advantage, bounded * advantage
    return Clipped(loss=-plain.minimum(safe), clipped=(safe < plain) & (ratio != bounded))


def truncated_surrogate(logprob: Tensor, behaviour_logprob: Tensor, advantage: Tensor, cap: float) -> Clipped:
    """``-min(w, cap) A log p`` with ``w = p / p_behaviour`` held constant: a policy gradient for stale samples.

    Importance weights cut from above keep the variance bounded and bias only the overlong ones (Ionides 2008; the
    per-token form of V-trace, arXiv:1802.01561). Unlike a clipped ratio it still learns from tokens that moved far.
    """
    weight = (logprob.detach() - behaviour_logprob).exp()
    return Clipped(loss=-weight.clamp(max=cap) * advantage * logprob, clipped=weight > cap)


def kl_to_reference(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """``r - 1 - log r`` with ``r = p_ref / p`` at the sampled token: never negative, its mean under p is KL(p, p_ref).

    The k3 estimator (Schulman 2020, "Approximating KL divergence"), as in GRPO (arXiv:2402.03300, eq. 4).
    """
    gap = reference_logprob - logprob
    return gap.exp() - 1.0 - gap


def masked_log_softmax(logits_DC: Tensor, mask_DC: Tensor) -> Tensor:
    """Log-probabilities over the candidates that exist; the others get a very low finite value.

    Finite, because ``-inf`` times a zero probability would put a NaN into the entropy's gradient.
    """
    return logits_DC.masked_fill(~mask_DC, -1e9).log_softmax(dim=-1)


def entropy(logprobs_DC: Tensor, mask_DC: Tensor) -> Tensor:
    """Shannon entropy of each decision in nats, shape [D]."""
    terms = logprobs_DC.exp() * logprobs_DC
    return -terms.masked_fill(~mask_DC, 0.0).sum(dim=-1)


def answer_loss(logprobs_RA: Tensor, mask_RA: Tensor, weight_R: Tensor | float) -> Tensor:
    """``-sum_R w_R log p(answer_R)``, the weighted maximum likelihood of answers that are known; a scalar.

    Equal weights of ``1 / R`` give the mean over answers, of ``1 / tokens`` the mean over tokens, and ``1 / (R A_r)``
    the mean over answers of each one's mean over its own tokens.
    """
    return -((logprobs_RA * mask_RA).sum(dim=1) * weight_R).sum()


def preference_loss(margin_D: Tensor, reference_margin_D: Tensor, beta: float) -> Tensor:
    """``-mean_D log sigmoid(beta (m - m_ref))`` with m the log-probability of the better less that of the worse.

    DPO (Rafailov et al. 2023, arXiv:2305.18290, eq. 7).
    """
    from torch.nn.functional import logsigmoid

    return -logsigmoid(beta * (margin_D - reference_margin_D)).mean()
