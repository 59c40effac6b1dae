"""Requests and small policies for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from memrl.contracts.config import PolicyConfig
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import Observation, Task, ViewLine
from memrl.policies.hf import HFPolicy

TASK = Task(env="toy", theta=None, seed=0)


def ask(
    question: str = "Where is the lantern?", lines: Sequence[str] = (), *, seed: int = 0, greedy: bool = False
) -> SampleRequest:
    view = tuple(ViewLine(text, f"t{i}", "token", f"o{i}") for i, text in enumerate(lines))
    observation = Observation(id="q0", step=9, content=question, wants_action=True, writable=False)
    return SampleRequest(task=TASK, observation=observation, view=view, memory_hash="h", seed=seed, greedy=greedy)


def tiny_policy(*, stirred: bool = True, **knobs: Any) -> HFPolicy:
    """A random tiny model in fp32, its LoRA away from zero if ``stirred``."""
    policy = HFPolicy(PolicyConfig(**({"model": "tiny", "dtype": "float32", "lora_rank": 4} | knobs)), seed=3)
    if stirred:
        stir(policy)
    return policy


def stir(policy: HFPolicy, seed: int = 5) -> None:
    """Other LoRA weights, as after an update."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    policy.bump()


def plain_logprobs(policy: HFPolicy, prompt: Sequence[int], action: Sequence[int]) -> list[float]:
    """By one unpadded forward pass over the whole row, at the policy's own temperature 1."""
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*prompt, *action]])).logits[0]
    logprobs = logits.float().log_softmax(-1)
    return [logprobs[len(prompt) + i - 1, token].item() for i, token in enumerate(action)]


@contextmanager
def forward_shapes(policy: HFPolicy) -> Iterator[list[tuple[int, int]]]:
    """Collects the shape (rows, tokens) of whatever the model reads meanwhile."""
    shapes: list[tuple[int, int]] = []
    embedding = policy.model.get_input_embeddings()
    hook = embedding.register_forward_pre_hook(lambda _module, inputs: shapes.append(tuple(inputs[0].shape)))
    try:
        yield shapes
    finally:
        hook.remove()


def prompt_reads(shapes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those passes that read prompts: up to nine siblings' answers go through the model side by side."""
    return [shape for shape in shapes if shape[1] > 9]
