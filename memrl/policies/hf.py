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

from memrl.algos.lengths import like_length
from memrl.contracts.config import PolicyConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ModelError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Observation, Task, TokenDecision, ViewLine
from memrl.policies.constrained import Rule, allowed_logprobs, write_under
from memrl.policies.frozen_prefix import common_start, keeps_places
from memrl.policies.hf_sampler import HFSampler
from memrl.policies.loading import add_lora, load_model, trainable_attention
from memrl.policies.merging import fold_in
from memrl.policies.rendering import make_renderer, text_ends
from memrl.policies.sampling import Drawn, pad_left
from memrl.policies.selected import selected_logprobs
from memrl.policies.shared_reading import can_share, shared_logprobs, worthy_trees
from memrl.policies.usable import check_context, check_prompts, context_length

# Shapes: R rows, A sampled tokens of the longest, V vocabulary.

Ids = tuple[int, ...]


def _unlike(question: str, *lines: str) -> SampleRequest:
    observation = Observation(id="", step=0, content=question, wants_action=True, writable=False)
    view = tuple(ViewLine(line, "", "token", "") for line in lines)
    return SampleRequest(
        task=Task(env="", theta=None, seed=0), observation=observation, view=view, memory_hash="", seed=0
    )


_UNLIKE = (_unlike("Who slept?", "Ana slept."), _unlike("do they?", "zebras run"), _unlike("?"))
"""Views and questions with nothing in common: what their prompts begin with, all do."""


class HFPolicy:
    """A causal LM with LoRA weights in fp32 on a base that stays as it is.

    Log-probabilities are those of the distribution that was sampled: softmax of ``logits / temperature``.

    Args:
        model: a transformers model in place of ``config.model``; its ``tokenizer`` then goes with it.
        seed: of the LoRA initialisation.

    Raises:
        ModelError: the model cannot be found or loaded.
        ConfigError: no such device, or the chat layout with a tokenizer that has no chat template.
    """

    writes_freely = True

    def __init__(self, config: PolicyConfig, *, seed: int = 0, model: Any = None, tokenizer: Any = None) -> None:
        base, self.tokenizer = load_model(config, seed) if model is None else (model, _checked(tokenizer))
        self._config = config
        self.renderer = make_renderer(self.tokenizer, config, text_ends(self.tokenizer, base))
        self.model = add_lora(base, config, seed)
        self.version = 0
        self._device = next(self.model.parameters()).device
        self._reference: list[Tensor] | None = None
        self.shares_starts = can_share(base)
        keeps = keeps_places(base)
        prefix = self._start() if keeps else ()
        self.sampler = HFSampler(self.model, self.renderer, config, prefix, keeps_places=keeps)
        self.context_length = context_length(base)
        self.count_tokens = lru_cache(maxsize=200_000)(self._count)

    @property
    def chat(self) -> bool:
        """Whether prompts go through the tokenizer's chat template."""
        return self._config.prompt == "chat"

    def _count(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def check_view(self, read_budget: int) -> None:
        """Raises ConfigError where a full view, its frame and an answer are longer than the model's context."""
        frame = len(self.renderer.render(_unlike("")).ids)
        check_context(self._config, self.context_length, read_budget, frame)

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One sampled (or greedy) answer a request, by the sampler beside this model."""
        return self.sampler.sample(requests)

    def rest(self) -> None:
        """A play begins or is over."""
        self.sampler.rest()

    def encode(self, prompts: Sequence[str]) -> list[Ids]:
        """Token ids of prompts, with whatever special tokens the tokenizer puts in front."""
        told = self.renderer.encode(prompts)
        check_prompts(self._config, self.context_length, told)
        return told

    def _start(self) -> Ids:
        """What all prompts begin with."""
        return common_start([prompt.ids for prompt in self.renderer.render_all(_UNLIKE)])

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, A] of sampled tokens with gradients, and the mask of those that exist.

        Rows are padded on the left, so all sampled tokens stand at the right end and the LM head sees only them; where
        they begin alike, what they share is read once (``shared_reading.py``).
        """
        width = max(len(action) for _, action in rows)
        lengths = torch.tensor([len(action) for _, action in rows], device=self._device)
        mask = torch.arange(width, device=self._device)[None, :] < lengths[:, None]
        trees = worthy_trees(rows, self._device) if self.shares_starts else None
        if trees is not None:
            with self._autocast():
                return shared_logprobs(self.model, trees, rows, self._config.temperature), mask
        inputs = pad_left([[*prompt, *action] for prompt, action in rows], self._device)
        length = inputs["input_ids"].shape[1]
        keep = torch.arange(length - width - 1, length - 1, device=self._device)
        with self._autocast(), trainable_attention(self.model, length):
            logits = self.model(**inputs, logits_to_keep=keep, use_cache=False).logits
        targets = inputs["input_ids"][:, -width:]
        chosen = selected_logprobs(logits.flatten(0, 1), targets.flatten(), self._config.temperature).view_as(targets)
        # Right-aligned to left-aligned, as the learner keeps what was sampled.
        places = torch.arange(width, device=self._device)[None, :] + (width - lengths)[:, None]
        return chosen.gather(1, places.clamp(max=width - 1)) * mask, mask

    def text_ids(self, text: str) -> Ids:
        """Token ids of a piece of text in the middle of another, without special tokens."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def write_under(self, prompt: Sequence[int], rule: Rule, seed: int) -> Drawn:
        """Write one text of which every token is allowed by ``rule``; log-probabilities are among the allowed."""
        with torch.inference_mode(), self.sampler.merged():
            return write_under(self.model, prompt, rule, seed, self._config.temperature)

    def allowed_logprobs(
        self, prompt: Sequence[int], ids: Sequence[int], allowed: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities [A] of a text that ``write_under`` wrote after ``prompt``, entropies [A] of its choices.

        Both with gradients, over the allowed tokens alone; 0 where a token was forced.
        """
        inputs = pad_left([[*prompt, *ids]], self._device)
        length = inputs["input_ids"].shape[1]
        keep = torch.arange(length - len(ids) - 1, length - 1, device=self._device)
        with self._autocast(), trainable_attention(self.model, length):
            logits = self.model(**inputs, logits_to_keep=keep, use_cache=False).logits
        return allowed_logprobs(logits[0], ids, allowed, self._config.temperature)

    def answer_rows(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """Token ids of each request's prompt, and of a given answer to it with its stop token."""
        prompts = self.renderer.render_all(requests)
        return [
            (prompt.ids, self.renderer.completion(request, answer))
            for prompt, request, answer in zip(prompts, requests, answers, strict=True)
        ]

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        """Log-probability of each given answer, its stop token included, after its request's prompt. No gradients."""
        rows = self.answer_rows(requests, answers)
        found: dict[int, float] = {}
        with torch.inference_mode():
            for batch in like_length([len(prompt) + len(ids) for prompt, ids in rows], self._config.batch_tokens):
                logprobs_RA, _ = self.token_logprobs([rows[i] for i in batch])
                found.update(zip(batch, logprobs_RA.sum(1).tolist(), strict=True))
        return [found[i] for i in range(len(rows))]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trained ones."""
        return (p for p in self.model.parameters() if p.requires_grad)

    def bump(self) -> None:
        """The weights changed: what was answered before is stale."""
        self.version += 1
        self.sampler.sync({}, self.version)

    def _autocast(self) -> Any:
        """bf16 arithmetic for the fp32 LoRA matrices of a bf16 base; nothing for an fp32 one."""
        low = self.model.dtype is torch.bfloat16
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=low)

    def freeze_reference(self) -> None:
        """Keep the LoRA weights as they are: RL starts here."""
        self._reference = [p.detach().clone() for p in self.parameters()]

    @contextmanager
    def reference(self) -> Iterator[None]:
        """The weights that ``freeze_reference`` kept, else the base model without LoRA: for a KL."""
        if self._reference is None:
            with self.model.disable_adapter():
                yield
            return
        own = list(self.parameters())
        now = [p.data for p in own]
        try:
            for p, kept in zip(own, self._reference, strict=True):
                p.data = kept
            yield
        finally:
            for p, weight in zip(own, now, strict=True):
                p.data = weight

    def state_dict(self) -> dict[str, Any]:
        """The LoRA weights and their version; those of ``reference`` as well once there are any."""
        trained = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        kept = {} if self._reference is None else {"reference": [weight.clone() for weight in self._reference]}
        return {"lora": trained, "version": self.version, **kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up LoRA weights and version.

        Raises:
            ModelError: the weights are of another rank or another model; nothing was loaded.
        """
        own = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        given = {name: value.shape for name, value in state["lora"].items()}
        if given != {name: p.shape for name, p in own.items()}:
            raise ModelError(
                f"policy.lora_rank = {self._config.lora_rank}: the saved LoRA weights are of another rank or another "
                "model; load them with the policy config that they were trained with"
            )
        with torch.no_grad():
            for name, value in state["lora"].items():
                own[name].copy_(value)
        kept = state.get("reference")
        self._reference = None if kept is None else [weight.to(self._device, copy=True) for weight in kept]
        self.bump()
        self.version = int(state["version"])

    def save_pretrained(self, folder: Path) -> None:
        """The LoRA adapter in peft's own format, with the tokenizer."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def merged_model(self) -> Any:
        """The model with its LoRA folded in, as it plays: a plain transformers model. This policy is then spent."""
        fold_in(self.model)
        return self.model.unload()


def _checked(tokenizer: Any) -> Any:
    if tokenizer is None:
        raise ValueError("HFPolicy(model=...) needs its tokenizer as well: pass tokenizer=")
    return tokenizer


def _make(context: PolicyContext) -> HFPolicy:
    return HFPolicy(context.config, seed=context.seed)


register("policy", "hf", _make)
