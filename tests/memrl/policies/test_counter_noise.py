"""Numbers from seed, position and counter alone: the published generator, evenly spread, the same in any batch."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from memrl.policies.counter_noise import gumbel, hashes, place_keys, row_keys, uniform

MASK = (1 << 64) - 1


def unsigned(values: Tensor) -> list[int]:
    return [value & MASK for value in values.flatten().tolist()]


def by_hand(state: int, output: int) -> int:
    """SplitMix64 as it is published, in Python's integers."""
    z = (state + (output + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def chi_square(counts: Tensor, expected: float) -> float:
    return float(((counts.double() - expected) ** 2 / expected).sum())


def test_the_outputs_are_those_of_the_published_generator():
    # Outputs of the reference implementation in C for the states 1234567 and 0.
    assert unsigned(hashes(torch.tensor([1234567]), torch.arange(5))) == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
    assert unsigned(row_keys([0])) == [0xE220A8397B1DCDAF]


@pytest.mark.parametrize(
    ("seed", "position", "counter"), [(0, 0, 0), (7, 3, 49151), (2**63 + 5, 511, -192), (MASK, 1, 2)]
)
def test_a_number_is_an_output_of_an_output_of_an_output(seed: int, position: int, counter: int):
    expected = by_hand(by_hand(by_hand(seed, 0), position), counter)
    places = place_keys(row_keys([seed]), position)
    assert unsigned(hashes(places, torch.tensor([counter]))) == [expected]
    number = ((expected >> 12) + 0.5) / 2**52
    assert uniform(places, torch.tensor([counter])).item() == number
    assert gumbel(places, torch.tensor([counter])).item() == pytest.approx(-log(-log(number)), rel=1e-12)


def test_no_number_is_zero_or_one():
    # The least and the greatest hash there are.
    assert (0 + 0.5) / 2**52 > 0 and ((1 << 52) - 1 + 0.5) * 2.0**-52 < 1
    numbers = uniform(row_keys(range(1000)), torch.arange(1000))
    assert 0 < numbers.min() < 1e-5 and 1 - 1e-5 < numbers.max() < 1


def test_numbers_are_evenly_spread():
    numbers = uniform(place_keys(row_keys(range(1000)), 4), torch.arange(100))
    counts = torch.bincount((numbers.flatten() * 100).long(), minlength=100)
    assert chi_square(counts, 1000) < 161  # one in ten thousand at 99 degrees of freedom


@pytest.mark.parametrize(
    ("one", "other"),
    [((0, 0, 0), (0, 1, 0)), ((0, 0, 0), (1, 0, 0)), ((0, 0, 0), (0, 0, 1)), ((0, 1, 0), (1, 0, 0)),
     ((0, 0, 1), (0, 1, 0)), ((0, 0, -1), (0, 0, 0)), ((0, 0, 0), (2**63, 0, 0))],
)  # fmt: skip
def test_neighbours_are_independent(one: tuple[int, int, int], other: tuple[int, int, int]):
    """Numbers of many seeds, shifted in seed, position or counter."""

    def numbers(shift: tuple[int, int, int]) -> Tensor:
        seeds = [seed + shift[0] for seed in range(40_000)]
        return uniform(place_keys(row_keys(seeds), shift[1]), torch.tensor([shift[2]]))[:, 0]

    cells = (numbers(one) * 10).long() * 10 + (numbers(other) * 10).long()
    assert chi_square(torch.bincount(cells, minlength=100), 400) < 161


def test_seeds_count_by_their_low_64_bits():
    seeds = [0, 1, 2**62, 2**62 + 1, 2**63, MASK]
    assert len(set(unsigned(row_keys(seeds)))) == len(seeds)
    assert torch.equal(row_keys(seeds), row_keys([seed + 2**64 for seed in seeds]))
    assert torch.equal(row_keys([-1]), row_keys([MASK]))


def test_a_row_has_its_numbers_in_any_batch():
    together = uniform(place_keys(row_keys(range(50)), 2), torch.arange(300))
    for row in (0, 17, 49):
        assert torch.equal(uniform(place_keys(row_keys([row]), 2), torch.arange(300))[0], together[row])
    own = torch.arange(300).expand(50, 300)
    assert torch.equal(uniform(place_keys(row_keys(range(50)), 2), own), together)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_hashes_are_the_same_on_another_device():
    here, there = (
        hashes(place_keys(row_keys(range(99), device), 5), torch.arange(-9, 99, device=device)).cpu()
        for device in ("cpu", "cuda")
    )
    assert torch.equal(here, there)
