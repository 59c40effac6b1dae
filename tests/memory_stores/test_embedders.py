"""HashEmbedder: unit rows, the same everywhere. MiniLM: marked slow, as it reads its weights."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from memory_stores import HashEmbedder, MiniLM
from memory_stores.embed import gains_by_bf16
from memory_stores.token_vectors import MiniLMTokens, token_encoder


def test_rows_have_unit_length_and_do_not_depend_on_their_neighbours():
    embedder = HashEmbedder(32)
    rows = embedder.embed(["the red key", "Ana", "the red key"])
    assert rows.shape == (3, 32) and rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert (rows[0] == rows[2]).all()
    assert (embedder.embed(["Ana"])[0] == rows[1]).all()
    assert embedder.embed([]).shape == (0, 32)


def test_case_and_punctuation_do_not_matter_but_word_order_does():
    one, same, other = HashEmbedder().embed(["Ana met Bob", "ANA met, Bob!", "Bob met Ana"])
    assert (one == same).all()
    assert not (one == other).all()
    assert float(one @ other) > 0


def test_a_text_without_words_is_the_zero_vector():
    assert not HashEmbedder().embed(["?!"]).any()


def test_another_process_gives_the_same_vectors():
    code = "from memory_stores import HashEmbedder; print(HashEmbedder(8).embed(['the red key']).tolist())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(HashEmbedder(8).embed(["the red key"]).tolist())


def test_a_width_below_one_is_an_error():
    with pytest.raises(ValueError, match=r"HashEmbedder.dim must be at least 1, got 0"):
        HashEmbedder(0)


@pytest.mark.slow
def test_minilm_puts_like_meanings_near():
    model = MiniLM()
    cat, kitten, tax = model.embed(["a cat sleeps", "a kitten naps", "the tax law changed"])
    assert cat.shape == (model.dim,)
    assert float(cat @ kitten) > float(cat @ tax) + 0.2
    assert model.embed([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("cpuinfo", "gains"),
    [
        ("vendor_id : GenuineIntel\nflags : fma avx512f avx512_bf16 amx_tile amx_bf16", True),
        ("vendor_id : AuthenticAMD\nflags : fma avx512f avx512_bf16", True),
        ("vendor_id : GenuineIntel\nflags : fma avx512f avx512_bf16", False),
        ("vendor_id : AuthenticAMD\nflags : fma avx2", False),
    ],
)
def test_bf16_is_taken_only_where_it_is_the_faster_one(cpuinfo: str, gains: bool):
    assert gains_by_bf16(cpuinfo) is gains


@pytest.mark.slow
def test_minilm_gives_the_tokens_of_the_layer_asked_for_and_the_same_whole_text():
    model, text = MiniLM(), "Ana put the lantern in the attic."
    last, middle = (token_encoder(model, layer=layer) for layer in (6, 3))
    assert last is not None and middle is not None
    one, other = last.encode([text]), middle.encode(["A first text.", text])
    assert np.array_equal(one.vectors[0], other.vectors[1])
    assert np.array_equal(one.tokens[0].ids, other.tokens[1].ids)
    assert one.tokens[0].vectors.shape == other.tokens[1].vectors.shape == (len(one.tokens[0].ids), 384)
    likeness = np.vecdot(one.tokens[0].vectors.astype(np.float32), other.tokens[1].vectors.astype(np.float32))
    assert likeness.max() < 0.95


@pytest.mark.slow
def test_all_of_one_path_share_their_weights_whoever_reads_and_whatever_layer():
    one, other = MiniLM(), MiniLM()
    assert one.model is other.model
    texts = [f"Ana put lantern {n} in the attic." for n in range(12)]
    alone = {layer: MiniLMTokens(one, layer).encode(texts) for layer in (3, 6)}
    vectors = one.embed(texts)
    with ThreadPoolExecutor(6) as pool:
        readers = [MiniLMTokens(other, layer) for layer in (3, 6, 3, 6)]
        read = list(pool.map(lambda reader: reader.encode(texts), readers))
        embedded = list(pool.map(other.embed, [texts] * 4))
    for found, layer in zip(read, (3, 6, 3, 6), strict=True):
        assert (found.vectors == alone[layer].vectors).all()
        pairs = zip(found.tokens, alone[layer].tokens, strict=True)
        assert all((a.vectors == b.vectors).all() and (a.ids == b.ids).all() for a, b in pairs)
    assert all((rows == vectors).all() for rows in embedded)
    assert not any(layer._forward_hooks for layer in one.model[0].auto_model.encoder.layer)
