"""The start that all prompts share, read once for each version of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch

from memrl.policies.growing_cache import ROOM, spread

Ids = tuple[int, ...]


def common_start(sequences: Sequence[Sequence[int]]) -> Ids:
    """The longest start that all sequences have; empty for none."""
    start: list[int] = []
    for tokens in zip(*sequences, strict=False):
        if len(set(tokens)) > 1:
            break
        start.append(tokens[0])
    return tuple(start)


def keeps_places(model: Any) -> bool:
    """Whether a model tells tokens apart by their positions alone, so that padding may stand in the middle.

    A sliding window counts places in the cache, and a recurrent state cannot pass over padding.
    """
    config = model.config.get_text_config()
    return getattr(config, "sliding_window", None) is None and not getattr(model, "_is_stateful", False)


class FrozenPrefix:
    """Keys and values of a fixed start of prompts.

    ``ids`` is chosen once and never from a batch, so that what a model computes for a prompt does not depend on its
    neighbours, nor on what was asked before a run was resumed.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self._cache: Any = None

    def begins(self, prompt: Sequence[int]) -> bool:
        """Whether the prompt begins with it and goes on."""
        return 0 < len(self.ids) < len(prompt) and tuple(prompt[: len(self.ids)]) == self.ids

    def forget(self) -> None:
        """The weights changed."""
        self._cache = None

    def cache(self, model: Any, batch: int, device: torch.device, room: int = ROOM) -> Any:
        """A key-value cache of ``batch`` rows that holds the prefix, with room for ``room`` more tokens in place."""
        if self._cache is None:
            ids = torch.tensor([self.ids], device=device)
            self._cache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
        rows = deepcopy(self._cache)
        spread(rows, torch.zeros(batch, dtype=torch.long, device=device), room)
        return rows
