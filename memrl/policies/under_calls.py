"""A transformers model under ``Calls``: sampled one answer at a time, with probabilities among what is allowed.

Slower than free sampling, which reads and decodes in batches; a token without alternative costs nothing but being read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from memrl.policies.call_rule import Allowed, CallRule, Ids, Spelling
from memrl.policies.rendering import line_breaks
from memrl.policies.sampling import Drawn, draw

# Shapes: V vocabulary, A sampled tokens.
_BLANK = str.maketrans({"Ġ": " ", "▁": " "})


def spelling_of(tokenizer: Any, ids: Callable[[str], Ids], stops: Sequence[int], chat: bool) -> Spelling:
    """How a model's tokens spell calls: each after a blank, the first of a chat answer without one."""
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values(), *line_breaks(tokenizer), *stops}
    words = {i: token.translate(_BLANK) for token, i in tokenizer.get_vocab().items() if i not in special}
    told = {i: word for i, word in words.items() if any(sign.isalnum() for sign in word)}
    return Spelling(
        ids=lambda text: ids(f" {text}"),
        first=ids if chat else lambda text: ids(f" {text}"),
        stops=frozenset(stops),
        opens=frozenset(i for i, word in told.items() if word.startswith(" ")),
        blanks=frozenset(i for i, word in words.items() if word == " "),
        bare=frozenset(i for i, word in told.items() if not word.startswith(" ")),
    )


def write_calls(
    model: Any, prompt: Ids, rule: CallRule, stops: frozenset[int], seed: int | None, temperature: float
) -> Drawn:
    """One answer to its end; nothing where the rule allows nothing.

    Args:
        seed: None takes the likeliest token at every place.
    """
    device = next(model.parameters()).device
    ids: list[int] = []
    logprobs: list[float] = []
    unread, cache = list(prompt), None
    while len(ids) < rule.most and not (ids and ids[-1] in stops):
        allowed = rule.allowed()
        if allowed.only is not None and not allowed.only:
            break
        if allowed.only is not None and len(allowed.only) == 1:
            [token], logprob = allowed.only, 0.0
        else:
            rows = torch.tensor([unread], device=device)
            out = model(input_ids=rows, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, unread = out.past_key_values, []
            drawn, told = draw(_among(out.logits[:, -1].float() / temperature, [allowed]), [seed], len(ids))
            token, logprob = int(drawn[0]), float(told[0])
        rule.say(token)
        ids.append(token)
        logprobs.append(logprob)
        unread.append(token)
    return Drawn(tuple(ids), tuple(logprobs))


def called_logprobs(logits_AV: Tensor, ids: Sequence[int], rule: CallRule | None, temperature: float) -> Tensor:
    """[A] ``log_softmax(logits / temperature)`` among what was allowed at each place, with gradients; no rule
    allows all."""
    among = logits_AV.float() / temperature
    if rule is not None:
        among = _among(among, list(rule.along(ids)))
    return among.log_softmax(1).gather(1, torch.tensor(ids, device=among.device)[:, None]).squeeze(1)


def _among(logits_AV: Tensor, allowed_A: Sequence[Allowed]) -> Tensor:
    """Logits, minus infinity where a token is not allowed."""
    out = torch.zeros(logits_AV.shape, dtype=torch.bool)
    for line, allowed in zip(out, allowed_A, strict=True):
        if allowed.only is None:
            line[sorted(allowed.but)] = True
        else:
            line[:] = True
            line[sorted(allowed.only)] = False
    return logits_AV.masked_fill(out.to(logits_AV.device), -torch.inf)
