"""The loss as a sum of parts: each clipped by its own norm, one for every actor that samples tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import pytest
import torch
from episodes import NOBODY, answer, episode
from torch import Tensor, nn

from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig, LearnerConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import ONLY, Turn
from memrl.contracts.types import Group, Task
from memrl.training.batch import Batch, TokenRow, make_batch
from memrl.training.gradients import Gradients
from memrl.training.learner import Learner
from memrl.training.token_loss import TokenLoss


class Table:
    """A policy in which token ``i`` has log-probability ``table[i]``, whatever stands before it."""

    learning_rate = 1e-3

    def __init__(self, *logprobs: float) -> None:
        self.table = nn.Parameter(torch.tensor(logprobs))
        self.version = 0
        self.read: list[int] = []
        self._kept = torch.zeros(len(logprobs))

    def parameters(self) -> Iterator[nn.Parameter]:
        yield self.table

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        self.read += [action[0] for _, action in rows]
        width = max(len(action) for _, action in rows)
        mask = torch.tensor([[i < len(action) for i in range(width)] for _, action in rows])
        ids = torch.tensor([[*action, *[0] * (width - len(action))] for _, action in rows])
        return self.table[ids] * mask, mask

    def freeze_reference(self) -> None:
        self._kept = self.table.detach().clone()

    @contextmanager
    def reference(self) -> Iterator[None]:
        now, self.table.data = self.table.data, self._kept
        yield
        self.table.data = now

    def bump(self) -> None:
        self.version += 1


@dataclass
class Pull:
    """A part whose gradient at the network's weights is what the test says."""

    name: str
    network: Table
    gradient: Sequence[float]
    every_step: bool = False
    turns: list[Turn] = field(default_factory=list)

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        self.turns.append(turn)
        (self.network.table * torch.tensor(self.gradient)).sum().backward()
        return {"loss": 1.0}


def summed(*parts: Pull, most: float = 1.0) -> list[float]:
    network = parts[0].network
    gradients = Gradients(list(network.parameters()), most)
    for part in parts:
        part.backward()
        gradients.take(part.name)
    gradients.put()
    assert network.table.grad is not None
    return network.table.grad.tolist()


def test_a_loud_part_does_not_silence_a_quiet_one():
    network = Table(0.0, 0.0, 0.0)
    loud, quiet = Pull("rereading", network, (24.0, 7.0, 0.0)), Pull("policy", network, (0.0, 0.3, 0.4))
    # Loud: norm 25, so a 25th of it. Quiet: norm 0.5, under the clip, so all of it.
    assert summed(loud, quiet) == pytest.approx([0.96, 0.28 + 0.3, 0.4], rel=1e-5)
    assert summed(quiet, loud) == pytest.approx([0.96, 0.28 + 0.3, 0.4], rel=1e-5)


def test_where_one_part_acts_the_clip_is_torchs_own():
    network = Table(0.0, 0.0, 0.0)
    for gradient in ((3.0, 4.0, 12.0), (0.1, 0.2, 0.3)):
        network.table.grad = torch.tensor(gradient)
        nn.utils.clip_grad_norm_([network.table], 1.0)
        assert summed(Pull("policy", network, gradient)) == network.table.grad.tolist()


def test_every_norm_is_logged_as_it_was_before_the_clip():
    network = Table(0.0, 0.0)
    loud, quiet = Pull("loud", network, (30.0, 40.0)), Pull("quiet", network, (0.0, 0.5))
    told = Learner({"policy": network}, None, LearnerConfig()).update(Batch(ops=None, tokens={}, parts=(loud, quiet)))
    assert told["grad_norm/loud"] == pytest.approx(50.0) and told["grad_norm/quiet"] == pytest.approx(0.5)
    assert told["grad_norm"] == pytest.approx(50.0) and told["loud/loss"] == 1.0


def test_a_part_hears_which_optimiser_step_of_how_many_it_is():
    network = Table(0.0)
    always, once = Pull("always", network, (1.0,), every_step=True), Pull("once", network, (1.0,))
    learner = Learner({"policy": network}, None, LearnerConfig(epochs=3, minibatches=1))
    told = learner.update(Batch(ops=None, tokens={}, parts=(always, once)))
    assert always.turns == [(0, 3), (1, 3), (2, 3)] and once.turns == [(0, 3)]
    assert network.version == 3 and told["grad_norm/once"] == 1.0


def row(token: int, advantage: float = 1.0, **more: Any) -> TokenRow:
    return TokenRow(prompt_ids=(9,), action_ids=(token,), logprobs=(-1.0,), advantage=advantage, **more)


def test_a_batch_holds_a_group_of_rows_for_every_actor():
    ann, bob = answer(0), answer(1, actor="policy:bob")
    twice, alone = episode(([ann], 1.0), ([bob], 0.0), ([bob], 0.0)), episode(([ann], 0.0))
    group = Group(task=Task(env="toy", theta=None, seed=0), episodes=(twice, alone))
    batch = make_batch(give_credit([group], CreditConfig(), NOBODY))
    assert {actor: [(r.action_ids, r.count) for r in rows] for actor, rows in batch.tokens.items()} == {
        "policy": [((0,), 2)],
        "policy:bob": [((1,), 2)],
    }
    assert batch.num_token_decisions == 4


def test_two_policies_learn_each_by_its_own_credit():
    ann, bob = Table(-1.0, -1.0), Table(-1.0, -1.0)
    learner = Learner({"policy": ann, "policy:bob": bob}, None, LearnerConfig(policy_learning_rate=0.1))
    rows = {"policy": (row(0, 0.5), row(1, -0.5)), "policy:bob": (row(0, 0.0), row(1, 0.0))}
    told = learner.update(Batch(ops=None, tokens=rows))
    # Adam's first step is the learning rate, whatever the gradient's size.
    assert ann.table.tolist() == pytest.approx([-0.9, -1.1]) and bob.table.tolist() == [-1.0, -1.0]
    assert (ann.version, bob.version) == (1, 0) and bob.read == []
    assert told["grad_norm/policy"] == pytest.approx(0.5**0.5) and "grad_norm/policy:bob" not in told
    rows = {"policy:bob": (row(0, -0.5), row(1, 0.5))}
    told = learner.update(Batch(ops=None, tokens=rows))
    assert bob.table.tolist() == pytest.approx([-1.1, -0.9])
    assert told["policy:bob/loss"] == pytest.approx(0.0) and ann.version == 1


def test_actors_may_share_a_model_whose_weights_are_optimised_once():
    shared = Table(-1.0, -1.0)
    learner = Learner({"policy": shared, "policy:bob": shared}, None, LearnerConfig(policy_learning_rate=0.1))
    told = learner.update(Batch(ops=None, tokens={"policy": (row(0, 0.5),), "policy:bob": (row(1, 0.25),)}))
    # Held twice, the weights would have moved twice.
    assert shared.table.tolist() == pytest.approx([-0.9, -0.9]) and shared.version == 1
    assert (told["grad_norm/policy"], told["grad_norm/policy:bob"]) == pytest.approx((0.5, 0.25))


def test_an_actor_that_is_none_stays_and_one_without_a_name_of_its_own_learns_with_the_policy():
    ann, controller = Table(*[-1.4] * 4), Table(*[-1.4] * 4)
    rows = {"policy:bob": (row(1),), "controller": (row(2),), "reflector": (row(3),)}
    Learner({"policy": ann, "policy:bob": None, "controller": controller}, None, LearnerConfig()).update(
        Batch(ops=None, tokens=rows)
    )
    assert (ann.read, controller.read) == ([], [2])
    Learner({"policy": ann}, None, LearnerConfig()).update(Batch(ops=None, tokens=rows))
    assert ann.read == [1]


def test_rows_of_both_signs_merged_pull_as_they_do_apart():
    def pull(rows: Sequence[TokenRow], **knobs: Any) -> list[float]:
        policy = Table(-0.5, -2.0)  # ratios e^0.5 and e^-1 of the -1 that was sampled: beyond the clip on either side
        TokenLoss("policy", policy, rows, LearnerConfig(**knobs)).backward()
        assert policy.table.grad is not None
        return policy.table.grad.tolist()

    apart = [row(0, 0.5), row(0, -0.25), row(1, 0.5), row(1, -0.25)]
    merged = [row(0, 0.5, against=-0.25, count=2), row(1, 0.5, against=-0.25, count=2)]
    # Too likely already: only the negative advantage pulls. Too unlikely already: only the positive one.
    assert pull(merged) == pytest.approx([0.25 * exp(0.5), -0.5 * exp(-1.0)])
    assert pull(merged) == pytest.approx(pull(apart))
    assert pull(merged, importance_cap=2.0) == pytest.approx(pull(apart, importance_cap=2.0))


def test_silent_rows_are_read_only_where_somebody_wants_them():
    rows = {"policy": (row(0, 1.0), row(1, 0.0))}

    def read(**knobs: Any) -> tuple[list[int], float]:
        policy = Table(-1.0, -1.0)
        told = Learner({"policy": policy}, None, LearnerConfig(**knobs)).update(Batch(ops=None, tokens=rows))
        return policy.read, told["token_rows"]

    assert read() == ([0], 1)
    assert read(skip_silent_rows=False) == ([0, 1], 2)
    assert read(kl=0.1) == ([0, 1, 0, 1], 2)  # and once more by the reference


def test_the_kl_is_a_mean_over_all_sampled_tokens_to_the_weights_that_rl_started_from():
    policy = Table(log(0.5), log(0.2))
    learner = Learner({"policy": policy}, None, LearnerConfig(kl=1.0))
    rows = (row(0, 0.0, count=3), row(1, 0.0))
    first = learner.update(Batch(ops=None, tokens={"policy": rows}))
    assert first["kl"] == 0.0 and first["grad_norm/policy"] == 0.0
    policy.table.data = torch.tensor([log(0.25), log(0.2)])
    told = learner.update(Batch(ops=None, tokens={"policy": rows}))
    # r = 0.5 / 0.25 at three tokens of four, 1 at the fourth: r - 1 - log r = 1 - log 2.
    assert told["kl"] == pytest.approx(0.75 * (1 - log(2)))


def test_a_run_must_bear_at_least_one_skip():
    with pytest.raises(ConfigError, match=r"learner.max_skips = 0"):
        LearnerConfig(max_skips=0)
