"""Who sits in which row, and who sees what there."""

from __future__ import annotations

import torch

from memrl.policies.branches import EVERYBODY, NOBODY, prompt_owners, seat, seats_table, visible


def test_equal_groups_sit_in_one_row_each():
    seats = seat([0, 0, 1, 1, 0, 1], widest=8)
    assert seats == ((0, 1), ((0, 1, 4), (2, 3, 5)), 3)


def test_rows_are_no_wider_than_allowed():
    assert seat([0] * 5, widest=2) == ((0, 0, 0), ((0, 1), (2, 3), (4,)), 2)  # six places for five
    assert seat([0] * 5, widest=1).width == 1


def test_few_places_stay_empty():
    # Rows of 8 would have 8 x 9 places for 16 answers.
    assert seat([0] * 8 + list(range(1, 9)), widest=8).width == 1
    assert seat([0] * 8 + [1] * 7 + [2] * 8, widest=8).width == 8


def test_everybody_sees_the_prompt_and_each_its_own():
    mask = torch.tensor([[0, 1, 1], [1, 1, 1]])
    owners = prompt_owners(mask, room=2)
    assert owners.tolist() == [[NOBODY, EVERYBODY, EVERYBODY, NOBODY, NOBODY], [EVERYBODY] * 3 + [NOBODY] * 2]
    seats_WN = seats_table(seat([0, 0, 1, 1], widest=2), nobody=4, device=mask.device)
    owners[:, 3:5] = seats_WN
    assert visible(owners, seats_WN).int().tolist() == [
        [[0, 1, 1, 1, 0], [0, 1, 1, 0, 1]],
        [[1, 1, 1, 1, 0], [1, 1, 1, 0, 1]],
    ]


def test_an_empty_place_sees_nobodys_answer():
    seats_WN = seats_table(seat([0, 0, 1, 1, 1], widest=3), nobody=5, device=torch.device("cpu"))
    assert seats_WN.tolist() == [[0, 1, 5], [2, 3, 4]]
