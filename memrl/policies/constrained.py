"""Writing under a rule: at every place only the tokens that the rule allows can be sampled.

The probabilities are the model's own, normalised over what is allowed, so a token without alternative has log 1 = 0
and costs nothing but being read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from memrl.algos.losses import masked_log_softmax
from memrl.policies.counter_noise import gumbel, place_keys, row_keys
from memrl.policies.sampling import Drawn

# Shapes: V vocabulary, N positions.

Rule = Callable[[Sequence[int]], Sequence[int]]
"""Tokens written so far -> tokens that may come next; none where the text is complete."""


def write_under(model: Any, prompt: Sequence[int], rule: Rule, seed: int, temperature: float) -> Drawn:
    """Sample one text to its end. Tokens that are forced are read together with the next choice, in one pass."""
    device = next(model.parameters()).device
    ids: list[int] = []
    logprobs: list[float] = []
    unread, cache = list(prompt), None
    while allowed := list(rule(ids)):
        if len(allowed) == 1:
            token, logprob = allowed[0], 0.0
        else:
            out = model(
                input_ids=torch.tensor([unread], device=device), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
            cache, unread = out.past_key_values, []
            token, logprob = _pick(out.logits[0, -1].float() / temperature, allowed, seed, len(ids))
        ids.append(token)
        logprobs.append(logprob)
        unread.append(token)
    return Drawn(tuple(ids), tuple(logprobs))


def _pick(logits_V: Tensor, allowed: list[int], seed: int, position: int) -> tuple[int, float]:
    """One allowed token by the Gumbel-max trick, and its log-probability among the allowed.

    A token's noise goes by its id, so the order in which a rule lists its tokens does not matter.
    """
    ids = torch.tensor(allowed, device=logits_V.device)
    logprobs = logits_V[ids].log_softmax(0).double()
    noise = gumbel(place_keys(row_keys([seed], ids.device), position), ids)[0]
    i = int((logprobs + noise).argmax())
    return allowed[i], float(logprobs[i])


def allowed_logprobs(
    logits_NV: Tensor, ids_N: Sequence[int], allowed_N: Sequence[Sequence[int]], temperature: float
) -> tuple[Tensor, Tensor]:
    """[N] ``log_softmax(logits / temperature)`` over each place's allowed tokens, at the token written there; and
    [N] the entropy of that choice.

    Only places with a choice are looked at; both are 0 at the others. Gradients flow into the logits.
    """
    chosen_N, entropy_N = (logits_NV.new_zeros(len(ids_N), dtype=torch.float32) for _ in range(2))
    places = [n for n, allowed in enumerate(allowed_N) if len(allowed) > 1]
    if not places:
        return chosen_N, entropy_N
    device, width = logits_NV.device, max(len(allowed_N[n]) for n in places)
    table = torch.tensor([[*allowed_N[n], *[allowed_N[n][0]] * (width - len(allowed_N[n]))] for n in places])
    exists = (torch.arange(width)[None, :] < torch.tensor([len(allowed_N[n]) for n in places])[:, None]).to(device)
    choice = torch.tensor([list(allowed_N[n]).index(ids_N[n]) for n in places], device=device)
    at = torch.tensor(places, device=device)
    scores = logits_NV[at].gather(1, table.to(device)).float() / temperature
    logprobs = masked_log_softmax(scores, exists)
    entropy = -(logprobs.exp() * logprobs * exists).sum(1)
    chosen = logprobs.gather(1, choice[:, None]).squeeze(1)
    return chosen_N.index_put((at,), chosen), entropy_N.index_put((at,), entropy)
