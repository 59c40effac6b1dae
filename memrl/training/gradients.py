"""Gradients of the parts of a loss: each clipped by its own norm, then added, so that a loud one silences nobody."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Gradients:
    """The sum of what the parts have given so far, in one optimiser step.

    Beside the sum only one part's gradient exists at a time; where one part acts, nothing is copied.

    Args:
        parameters: all that may be given a gradient; their ``grad`` is empty between two parts.
        max_norm: of one part's gradient, over all parameters together.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], max_norm: float) -> None:
        self._parameters, self._max_norm = parameters, max_norm
        self._sums: dict[nn.Parameter, Tensor] = {}
        self.broken: list[str] = []
        """Parts whose gradient was not finite."""
        for parameter in parameters:
            parameter.grad = None

    def take(self, part: str) -> float | None:
        """Clip and add what ``part`` left in ``grad``, and empty that. Its norm before; None if it left nothing."""
        touched = [parameter for parameter in self._parameters if parameter.grad is not None]
        if not touched:
            return None
        norm = nn.utils.get_total_norm([p.grad for p in touched if p.grad is not None])
        if not bool(torch.isfinite(norm)):
            self.broken.append(part)
        nn.utils.clip_grads_with_norm_(touched, self._max_norm, norm)
        for parameter in touched:
            assert parameter.grad is not None
            held = self._sums.get(parameter)
            self._sums[parameter] = parameter.grad if held is None else held.add_(parameter.grad)
            parameter.grad = None
        return norm.item()

    def put(self) -> None:
        """Hand the sums to the optimiser."""
        for parameter, held in self._sums.items():
            parameter.grad = held
