"""Any transformers causal LM as the policy: answers in batches, learns through LoRA.

    requests ─ render, encode ─> equal prompts read once ─> decode a few tokens ─> TokenDecision (ids and logprobs)
    rows of ids ────────────────> logprobs with gradients, LM head on the sampled positions only ─────> the learner

Sampled ids go to the loss as they are; nothing is decoded and encoded again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from memrl.config import PolicyConfig
from memrl.policies.loading import add_lora, load_model, stop_tokens
from memrl.policies.merging import MergedWeights
from memrl.policies.prompts import parse_answer, render_prompt
from memrl.policies.sampling import Drawn, decode, pad_left, read_prompts
from memrl.protocols import PolicyRequest
from memrl.types import TokenDecision

# Shapes: R rows, A sampled tokens of the longest, V vocabulary.

Ids = tuple[int, ...]


class HFPolicy:
    """A causal LM with LoRA weights in fp32 on a base that stays as it is.

    Log-probabilities are those of the distribution that was sampled: softmax of ``logits / temperature``.

    Args:
        model: a transformers model in place of ``config.model``; its ``tokenizer`` then goes with it.
        seed: of the LoRA initialisation.
    """

    def __init__(self, config: PolicyConfig, *, seed: int = 0, model: Any = None, tokenizer: Any = None) -> None:
        base, self.tokenizer = load_model(config, seed) if model is None else (model, _checked(tokenizer))
        self._config = config
        self.model = add_lora(base, config, seed)
        self.version = 0
        self._device = next(self.model.parameters()).device
        self._stops = stop_tokens(self.tokenizer, base)
        self._greedy: dict[Ids, Drawn] = {}
        self._merged = MergedWeights(self.model)
        self.count_tokens = lru_cache(maxsize=200_000)(self._count)

    def _count(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def act(self, requests: Sequence[PolicyRequest]) -> list[TokenDecision]:
        """One sampled (or greedy) answer a request. A sample depends on its request's seed, not on its neighbours."""
        prompts = self.encode([self._prompt(request) for request in requests])
        todo = [i for i, r in enumerate(requests) if not (r.greedy and prompts[i] in self._greedy)]
        drawn = self._draw([prompts[i] for i in todo], [requests[i] for i in todo])
        answers = dict(zip(todo, drawn, strict=True))
        for i, answer in answers.items():
            if requests[i].greedy:
                self._greedy[prompts[i]] = answer
        return [
            self._decision(request, prompt, answers[i] if i in answers else self._greedy[prompt])
            for i, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
        ]

    def encode(self, prompts: Sequence[str]) -> list[Ids]:
        """Token ids of prompts, with whatever special tokens the tokenizer puts in front."""
        special = self._config.prompt == "plain"
        return [tuple(ids) for ids in self.tokenizer(list(prompts), add_special_tokens=special)["input_ids"]]

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, A] of sampled tokens with gradients, and the mask of those that exist.

        Rows are padded on the left, so all sampled tokens stand at the right end and the LM head sees only them.
        """
        width = max(len(action) for _, action in rows)
        inputs = pad_left([[*prompt, *action] for prompt, action in rows], self._device)
        with self._autocast():
            logits = self.model(**inputs, logits_to_keep=width + 1, use_cache=False).logits[:, :-1]
        logprobs = (logits.float() / self._config.temperature).log_softmax(dim=-1)
        targets = inputs["input_ids"][:, -width:]
        chosen = logprobs.gather(2, targets[..., None]).squeeze(2)
        # Right-aligned to left-aligned, as the learner keeps what was sampled.
        lengths = torch.tensor([len(action) for _, action in rows], device=self._device)
        places = torch.arange(width, device=self._device)[None, :] + (width - lengths)[:, None]
        mask = torch.arange(width, device=self._device)[None, :] < lengths[:, None]
        return chosen.gather(1, places.clamp(max=width - 1)) * mask, mask

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trained ones."""
        return (p for p in self.model.parameters() if p.requires_grad)

    def bump(self) -> None:
        """The weights changed: what was answered before is stale."""
        self.version += 1
        self._greedy.clear()
        self._merged.forget()

    def _autocast(self) -> Any:
        """bf16 arithmetic for the fp32 LoRA matrices of a bf16 base; nothing for an fp32 one."""
        low = self.model.dtype is torch.bfloat16
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=low)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """LoRA switched off: the base model, for a KL."""
        with self.model.disable_adapter():
            yield

    def state_dict(self) -> dict[str, Any]:
        trained = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        return {"lora": trained, "version": self.version}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in state["lora"].items():
                own[name].copy_(value)
        self.bump()
        self.version = int(state["version"])

    def save_pretrained(self, folder: Path) -> None:
        """The LoRA adapter in peft's own format, with the tokenizer."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _prompt(self, request: PolicyRequest) -> str:
        plain = render_prompt(request)
        if self._config.prompt == "plain":
            return plain
        messages = [{"role": "user", "content": plain}]
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def _draw(self, prompts: Sequence[Ids], requests: Sequence[PolicyRequest]) -> list[Drawn]:
        """Read every distinct prompt once, then decode all who share it."""
        wanted: dict[Ids, list[int]] = {}
        for i, prompt in enumerate(prompts):
            wanted.setdefault(prompt, []).append(i)
        drawn: dict[int, Drawn] = {}
        with torch.inference_mode(), self._merged.in_place():
            for batch in read_prompts(self.model, list(wanted), self._config.batch_tokens, self._device):
                askers = [(k, i) for k, prompt in enumerate(batch.prompts) for i in wanted[prompt]]
                # One greedy answer serves all who ask the same.
                seeds = [None if requests[i].greedy else requests[i].seed for _, i in askers]
                answers = decode(self.model, batch, [k for k, _ in askers], seeds, self._config, self._stops)
                drawn.update((i, answer) for (_, i), answer in zip(askers, answers, strict=True))
        return [drawn[i] for i in range(len(prompts))]

    def _decision(self, request: PolicyRequest, prompt: Ids, drawn: Drawn) -> TokenDecision:
        text = self.tokenizer.decode(drawn.ids, skip_special_tokens=True)
        return TokenDecision(
            actor="policy",
            action=parse_answer(text),
            memory_hash=request.memory_hash,
            prompt_ids=prompt,
            action_ids=drawn.ids,
            logprobs=drawn.logprobs,
        )


def _checked(tokenizer: Any) -> Any:
    if tokenizer is None:
        raise ValueError("HFPolicy(model=...) needs its tokenizer as well: pass tokenizer=")
    return tokenizer
