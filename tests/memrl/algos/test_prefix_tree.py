"""Sequences that begin alike in one tree, by hand."""

from __future__ import annotations

import numpy as np

from memrl.algos.prefix_tree import begin_alike, common, prefix_trees


def test_what_is_shared_is_held_once_and_seen_by_its_branches_alone():
    [tree] = prefix_trees([(1, 2, 3), (1, 2, 4, 5), (1, 6)], limit=99)
    assert tree.ids == [1, 2, 3, 4, 5, 6]
    assert tree.parents == [-1, 0, 1, 1, 3, 0]
    assert tree.places == [0, 1, 2, 2, 3, 1]
    assert tree.paths == {0: [0, 1, 2], 1: [0, 1, 3, 4], 2: [0, 5]}
    expected = [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0],
                [1, 1, 0, 1, 0, 0], [1, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 1]]  # fmt: skip
    assert tree.sees().astype(int).tolist() == expected


def test_equal_sequences_and_starts_of_others_take_no_room():
    [tree] = prefix_trees([(1, 2), (1, 2, 3), (1, 2)], limit=3)
    assert len(tree) == 3 and tree.paths == {0: [0, 1], 2: [0, 1], 1: [0, 1, 2]}


def test_sequences_with_nothing_in_common_are_separate_roots():
    [tree] = prefix_trees([(5,), (7, 8)], limit=3)
    assert tree.parents == [-1, -1, 1] and tree.places == [0, 0, 1]
    assert not tree.sees()[1:, 0].any()


def test_trees_keep_within_their_limit_and_a_longer_sequence_has_its_own():
    sequences = [(1, 2, i) for i in range(6)] + [tuple(range(20))]
    trees = prefix_trees(sequences, limit=5)
    assert sorted(len(tree) for tree in trees) == [5, 5, 20]
    assert sorted(i for tree in trees for i in tree.paths) == list(range(7))
    for tree in trees:
        for i, path in tree.paths.items():
            assert [tree.ids[node] for node in path] == list(sequences[i])
            assert np.flatnonzero(tree.sees()[path[-1]]).tolist() == path


def test_batches_count_what_is_shared_once():
    rows = [(1,) * 10 + (2,), (3,) * 10, (1,) * 10 + (4,)]
    assert begin_alike(rows, budget=12) == [[0, 2], [1]]
    assert begin_alike([], budget=12) == []


def test_common_start():
    assert common((1, 2, 3), (1, 2, 4)) == 2 and common((), (1,)) == 0 and common((1,), (1, 2)) == 1
