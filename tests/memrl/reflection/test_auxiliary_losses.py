"""Lessons as losses, with hand-worked numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from memory_stores.types import Forget, Keep, Write
from memrl.contracts.learning import Lesson, Place
from memrl.contracts.types import OfferSet, OpDecision, Say, Task, TokenDecision
from memrl.controllers.offers import NUM_NUMBERS
from memrl.reflection.auxiliary_losses import (
    AnswerDistil,
    AnswerPreference,
    OpDistil,
    OpPreference,
    ReflectorTokens,
    Second,
    Spoken,
    kind_weights,
)

OFFERS = OfferSet(
    ops=(Keep(), Write("x"), Forget("t1")),
    rows=np.full((3, 3), -1, dtype=np.int64),
    numbers=np.zeros((3, NUM_NUMBERS), dtype=np.float32),
)


class Logits:
    """The same three scores at every decision."""

    def __init__(self, *scores: float) -> None:
        self.scores = torch.tensor(scores, requires_grad=True)

    def logprobs(self, rows_N3: Any, numbers_NF: Any, counts_D: Any) -> tuple[torch.Tensor, torch.Tensor]:
        lines = self.scores.log_softmax(0).expand(len(counts_D), 3)
        return lines, torch.ones(len(counts_D), 3, dtype=torch.bool)


def lesson(better: int, taken: int = 0) -> Lesson:
    decision = OpDecision(
        actor="controller", action=OFFERS.ops[taken], memory_hash="", offers=OFFERS, choice=taken, logprob=-1.0
    )
    return Lesson(
        task=Task(env="toy", theta=None, seed=0),
        at=Place(0, 0, 0, 0),
        decision=decision,
        better=better,
        rule="r",
        gain=1.0,
    )


def test_distilling_pulls_towards_the_better_op_by_softmax_minus_one():
    scorer = Logits(0.0, 0.0, 0.0)
    told = OpDistil(scorer, [lesson(1)], 0.5).backward()
    assert told["loss"] == pytest.approx(np.log(3))
    # 0.5 (p - onehot)
    assert scorer.scores.grad.tolist() == pytest.approx([1 / 6, -1 / 3, 1 / 6])  # pyright: ignore[reportOptionalMemberAccess]


def test_a_part_is_normalised_by_its_own_count():
    one, many = Logits(0.0, 1.0, 2.0), Logits(0.0, 1.0, 2.0)
    OpDistil(one, [lesson(1)], 1.0).backward()
    OpDistil(many, [lesson(1)] * 7, 1.0).backward()
    assert torch.allclose(one.scores.grad, many.scores.grad)  # pyright: ignore[reportArgumentType]


def test_kinds_of_better_op_weigh_by_the_root_of_their_counts():
    # Four to keep, one to write: 2 against 1, so keeps share 2/3.
    weights = kind_weights([lesson(0, 1)] * 4 + [lesson(1)])
    assert weights.tolist() == pytest.approx([1 / 6] * 4 + [1 / 3])


def test_a_preference_starts_at_log_two_and_moves_both_ops_apart():
    scorer = Logits(1.0, 0.0, 0.0)
    part = OpPreference(scorer, [lesson(1, taken=0)], 1.0, 0.5)
    told = part.backward()
    assert told["loss"] == pytest.approx(np.log(2))
    # beta (sigmoid(0)) on the pair, nothing on the third offer.
    assert scorer.scores.grad.tolist() == pytest.approx([0.25, -0.25, 0.0])  # pyright: ignore[reportOptionalMemberAccess]


def test_a_preference_keeps_the_reference_of_the_weights_that_sampled():
    scorer = Logits(0.0, 0.0, 0.0)
    part = OpPreference(scorer, [lesson(1)], 1.0, 1.0)
    scorer.scores.data[1] = 2.0
    assert part.backward()["loss"] == pytest.approx(np.log1p(np.exp(-2.0)))


class Bytes:
    """Token ``i`` has log-probability ``table[i]``, whatever stands before it."""

    def __init__(self) -> None:
        self.table = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(action) for _, action in rows)
        mask = torch.tensor([[i < len(action) for i in range(width)] for _, action in rows])
        ids = torch.tensor([[*action, *[0] * (width - len(action))] for _, action in rows])
        return self.table[ids] * mask, mask


def test_a_second_answer_is_distilled_by_the_mean_of_its_tokens():
    policy = Bytes()
    told = AnswerDistil(policy, [Second((9,), (0,), (1, 2)), Second((9,), (0,), (1,))], 1.0).backward()
    assert told == {"loss": pytest.approx(2.25), "rows": 2.0}


def test_answers_are_preferred_against_the_first_attempt():
    policy = Bytes()
    part = AnswerPreference(policy, [Second((9,), (0,), (1,))], 1.0, 1.0)
    assert part.backward()["loss"] == pytest.approx(np.log(2))
    assert policy.table.grad.tolist() == pytest.approx([0.5, -0.5, 0.0])  # pyright: ignore[reportOptionalMemberAccess]


def test_a_reflection_of_negative_advantage_becomes_less_likely():
    weights = torch.tensor([-1.0, -1.0], requires_grad=True)
    told = TokenDecision(
        actor="reflector", action=Say("{}"), memory_hash="", prompt_ids=(1,), action_ids=(0, 1), logprobs=(-1.0, -1.0)
    )
    ReflectorTokens(lambda one: weights, [Spoken(told, -0.5), Spoken(told, 0.0)], 1.0).backward()
    # -advantage / rows / tokens: 0.5 / 2 / 2, a descent step lowers both.
    assert weights.grad.tolist() == pytest.approx([0.125, 0.125])  # pyright: ignore[reportOptionalMemberAccess]


def test_only_the_controllers_lessons_are_read_in_every_step():
    ops, answers = OpDistil(Logits(0.0, 0.0, 0.0), [lesson(1)], 1.0), AnswerDistil(Bytes(), [], 1.0)
    op_preference = OpPreference(Logits(0.0, 0.0, 0.0), [lesson(1)], 1.0, 1.0)
    answer_preference = AnswerPreference(Bytes(), [Second((9,), (0,), (1,))], 1.0, 1.0)
    assert ops.every_step and op_preference.every_step
    assert not answer_preference.every_step and not hasattr(answers, "every_step")
