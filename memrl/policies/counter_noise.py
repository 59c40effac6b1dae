"""Random numbers without a state: each is a pure function of a seed, a position and a counter.

SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) in 64-bit integer
arithmetic that every torch device computes exactly, so that a whole batch is drawn at once and a row's numbers are the
same on any device and in any batch. The seed's first output seeds the row, the row's output number ``position`` seeds
the place, and the place's output number ``counter`` is the number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Shapes: R rows, C counters of a row.

_STEP = 0x9E3779B97F4A7C15
_BITS = 52
"""Of a uniform number. With one more, the last would round to 1."""


def row_keys(seeds: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """[R] one key a seed, by its low 64 bits."""
    return _scrambled(torch.tensor([_signed(seed + _STEP) for seed in seeds], dtype=torch.int64, device=device))


def place_keys(keys_R: Tensor, position: int) -> Tensor:
    """[R] one key for each row at a position of its text, counted from 0."""
    return _scrambled(keys_R + _signed((position + 1) * _STEP))


def hashes(places_R: Tensor, counters: Tensor) -> Tensor:
    """[R, C] 64 bits for each row and counter, as int64. ``counters`` is [C], or [R, C] where rows have their own."""
    return _scrambled(places_R[:, None] + (counters + 1) * _signed(_STEP))


def uniform(places_R: Tensor, counters: Tensor) -> Tensor:
    """[R, C] numbers in (0, 1), never 0 and never 1, in fp64."""
    top = (hashes(places_R, counters) >> (64 - _BITS)) & ((1 << _BITS) - 1)  # torch shifts the sign in
    return (top.double() + 0.5) * 2.0**-_BITS


def gumbel(places_R: Tensor, counters: Tensor) -> Tensor:
    """[R, C] standard Gumbel numbers, in fp64: the largest of ``log p + gumbel`` is a sample of ``p``."""
    return -(-uniform(places_R, counters).log()).log()


def _scrambled(z: Tensor) -> Tensor:
    """SplitMix64's finaliser; products wrap round as they do in C."""
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, by: int) -> Tensor:
    """To the right, zeros coming in."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    """The int64 with the same low 64 bits."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
