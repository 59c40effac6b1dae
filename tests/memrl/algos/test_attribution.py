"""Attribution maths, on numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from memrl.algos.attribution import discounted_from, evidence_shares, minus_siblings


def test_a_gain_is_judged_by_what_the_others_gained_at_the_same_place():
    # Place 0: siblings 0, 1, 2 gained 3, 0, 1. Place 1: sibling 0 alone.
    advantages = minus_siblings(np.array([3.0, 2.0, 0.0, 1.0]), np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0]))
    np.testing.assert_allclose(advantages, [3 - 0.5, 2.0, 0 - 2.0, 1 - 1.5])


def test_two_ops_of_one_sibling_at_a_place_do_not_judge_each_other():
    advantages = minus_siblings(np.array([4.0, 2.0, 1.0]), np.array([0, 0, 1]), np.array([0, 0, 0]))
    np.testing.assert_allclose(advantages, [4 - 1, 2 - 1, 1 - 3])


def test_no_decisions_have_no_advantages():
    none = np.array([], dtype=np.int64)
    assert minus_siblings(np.array([]), none, none).shape == (0,)


def test_gains_are_summed_from_their_step_on_and_discounted():
    assert discounted_from(np.array([9.0, 1.0, 0.0, 2.0]), 1) == 3.0
    assert discounted_from(np.array([9.0, 1.0, 0.0, 2.0]), 1, 0.5) == 1.0 + 0.25 * 2.0


def test_the_newest_line_with_the_answer_is_the_evidence():
    lines = ["The lamp is in the attic.", "The lamp is now in the cellar.", "The cat is on the roof."]
    shares = evidence_shares(lines, "Where is the lamp? cellar")
    np.testing.assert_allclose(shares, [0.0, 1.0, 0.0])


def test_two_links_of_a_path_share():
    lines = ["Ana carries lamp", "Ana stays in attic", "Bob stays in cellar"]
    np.testing.assert_allclose(evidence_shares(lines, "where is lamp attic"), [0.5, 0.5, 0.0])


@pytest.mark.parametrize("lines", [[], ["nothing of it", "at all"]])
def test_where_no_line_speaks_of_it_nobody_shares(lines: list[str]):
    assert evidence_shares(lines, "lamp attic").tolist() == [0.0] * len(lines)
