"""Keys and values in memory with room for more: a new token is written in place, and the past is not copied for it."""

# transformers says that keys and values of a layer may be None; they are tensors once it is initialised.
# pyright: reportArgumentType=false, reportOptionalSubscript=false, reportOptionalMemberAccess=false

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

# Shapes: W rows, H key-value heads, C tokens, D numbers of a head.

ROOM = 64
"""Tokens by which a layer grows when it is full."""


class GrowingLayer(DynamicLayer):
    """A ``DynamicLayer`` whose ``keys`` and ``values`` [W, H, C, D] are the filled parts of larger tensors.

    Stock layers concatenate, which copies all that is held for every token. Everything that the stock layer does by
    replacing its tensors (cropping, selecting rows) works here too; the next token then makes new room.
    """

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._rooms: tuple[Tensor, Tensor] | None = None

    def fill(self, keys: Tensor, values: Tensor, rows: Tensor, room: int) -> None:
        """Hold these rows of given keys and values, with room for ``room`` more tokens. They are copied once."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        made = [_with_room(held, len(rows), room) for held in (keys, values)]
        filled = [whole[:, :, : held.shape[2]] for whole, held in zip(made, (keys, values), strict=True)]
        for part, held in zip(filled, (keys, values), strict=True):
            torch.index_select(held, 0, rows, out=part) if len(held) > 1 else part.copy_(held.expand_as(part))
        self.keys, self.values = filled
        self._rooms = made[0], made[1]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **named: Any) -> tuple[Tensor, Tensor]:
        """Write the new tokens [W, H, new, D] behind those that are held; returns all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        if not start:
            self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        if not self._has_room(end):
            rows = torch.arange(len(key_states), device=key_states.device)
            self.fill(self.keys, self.values, rows, end - start + ROOM)
        key_room, value_room = self._rooms
        key_room[:, :, start:end] = key_states
        value_room[:, :, start:end] = value_states
        self.keys, self.values = key_room[:, :, :end], value_room[:, :, :end]
        return self.keys, self.values

    def move_rows(self, into: Tensor, out_of: Tensor, count: int) -> None:
        """Copy some rows over others and keep the first ``count``: no other row is touched."""
        for held in (self.keys, self.values):
            held[into] = held[out_of]
        self.keys, self.values = self.keys[:count], self.values[:count]
        if self._rooms is not None:
            self._rooms = self._rooms[0][:count], self._rooms[1][:count]

    def _has_room(self, end: int) -> bool:
        """Whether what is held lies in the rooms, and they reach to token ``end``."""
        if self._rooms is None or self._rooms[0].shape[2] < end:
            return False
        inside = self.keys.data_ptr() == self._rooms[0].data_ptr() and len(self.keys) == len(self._rooms[0])
        return inside and self.keys.stride() == self._rooms[0].stride()


def _with_room(held: Tensor, rows: int, room: int) -> Tensor:
    return held.new_empty(rows, held.shape[1], held.shape[2] + room, held.shape[3])


def is_plain(cache: Any) -> bool:
    """Whether every layer keeps the keys and values of all tokens, and nothing else."""
    return bool(_layers(cache)) and all(_plain(layer) for layer in _layers(cache))


def grows(cache: Any) -> bool:
    """Whether every layer writes new tokens in place already."""
    return bool(_layers(cache)) and all(type(layer) is GrowingLayer for layer in _layers(cache))


def spread(cache: Any, rows: Tensor, room: int) -> None:
    """Make the cache one of the given rows, in that order, each copied once, with room for ``room`` more tokens.

    Layers of another kind (sliding windows, recurrent states) select their rows and go on as they do.
    """
    for index, layer in enumerate(_layers(cache)):
        if _plain(layer) and layer.is_initialized:
            cache.layers[index] = grown = GrowingLayer()
            grown.fill(layer.keys, layer.values, rows, room)
        else:
            layer.batch_select_indices(rows)


def close_gaps(cache: Any, order: Tensor, into: Tensor, out_of: Tensor) -> None:
    """Keep the rows ``order``: the first ones, but that the rows ``out_of`` stand ``into`` the places of others."""
    for layer in _layers(cache):
        if type(layer) is GrowingLayer and layer.is_initialized:
            layer.move_rows(into, out_of, len(order))
        else:
            layer.batch_select_indices(order)


def _layers(cache: Any) -> list[Any]:
    """A cache of an older make selects rows as a whole: it counts as its own only layer."""
    return getattr(cache, "layers", [cache])


def _plain(layer: Any) -> bool:
    return type(layer) in (DynamicLayer, GrowingLayer)
