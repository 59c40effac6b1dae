"""A model named in the config to a model in memory: weights, dtype, device, LoRA, stop tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from memory_stores.embed import cpu_computes_bf16
from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError, ModelError
from memrl.policies.adapters import is_adapter, load_adapter
from memrl.policies.models import resolve
from memrl.policies.tiny import tiny_model
from memrl.policies.usable import check_layers, check_reading, refused

SHORT = 512
"""Tokens of the longest row for which attention scores are kept on a CPU."""


def load_model(config: PolicyConfig, seed: int = 0) -> tuple[Any, Any]:
    """The causal LM and its tokenizer, in the dtype and on the device that the config asks for.

    Raises:
        ModelError: no such model, a folder without weights, or an adapter whose base is not found.
    """
    device = pick_device(config.device)
    if config.model == "tiny":
        model, tokenizer = tiny_model(seed)
        return model.to(device, pick_dtype(config.dtype if config.dtype != "auto" else "float32", device)), tokenizer
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if is_adapter(config.model):
        model, tokenizer = load_adapter(config.model, lambda base: load_model(replace(config, model=base), seed))
        return model.to(device), tokenizer
    source = resolve(config.model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=pick_dtype(config.dtype, device))
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        way_out = "name one of `memrl models list`, a folder with config.json and weights, or a reachable hub id"
        raise ModelError(f"policy.model = {config.model!r}: {reason}; {way_out}") from error
    return model.to(device), tokenizer


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: torch cannot compute on that device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError("policy.device", name, "torch cannot use it here; use auto, cpu or cuda") from error


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bf16 where the hardware gains by it, else fp32."""
    if name != "auto":
        return getattr(torch, name)
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_computes_bf16()
    return torch.bfloat16 if fast else torch.float32


def add_lora(model: Any, config: PolicyConfig, seed: int) -> Any:
    """LoRA in fp32 on every linear layer but the LM head.

    Adapters on the attention projections alone read the same lessons markedly worse: 0.80 against 0.88 of the held-out
    questions after 100 steps of 16.
    """
    from peft import LoraConfig, get_peft_model

    state = torch.get_rng_state()
    torch.manual_seed(seed)
    knobs = LoraConfig(
        r=config.lora_rank, lora_alpha=2 * config.lora_rank, lora_dropout=0.0, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    try:
        peft_model = get_peft_model(model, knobs)
    except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise refused(config.model, error) from error
    finally:
        torch.set_rng_state(state)
    check_layers(lora_layers(peft_model), config.model)
    for layer in lora_layers(peft_model):
        # Otherwise peft copies every activation to fp32 and back; under autocast only the small matrices are cast.
        layer.cast_input_dtype_enabled = model.dtype is torch.float32
    model.get_output_embeddings().register_forward_pre_hook(_contiguous)
    peft_model.eval()
    check_reading(peft_model, config.model)
    return peft_model


def lora_layers(model: Any) -> list[Any]:
    """Every linear layer that carries an adapter."""
    from peft.tuners.lora import LoraLayer

    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def _contiguous(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    # A strided slice against a frozen weight makes torch copy the whole LM head once per row.
    return (inputs[0].contiguous(), *inputs[1:])


@contextmanager
def trainable_attention(model: Any, width: int) -> Iterator[None]:
    """Plain matrix products for the attention of short bf16 rows on a CPU.

    torch's fused CPU kernel takes several times as long backwards in bf16, not in fp32 (`benchmarks/learner.py`). The
    plain one keeps the scores, whose memory grows with the square of ``width``, so long rows keep the fused one.
    """
    usual = model.config._attn_implementation
    slow = model.device.type == "cpu" and model.dtype is torch.bfloat16 and torch.is_grad_enabled()
    plain = slow and usual == "sdpa" and width <= SHORT
    if plain:
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if plain:
            model.set_attn_implementation(usual)
