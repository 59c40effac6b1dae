"""Texts by token: hashed words, and a file that keeps what a slow encoder made."""

import numpy as np
import pytest

from memory_stores.embed import HashEmbedder
from memory_stores.token_vectors import CachedTokens, HashTokens, token_encoder


class Counting:
    """Hashed tokens, and how many texts were read."""

    def __init__(self) -> None:
        self._inner, self.read = HashTokens(HashEmbedder(16)), 0
        self.dim = 16

    def encode(self, texts):
        self.read += len(texts)
        return self._inner.encode(texts)


def test_equal_words_are_equal_tokens_in_any_text():
    vectors, (one, other) = HashTokens(HashEmbedder(16)).encode(["The red key", "red: a KEY"])
    assert vectors.shape == (2, 16) and one.vectors.shape == (3, 16) and one.vectors.dtype == np.float16
    assert one.ids[1:].tolist() == other.ids[[0, 2]].tolist()
    assert (one.vectors[1:] == other.vectors[[0, 2]]).all()
    assert np.linalg.norm(one.vectors.astype(float), axis=1) == pytest.approx(1.0, abs=1e-3)


def test_a_text_without_words_has_no_tokens():
    assert HashTokens(HashEmbedder(16)).encode(["?!"]).tokens[0].vectors.shape == (0, 16)


def test_a_text_is_read_once_and_comes_back_the_same(tmp_path):
    texts = ["the red key", "Ana", "the red key", "?!"]
    first = Counting()
    made = CachedTokens(first, tmp_path / "cache" / "hash.sqlite").encode(texts)
    again = Counting()
    found = CachedTokens(again, tmp_path / "cache" / "hash.sqlite").encode([*texts[::-1], "new"])
    assert (first.read, again.read) == (3, 1)
    assert (found.vectors[:4] == made.vectors[::-1]).all()
    for one, other in zip(found.tokens[:4], made.tokens[::-1], strict=True):
        assert (one.ids == other.ids).all() and (one.vectors == other.vectors).all()


def test_a_damaged_file_and_one_of_another_width_say_so(tmp_path):
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no database" * 100)
    with pytest.raises(ValueError, match=r"embedding cache .*damaged.sqlite: .*delete the file"):
        CachedTokens(Counting(), damaged)
    CachedTokens(Counting(), tmp_path / "wide.sqlite").encode(["Ana"])
    with pytest.raises(ValueError, match=r"wide.sqlite: width 16, not 8; delete the file"):
        CachedTokens(HashTokens(HashEmbedder(8)), tmp_path / "wide.sqlite").encode(["Ana"])


def test_who_knows_whole_texts_only_has_no_tokens():
    class Whole:
        dim = 4

        def embed(self, texts):
            return np.zeros((len(texts), 4), dtype=np.float32)

    assert token_encoder(Whole()) is None
    assert isinstance(token_encoder(HashEmbedder(4)), HashTokens)


@pytest.mark.slow
def test_minilm_gives_a_text_the_same_bits_in_any_company(tmp_path):
    from memory_stores.embed import MiniLM

    encoder = token_encoder(MiniLM(), tmp_path)
    assert encoder is not None
    alone = encoder.encode(["a cat sleeps on the mat"])
    other = token_encoder(MiniLM())
    assert other is not None
    both = other.encode(["the tax law changed again last year, as it does", "a cat sleeps on the mat"])
    assert (alone.vectors[0] == both.vectors[1]).all()
    assert (alone.tokens[0].vectors == both.tokens[1].vectors).all()
    assert len(alone.tokens[0].ids) == 6
