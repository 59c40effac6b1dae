"""LoRA folded into the base for rollouts, which then cost what the base model costs.

The merged matrices stand beside the base, never in its place: folding in and out of bf16 weights would lose bits at
every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from memrl.policies.loading import lora_layers


class MergedWeights:
    """``W + (alpha / r) B A`` of every adapted layer, made when first needed after a change."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._layers = lora_layers(model)
        self._merged: list[Tensor] | None = None

    def forget(self) -> None:
        """The LoRA weights changed."""
        self._merged = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model computes with merged weights and without adapters; afterwards it is as before."""
        if self._merged is None:
            self._merged = [_merge(layer) for layer in self._layers]
        bases = [layer.get_base_layer().weight for layer in self._layers]
        originals = [base.data for base in bases]
        try:
            for base, merged in zip(bases, self._merged, strict=True):
                base.data = merged
            with self._model.disable_adapter():
                yield
        finally:
            for base, original in zip(bases, originals, strict=True):
                base.data = original


def fold_in(model: Any) -> None:
    """Replace the base's matrices by the merged ones, for good: the bits that rollouts compute with."""
    for layer in lora_layers(model):
        layer.get_base_layer().weight.data = _merge(layer)


def _merge(layer: Any) -> Tensor:
    base = layer.get_base_layer().weight.data
    with torch.inference_mode(False), torch.no_grad():
        return (base.float() + layer.get_delta_weight("default").float()).to(base.dtype)
