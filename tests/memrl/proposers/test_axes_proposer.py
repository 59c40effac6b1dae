"""The small network writes only legal tasks, learns what pays, and is kept from narrowing."""

from __future__ import annotations

from collections import Counter
from math import log

import numpy as np
import pytest
import torch
from toy_space import ToySpace

from memrl.contracts.generation import Proposal
from memrl.envs.memworld.space import MemWorldSpace
from memrl.envs.memworld.theta import Theta
from memrl.proposers.axes import AxesProposer, even_share, words_to_numbers


def learn(proposer: AxesProposer, steps: int, pay) -> list[float]:
    """Train on ``pay``; the normalised entropy of each step."""
    optimizer = torch.optim.AdamW(proposer.parameters(), lr=proposer.learning_rate, weight_decay=0.0)
    entropies = []
    for _ in range(steps):
        written = proposer.propose(8, [])
        (part,) = proposer.auxiliary_losses([(p, pay(dict(p.candidate.theta))) for p in written])
        optimizer.zero_grad()
        entropies.append(part.backward()["entropy"])
        optimizer.step()
    return entropies


def shares(proposer: AxesProposer, axis: str, count: int = 200) -> dict[float, float]:
    found = Counter(dict(p.candidate.theta)[axis] for p in proposer.propose(count, []))
    return {level: n / count for level, n in found.items()}


def test_every_theta_that_comes_out_is_legal():
    proposer = AxesProposer(MemWorldSpace(Theta()), seed=1, axis_dropout=1.0)
    thetas = [p.candidate.theta for p in proposer.propose(60, ["latest.d1.c0x8|n012|-|p1"])]
    assert all(isinstance(theta, Theta) for theta in thetas)
    assert len(set(thetas)) == 60


def test_a_first_proposal_is_mostly_the_base_task():
    found = shares(AxesProposer(ToySpace(), seed=0, axis_dropout=0.0), "size", 400)
    assert 0.65 < found[1] < 0.85 and len(found) == 3


def test_a_masked_axis_is_drawn_evenly_and_teaches_nothing():
    proposer = AxesProposer(ToySpace(), seed=0, axis_dropout=1.0)
    found = shares(proposer, "size", 600)
    assert all(abs(share - 1 / 3) < 0.07 for share in found.values())
    written = proposer.propose(4, [])
    assert not any(own for p in written for own in p.trace.own)
    (part,) = proposer.auxiliary_losses([(p, float(i)) for i, p in enumerate(written)])
    assert part.backward()["loss"] == 0.0


def test_it_learns_what_pays():
    proposer = AxesProposer(ToySpace(), seed=0, axis_dropout=0.0, entropy_floor=0.0, learning_rate=3e-2)
    learn(proposer, 60, lambda axes: float(axes["size"] == 2))
    assert shares(proposer, "size")[2] > 0.9


def test_the_entropy_floor_holds_where_reward_would_narrow():
    def pay(axes: dict[str, float]) -> float:
        return float(axes["size"] == 2 and axes["share"] == 1.0)

    free = learn(AxesProposer(ToySpace(), axis_dropout=0.0, entropy_floor=0.0, learning_rate=3e-2), 100, pay)
    held = learn(AxesProposer(ToySpace(), axis_dropout=0.0, entropy_floor=0.4, learning_rate=3e-2), 100, pay)
    assert np.mean(free[-10:]) < 0.2 < 0.3 < np.mean(held[-10:])


def test_the_logprobs_of_what_was_sampled_are_those_that_the_loss_starts_from():
    proposer = AxesProposer(ToySpace(), seed=3)
    traces = [p.trace for p in proposer.propose(5, ["a.b|c"])]
    logprobs, _ = proposer.logprobs(traces)
    again = logprobs.gather(2, torch.tensor([t.levels for t in traces])[:, :, None]).squeeze(2)
    assert torch.allclose(again, torch.tensor([t.logprobs for t in traces], dtype=torch.float32), atol=1e-6)


def test_the_baseline_is_the_one_from_before_the_rewards():
    proposer = AxesProposer(ToySpace(), seed=0)
    (one,) = proposer.propose(1, [])
    proposer.auxiliary_losses([(one, 0.5)])
    assert proposer.state_dict()["baseline"] == pytest.approx(0.5)
    proposer.auxiliary_losses([(one, 1.0)])
    assert proposer.state_dict()["baseline"] == pytest.approx(0.95 * 0.5 + 0.05)
    assert proposer.auxiliary_losses([]) == ()


def test_it_goes_on_to_the_bit():
    one, two = AxesProposer(ToySpace(), seed=0), AxesProposer(ToySpace(), seed=9)
    learn(one, 3, lambda axes: axes["share"])
    two.load_state_dict(one.state_dict())

    def told(proposals: list[Proposal]) -> list[object]:
        return [(p.candidate, p.trace.logprobs) for p in proposals]

    assert told(one.propose(4, ["x"])) == told(two.propose(4, ["x"]))


def test_even_share_by_hand():
    # One choice of two at 1/4 and 3/4, one that is forced.
    logprobs = torch.tensor([[[log(0.25), log(0.75)], [0.0, -1e9]]])
    legal = torch.tensor([[[True, True], [True, False]]])
    expected = -(0.25 * log(0.25) + 0.75 * log(0.75)) / log(2)
    assert even_share(logprobs, legal).item() == pytest.approx(expected)


def test_words_of_skills_become_numbers_of_length_one():
    numbers = words_to_numbers(["latest.d1.c0x8+path2.d1.c0x2|n012", "latest.d1.c0x8: keep it"])
    assert np.linalg.norm(numbers) == pytest.approx(1.0)
    assert sorted(numbers[numbers > 0].tolist()) == pytest.approx([6**-0.5, 6**-0.5, 2 * 6**-0.5])
    assert not words_to_numbers([]).any()
