"""One token for every row: the distribution is the model's, and a sample hangs on its seed and place alone."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from memrl.policies.counter_noise import gumbel, place_keys, row_keys
from memrl.policies.drawing import BLOCK, draw

WIDE = 2 * BLOCK + 88
"""A vocabulary of three blocks, the last not full."""


def test_a_sample_is_the_largest_of_log_p_and_noise_first_among_blocks_then_among_tokens():
    logits = torch.randn(40, WIDE, generator=torch.Generator().manual_seed(1)) * 2
    tokens, _ = draw(logits, list(range(40)), position=3)
    places, probs = place_keys(row_keys(range(40)), 3), logits.softmax(-1).double()
    for row in range(40):
        noise = [gumbel(places[row : row + 1], torch.tensor([-1 - k])).item() for k in range(3)]
        mass = [probs[row, k * BLOCK : (k + 1) * BLOCK].sum().log().item() for k in range(3)]
        block = max(range(3), key=lambda k: mass[k] + noise[k])
        inside = range(block * BLOCK, min((block + 1) * BLOCK, WIDE))
        noise = gumbel(places[row : row + 1], torch.tensor(list(inside)))[0].tolist()
        assert tokens[row].item() == max(inside, key=lambda v: probs[row, v].log().item() + noise[v - inside[0]])


@pytest.mark.parametrize("vocabulary", [5, BLOCK, WIDE])
def test_frequencies_are_the_probabilities(vocabulary: int):
    probabilities = torch.arange(1.0, vocabulary + 1) / (vocabulary * (vocabulary + 1) / 2)
    drawn, _ = draw(probabilities.log().expand(20_000, vocabulary), list(range(20_000)), position=0)
    cells = torch.arange(vocabulary) * 10 // vocabulary  # up to ten ranges of tokens
    expected = 20_000 * torch.zeros(10).index_add(0, cells, probabilities)
    counts = torch.bincount(cells[drawn], minlength=10)
    there = expected > 0
    assert ((counts - expected)[there] ** 2 / expected[there]).sum() < 34  # one in ten thousand at 9 degrees of freedom
    assert counts[~there].sum() == 0


def test_what_has_no_probability_is_never_drawn():
    likely = {3: 0.2, BLOCK + 1: 0.5, WIDE - 1: 0.3}
    logits = torch.full((3000, WIDE), -torch.inf)
    for token, probability in likely.items():
        logits[:, token] = log(probability)
    tokens, logprobs = draw(logits, list(range(3000)), position=9)
    assert set(tokens.tolist()) == set(likely)
    assert logprobs.exp().tolist() == pytest.approx([likely[token] for token in tokens.tolist()])


def test_logprobs_are_those_of_log_softmax():
    logits = torch.randn(8, WIDE, generator=torch.Generator().manual_seed(2)) * 5
    tokens, logprobs = draw(logits, [0, None, 2, None, 4, 5, 6, 7], position=1)
    expected = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    assert logprobs.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_greedy_rows_take_the_first_of_the_likeliest_whoever_stands_beside_them():
    logits = torch.zeros(3, WIDE)
    logits[:, [40, 300]] = 1.0
    tokens, _ = draw(logits, [None, 5, None], position=0)
    assert tokens[[0, 2]].tolist() == [40, 40]
    assert draw(logits, [None] * 3, position=0)[0].tolist() == [40, 40, 40]


def test_a_row_is_drawn_alike_alone_and_among_others():
    logits = torch.randn(30, WIDE, generator=torch.Generator().manual_seed(3))
    seeds = [seed * 2**58 for seed in range(30)]
    tokens, logprobs = draw(logits, seeds, position=2)
    back, _ = draw(logits.flip(0), seeds[::-1], position=2)
    assert torch.equal(back.flip(0), tokens)
    for row in range(30):
        token, logprob = draw(logits[row : row + 1], seeds[row : row + 1], position=2)
        assert (token.item(), logprob.item()) == (tokens[row].item(), logprobs[row].item())


def test_a_small_error_in_the_logits_changes_no_sample():
    # A batch of another shape computes logits that differ a little. Under the inverse CDF 2 in 100 of these change.
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(1000, 2048, generator=generator)
    noise = 1e-3 * torch.randn(1000, 2048, generator=generator)
    tokens, again = (draw(x, list(range(1000)), position=0)[0] for x in (logits, logits + noise))
    assert torch.equal(tokens, again)
    assert len(set(tokens.tolist())) > 400


class Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_batch_is_drawn_at_once():
    """Fault T24: one generator was made for every row and token."""
    counts = []
    for rows in (2, 64):
        with Operations() as operations:
            draw(torch.zeros(rows, WIDE), [None, *range(1, rows)], position=0)
        counts.append(operations.count)
    assert counts[0] == counts[1]
