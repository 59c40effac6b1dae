"""Answers to one prompt as branches of one row: the prompt's keys and values are held and read once for all of them.

    row w    prompt ........ | first tokens of its answers | second tokens | ...
             seen by all       each seen by its own answer alone

As in Hydragen (Juravsky et al., 2024), but with nothing except the mask that the model is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

# Shapes: S padded length of the prompts, W rows, N answers side by side in a row, C tokens held of a row.

EVERYBODY, NOBODY = -1, -2
"""Who sees a token, where it is no single answer: a prompt's token, padding."""
SPARE = 1.25
"""Places for each answer, at most: empty ones are computed too."""


class Seats(NamedTuple):
    """Which answers stand in which row."""

    prompts: tuple[int, ...]
    """Of each row, its prompt."""
    answers: tuple[tuple[int, ...], ...]
    """Of each row, its answers; fewer than ``width`` in some."""
    width: int


def seat(asked: Sequence[int], widest: int) -> Seats:
    """Answers ``asked[r]`` to prompts, in rows of at most ``widest``: as wide as few places stay empty."""
    askers: dict[int, list[int]] = {}
    for answer, prompt in enumerate(asked):
        askers.setdefault(prompt, []).append(answer)
    counts = [len(answers) for answers in askers.values()]
    widths = range(1, min(widest, max(counts)) + 1)
    width = max(w for w in widths if w == 1 or w * sum(ceil(n / w) for n in counts) <= SPARE * len(asked))
    rows = [
        (prompt, tuple(answers[start : start + width]))
        for prompt, answers in askers.items()
        for start in range(0, len(answers), width)
    ]
    return Seats(tuple(prompt for prompt, _ in rows), tuple(answers for _, answers in rows), width)


def seats_table(seats: Seats, nobody: int, device: torch.device) -> Tensor:
    """[W, N] the answer at every place, ``nobody`` at empty ones."""
    full = [[*answers, *[nobody] * (seats.width - len(answers))] for answers in seats.answers]
    return torch.tensor(full, device=device)


def prompt_owners(mask_WS: Tensor, room: int) -> Tensor:
    """[W, S + room] who sees each token; the room is nobody's yet."""
    owners = mask_WS.new_full((len(mask_WS), mask_WS.shape[1] + room), NOBODY)
    owners[:, : mask_WS.shape[1]] = torch.where(mask_WS.bool(), EVERYBODY, NOBODY)
    return owners


def visible(owners_WC: Tensor, seats_WN: Tensor) -> Tensor:
    """[W, N, C] whether the answer at a place sees a token."""
    owners = owners_WC[:, None, :]
    return (owners == seats_WN[:, :, None]) | (owners == EVERYBODY)
