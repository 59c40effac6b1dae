"""Search scores against numbers worked by hand."""

import math

import numpy as np
import pytest

from memrl.algos.ranking import best_match, bm25, fused, late_interaction, places, rarity


def test_bm25_by_hand():
    # Two texts of 2 and 4 words, mean 3; the word stands once in the first and twice in the second: df = 2 of 2.
    idf = rarity(np.array([2.0]), 2)
    assert idf == pytest.approx([math.log(1 + 0.5 / 2.5)])
    scores = bm25(np.array([1.0, 2.0]), np.repeat(idf, 2), np.array([0, 1]), np.array([2.0, 4.0]))
    first = 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3))
    second = 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / 3))
    assert scores == pytest.approx([idf[0] * first, idf[0] * second])


def test_a_text_without_any_word_of_the_query_scores_nothing():
    assert bm25(np.array([1.0]), np.array([2.0]), np.array([1]), np.array([3.0, 3.0, 3.0]))[[0, 2]].tolist() == [0, 0]


def test_every_token_of_the_query_finds_its_best_match():
    # Three texts of 2, 0 and 1 tokens against two query tokens.
    similarity = np.array([[0.9, 0.1], [0.2, 0.4], [0.5, 0.5]], dtype=np.float32)
    best = best_match(similarity, np.array([0, 2, 2]))
    assert best == pytest.approx(np.array([[0.9, 0.4], [-1, -1], [0.5, 0.5]]))
    assert late_interaction(best, np.array([3.0, 1.0])) == pytest.approx([(2.7 + 0.4) / 4, -1.0, 0.5])
    assert late_interaction(best[:, :0], np.zeros(0)).tolist() == [0, 0, 0]


def test_ranks_and_their_fusion():
    assert places(np.array([0.1, 0.7, 0.7, 0.3])).tolist() == [3, 0, 1, 2]
    assert fused(np.array([0, 1]), np.array([1, 0])) == pytest.approx([1 / 61 + 1 / 62] * 2)
