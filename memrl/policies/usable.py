"""Whether a loaded model can be a policy here, found out before anything is trained: one line where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError, ModelError, PromptTooLong

WAY_OUT = "name a causal LM of dense attention layers, such as one of `memrl models list`"


def refused(name: str, reason: object) -> ModelError:
    """The line for a model that cannot be used, without what follows in the error of a library."""
    text = str(reason).strip().partition("\n")[0].partition(". ")[0].rstrip(".") or type(reason).__name__
    return ModelError(f"policy.model = {name!r}: {text}; {WAY_OUT}")


def check_layers(layers: list[Any], name: str) -> None:
    """Every adapted layer is a plain matrix of floats, which LoRA can be folded into.

    Args:
        layers: those that carry an adapter.
        name: of the model, for messages.

    Raises:
        ModelError: a layer is not (experts in one block, quantised weights), or there is none.
    """
    if not layers:
        raise refused(name, "it has no linear layer that could carry an adapter")
    for layer in layers:
        base = layer.get_base_layer()
        weight = getattr(base, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.dim() != 2 or not weight.is_floating_point():
            raise refused(
                name, f"its {type(base).__name__} layers hold no plain weight matrix that LoRA is folded into"
            )


def check_reading(model: Any, name: str) -> None:
    """It reads a padded batch as play does, and leaves keys and values for the tokens that follow.

    Raises:
        ModelError: it does not.
    """
    device = next(model.parameters()).device
    mask = torch.tensor([[1, 1], [0, 1]], device=device)
    ids = torch.zeros_like(mask)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    try:
        # As play reads, LoRA folded into the base: apart, a bf16 base and fp32 LoRA would need autocast.
        with torch.inference_mode(), model.disable_adapter():
            out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError, NotImplementedError) as error:
        raise refused(name, f"it cannot read a batch of prompts ({type(error).__name__}: {error})") from error
    cache = getattr(out, "past_key_values", None)
    if not all(getattr(layer, "keys", None) is not None for layer in getattr(cache, "layers", [None])):
        raise refused(name, f"{type(model.get_base_model()).__name__} keeps no keys and values of what it has read")


def context_length(model: Any) -> int | None:
    """Tokens that the model can read at once, answer included; None where its config names no limit."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len")]
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def check_context(config: PolicyConfig, context: int | None, read_budget: int, frame: int) -> None:
    """A full view and an answer fit the model's context.

    Args:
        context: tokens that the model can read at once, None for no limit.
        read_budget: tokens of memory in view at most.
        frame: tokens of the prompt around an empty view.

    Raises:
        ConfigError: they do not.
    """
    if context is None or read_budget + frame + config.max_new_tokens <= context:
        return
    most = context - frame - config.max_new_tokens
    way_out = (
        f"with the frame ({frame} tokens) and policy.max_new_tokens = {config.max_new_tokens} it exceeds the context "
        f"of policy.model = {config.model!r}, {context} tokens; "
        + (f"give at most {most}" if most > 0 else "lower both")
    )
    raise ConfigError("memory.read_budget", read_budget, way_out)


def check_prompts(config: PolicyConfig, context: int | None, prompts: Sequence[Sequence[int]]) -> None:
    """Prompts as they came out fit the model's context: observations have no budget of their own.

    Raises:
        PromptTooLong: one does not.
    """
    longest = max(map(len, prompts), default=0)
    if context is not None and longest + config.max_new_tokens > context:
        raise PromptTooLong(config.model, longest, config.max_new_tokens, context)
