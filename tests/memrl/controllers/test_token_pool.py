"""Texts by their tokens: features are the best of each column, subjects the tokens by their salience."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memory_stores.embed import HashEmbedder
from memory_stores.token_vectors import token_encoder
from memrl.contracts.errors import ConfigError
from memrl.contracts.texts import TextTable
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.controllers.token_pool import MATCH, SCALE, SIGNS, Bag, TokenBank, TokenPool, signs

TEXTS = ("Ana put the lantern in the attic.", "The lantern!", "", "Ben saw a goat near the old mill today.")


def by_token() -> TextTable:
    embedder = HashEmbedder(16)
    table = TextTable(embedder)
    table.by_token(token_encoder(embedder))  # pyright: ignore[reportArgumentType]
    return table


def scorer(table: TextTable) -> Scorer:
    return Scorer(table, ScorerOptions(width=0, hidden=8, features=6, heads=2), seed=0, names=("one",))


def test_a_feature_is_the_best_of_its_column_and_a_text_without_tokens_has_none():
    pool = TokenPool(2, 2, 0)
    with torch.no_grad():
        pool.detect.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    vectors = torch.tensor([[0, 0], [0.5, -0.25], [0.25, 0.75], [0, 0]], dtype=torch.float16)
    found = pool(Bag(vectors, torch.tensor([0, 1, 2, 0]), torch.tensor([3, 1])))
    assert found.tolist() == [[0.5 * SCALE, 0.25 * SCALE], [0.0, 0.0]]


def test_what_two_texts_have_in_common_is_the_cosine_of_their_tokens_by_salience():
    pool = TokenPool(2, 1, 1)
    with torch.no_grad():
        pool.salience.weight.copy_(torch.tensor([[np.log(3.0) / SCALE, 0.0]]))
    one, other = signs(torch.tensor([5, 9])).unbind(0)
    # Salience: the first token of each text weighs three times as much as the second.
    vectors = torch.tensor([[0, 0], [1, 0], [0, 1], [0, 0], [1, 0]], dtype=torch.float16)
    texts = pool(Bag(vectors, torch.tensor([0, 5, 9, 0, 5]), torch.tensor([3, 2])))
    mixed = 3 * one + other
    expected = float(mixed @ one / mixed.norm())
    texts = torch.cat([texts, texts.new_zeros(1, texts.shape[1])])
    rows = torch.tensor([[0, 2, 1], [1, 0, 0]])
    *_, read, written, best, missing = pool.compare(rows, texts)
    assert torch.equal(best, read) and missing.flatten().tolist() == [0.0, 0.0]
    *_, best, missing = pool.compare(torch.tensor([[0, 2, 2], [0, 2, 1], [0, 2, 0]]), texts, torch.tensor([3]))
    assert best.flatten().tolist() == pytest.approx([MATCH, MATCH, MATCH])
    assert missing.flatten().tolist() == pytest.approx([0.0, MATCH * (1 - expected), 0.0], abs=1e-6)
    assert read.flatten().tolist() == pytest.approx([MATCH * expected, MATCH * expected])
    assert written.flatten().tolist() == pytest.approx([0.0, MATCH])  # no new text; a text and itself


def test_signs_are_unit_vectors_that_tell_ids_apart():
    found = signs(torch.arange(400))
    assert found[0].abs().sum() == 0
    products = found[1:] @ found[1:].T
    assert torch.allclose(products.diagonal(), torch.ones(399))
    apart = products[~torch.eye(399, dtype=torch.bool)]
    assert abs(float(apart.mean())) < 0.01
    assert float(apart.std()) == pytest.approx(1 / SIGNS**0.5, rel=0.1)
    assert float(apart.abs().max()) < 0.8


def test_a_bank_gives_the_tokens_of_rows_in_any_order_and_follows_a_trim():
    table = by_token()
    table.add(TEXTS)
    bank = TokenBank(table)
    assert bank.take(np.array([1, 0, 2])).lengths.tolist() == [3, 8, 1]
    alone = bank.take(np.array([3]))
    table.trim(1)
    again = bank.take(np.array([0]))
    assert torch.equal(alone.vectors, again.vectors) and torch.equal(alone.ids, again.ids)


def test_a_text_is_projected_to_the_same_bits_whatever_stands_beside_it():
    few, many = by_token(), by_token()
    few.add([TEXTS[3]])
    many.add([*(f"word {i} {i + 1}" for i in range(50)), *TEXTS])
    one, other = scorer(few)._projected(), scorer(many)._projected()
    assert torch.equal(one[few.row(TEXTS[3])], other[many.row(TEXTS[3])])


def test_every_weight_of_the_tokens_learns():
    table = by_token()
    table.add(TEXTS)
    one = scorer(table)
    one.bump()
    rows = torch.tensor([[0, -1, -1], [0, 0, 1], [3, 3, 0], [3, -1, 1]])
    logprobs, _ = one.logprobs(rows, torch.ones(4, 1), torch.tensor([2, 2]))
    logprobs[:, 0].sum().backward()
    tokens = one.net.tokens
    assert tokens is not None
    for weight in tokens.parameters():
        assert weight.grad is not None and bool(weight.grad.abs().sum() > 0)


def test_rarity_counts_each_text_of_training_once_and_stands_still_in_play():
    table = by_token()
    table.add(TEXTS)
    one = scorer(table)
    tokens = one.net.tokens
    assert tokens is not None
    [lantern, ana] = (1 + int(table.tokens([word])[0].ids[0]) for word in ("lantern", "Ana"))
    ids = torch.tensor([lantern, ana])
    assert tokens.rarity(ids).tolist() == [0.0, 0.0]
    one.bump()  # six texts: two words were added above
    assert tokens.rarity(ids).tolist() == pytest.approx(np.log([7 / 4, 7 / 3]).tolist())
    table.trim(2)
    one.bump()
    table.add(["No lamp at all."])
    one._projected()
    assert float(tokens.num_seen) == 6
    again = scorer(table)
    again.load_state_dict(one.state_dict())
    again.bump()
    assert again.net.tokens is not None and float(again.net.tokens.num_seen) == 7


def test_heads_without_features_are_refused():
    with pytest.raises(ConfigError, match=r"controller\.options\.features"):
        ScorerOptions(heads=2)
