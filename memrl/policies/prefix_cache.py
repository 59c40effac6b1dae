"""Prompts that were read lately: one that begins like one of them is read on from where they part.

    prompt ─ longest start that is held ─> its keys and values + the rest, which the model reads

The questions of an episode stand over a memory that changes by an entry or not at all, so most of a prompt was read for
the question before. As in vLLM's automatic prefix caching, starts are found by a chain of hashes over whole blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from memrl.policies.growing_cache import GrowingLayer, is_plain

# Shapes: P prompts, L layers, H key-value heads, S tokens held, D numbers of a head.

Ids = tuple[int, ...]
BLOCK = 8
"""Tokens; fewer in common are not worth a look."""
WORTH = 16
"""Tokens that a prompt must have in common with another to be read after it: a pass of its own has its price."""


class Start(NamedTuple):
    """What is held of a prompt's start."""

    length: int
    """Tokens; always fewer than the prompt has, as the last must be read to know what follows."""
    states: Tensor | None
    """[L, 2, H, S, D] keys and values, S at least ``length``; None for nothing."""


NOTHING = Start(0, None)


class PrefixCache:
    """Keys and values of whole prompts, the least recently used ones dropped first.

    What a model computes after a held start differs from a whole reading in the last bits, so it must be emptied
    wherever a run can be resumed (``rest``).

    Args:
        limit: bytes that are held at the most; 0 for none.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._held: OrderedDict[Ids, Tensor] = OrderedDict()
        self._by_chain: dict[int, Ids] = {}

    def __len__(self) -> int:
        """Prompts held."""
        return len(self._held)

    @property
    def holds(self) -> bool:
        """Whether it may hold anything."""
        return self._limit > 0

    def forget(self) -> None:
        """The weights changed, or nobody will ask on."""
        self._held.clear()
        self._by_chain.clear()
        self._used = 0

    def longest(self, prompt: Ids) -> Start:
        """The longest start of a prompt that is held, give or take a block."""
        found: Ids | None = None
        for link in _chain(prompt):
            held = self._by_chain.get(link)
            if held is None:
                break
            found = held
        if found is None:
            return NOTHING
        length = min(_common(found, prompt), len(prompt) - 1)
        if length < BLOCK:
            return NOTHING
        self._held.move_to_end(found)
        return Start(length, self._held[found])

    def keep(self, prompts: Sequence[Ids], mask_PS: Tensor, cache: Any) -> None:
        """Hold what the model has read of these prompts; layers of another make than plain ones are not held."""
        shapes = {layer.keys.shape for layer in cache.layers} if self._limit and is_plain(cache) else set()
        if len(shapes) != 1 or sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) > self._limit:
            return
        states = torch.stack([torch.stack([layer.keys, layer.values]) for layer in cache.layers])
        for i, prompt in enumerate(prompts):
            self._hold(prompt, states[:, :, i][:, :, :, mask_PS[i].bool()])

    def _hold(self, prompt: Ids, states: Tensor) -> None:
        if prompt in self._held:
            self._held.move_to_end(prompt)
            return
        self._held[prompt] = states
        self._used += states.nbytes
        self._by_chain.update(dict.fromkeys(_chain(prompt), prompt))
        while self._used > self._limit:
            self._drop(*self._held.popitem(last=False))

    def _drop(self, prompt: Ids, states: Tensor) -> None:
        self._used -= states.nbytes
        for link in _chain(prompt):
            if self._by_chain.get(link) == prompt:
                del self._by_chain[link]


def past_of(starts: Sequence[Start], room: int) -> tuple[Any, Tensor]:
    """A cache of P rows that holds these starts, ending at the same place, with room for more; its mask [P, S].

    All starts must hold something.
    """
    held = [start.states for start in starts if start.states is not None]
    width = max(start.length for start in starts)
    layers, two, heads, _, size = held[0].shape
    states = held[0].new_zeros(layers, two, len(starts), heads, width, size)
    mask_PS = torch.zeros(len(starts), width, dtype=torch.long, device=states.device)
    for i, (start, own) in enumerate(zip(starts, held, strict=True)):
        states[:, :, i, :, width - start.length :] = own[:, :, :, : start.length]
        mask_PS[i, width - start.length :] = 1
    rows = torch.arange(len(starts), device=states.device)
    cache = DynamicCache()
    for keys, values in states:
        cache.layers.append(layer := GrowingLayer())
        layer.fill(keys, values, rows, room)
    return cache, mask_PS


def first_of_each(prompts: Sequence[Ids], starts: Sequence[Start]) -> list[int]:
    """Indices of prompts of which no two begin alike for ``WORTH`` tokens more than is held of the later one: those to
    be read before the others, which then find more."""
    claimed: set[int] = set()
    found: list[int] = []
    for i, (prompt, start) in enumerate(zip(prompts, starts, strict=True)):
        links = _chain(prompt)
        new = links[-(-(start.length + WORTH) // BLOCK) - 1 :]
        if not new or new[0] not in claimed:
            found.append(i)
            claimed.update(links)
    return found


def _chain(prompt: Ids) -> list[int]:
    """A number for the start of every whole block. Two starts may share one: tokens are compared afterwards."""
    links: list[int] = []
    link = 0
    for end in range(BLOCK, len(prompt) + 1, BLOCK):
        link = hash((link, prompt[end - BLOCK : end]))
        links.append(link)
    return links


def _common(one: Ids, other: Ids) -> int:
    """How many tokens two prompts have in common from their start."""
    for i, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return i
    return min(len(one), len(other))
