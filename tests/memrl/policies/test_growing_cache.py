"""A cache that writes in place holds what the stock cache holds, and moves nothing that it need not move."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from transformers import DynamicCache, LlamaConfig
from transformers.cache_utils import DynamicLayer

from memrl.policies.frozen_prefix import FrozenPrefix
from memrl.policies.growing_cache import ROOM, GrowingLayer, close_gaps, grows, is_plain, spread
from memrl.policies.tiny import tiny_model


def states(rows: int, tokens: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, tokens, 4, generator=generator), torch.randn(rows, 2, tokens, 4, generator=generator)


def filled(rows: int = 3, tokens: int = 5, layers: int = 2) -> DynamicCache:
    cache = DynamicCache(config=LlamaConfig(num_hidden_layers=layers))
    for index in range(layers):
        cache.update(*states(rows, tokens, index), index)
    return cache


def same(one: DynamicLayer, other: DynamicLayer) -> None:
    assert torch.equal(one.keys, other.keys) and torch.equal(one.values, other.values)
    assert one.get_seq_length() == other.get_seq_length()


CHANGES: dict[str, Callable[[DynamicLayer], object]] = {
    "nothing": lambda layer: None,
    "select": lambda layer: layer.batch_select_indices(torch.tensor([2, 0, 1])),
    "repeat": lambda layer: layer.batch_repeat_interleave(1),
    "reorder": lambda layer: layer.reorder_cache(torch.tensor([1, 1, 0])),
    "crop": lambda layer: layer.crop(-2),
    "reset": lambda layer: layer.reset(),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_it_holds_what_the_stock_layer_holds(change: str):
    stock, ours = DynamicLayer(), GrowingLayer()
    for step, tokens in enumerate((7, 1, ROOM + 9, 1)):
        returned = [layer.update(*states(3, tokens, step)) for layer in (stock, ours)]
        assert all(torch.equal(a, b) for a, b in zip(*returned, strict=True))
        same(ours, stock)
        for layer in (stock, ours):
            CHANGES[change](layer)
    for layer in (stock, ours):
        layer.update(*states(3, 2, 9))
    same(ours, stock)


def test_tokens_are_written_behind_the_others_without_moving_them():
    layer = GrowingLayer()
    layer.update(*states(3, 40))
    places = {(layer.keys.data_ptr(), layer.values.data_ptr())}
    for step in range(ROOM):
        layer.update(*states(3, 1, step))
        places.add((layer.keys.data_ptr(), layer.values.data_ptr()))
    assert len(places) == 1 and layer.get_seq_length() == 40 + ROOM
    layer.update(*states(3, 1))
    assert layer.keys.data_ptr() not in {keys for keys, _ in places}


def test_rows_spread_as_they_are_selected_with_the_room_that_was_asked_for():
    cache, stock, rows = filled(), filled(), torch.tensor([1, 1, 2, 0])
    spread(cache, rows, room=3)
    stock.batch_select_indices(rows)
    assert grows(cache) and not grows(stock) and is_plain(stock)
    for one, other in zip(cache.layers, stock.layers, strict=True):
        same(one, other)
    before = cache.layers[0].keys.data_ptr()
    for step in range(3):
        cache.update(*states(4, 1, step), 0)
    assert cache.layers[0].keys.data_ptr() == before


@pytest.mark.parametrize("growing", [True, False])
def test_gaps_close_by_moving_only_what_fills_them(growing: bool):
    cache, stock = filled(rows=6), filled(rows=6)
    if growing:
        spread(cache, torch.arange(6), room=2)
    # Rows 1 and 2 have ended: the last two take their places.
    order, into, out_of = torch.tensor([0, 5, 4, 3]), torch.tensor([1, 2]), torch.tensor([5, 4])
    first = cache.layers[0].keys.data_ptr()
    close_gaps(cache, order, into, out_of)
    stock.batch_select_indices(order)
    for index, (one, other) in enumerate(zip(cache.layers, stock.layers, strict=True)):
        same(one, other)
        for layers in (cache, stock):
            layers.update(*states(4, 1, 8), index)
        same(one, other)
    assert (cache.layers[0].keys.data_ptr() == first) is growing


def test_a_cache_with_a_sliding_window_is_not_plain_and_selects_as_it_does():
    config = LlamaConfig(num_hidden_layers=2)
    config.layer_types, config.sliding_window = ["full_attention", "sliding_attention"], 4
    cache = DynamicCache(config=config)
    for index in range(2):
        cache.update(*states(3, 9, index), index)
    stock, rows = deepcopy(cache), torch.tensor([2, 0])
    spread(cache, rows, room=5)
    stock.batch_select_indices(rows)
    assert not is_plain(cache) and not grows(cache)
    for one, other in zip(cache.layers, stock.layers, strict=True):
        same(one, other)


def test_caches_of_a_prefix_have_nothing_in_common():
    model, _ = tiny_model()
    prefix = FrozenPrefix((5, 6, 7, 8))
    with torch.no_grad():
        one, other = (prefix.cache(model, batch, torch.device("cpu")) for batch in (2, 3))
        expected = model(input_ids=torch.tensor([[5, 6, 7, 8]] * 3), use_cache=True).past_key_values
    for layer in one.layers:
        layer.keys.zero_()
    for layer, plain in zip(other.layers, expected.layers, strict=True):
        assert torch.allclose(layer.keys, plain.keys, atol=1e-6) and torch.allclose(
            layer.values, plain.values, atol=1e-6
        )
