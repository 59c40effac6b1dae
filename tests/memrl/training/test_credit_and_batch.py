"""Credit and batches on hand-made episodes: who earns what, and how much it weighs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from episodes import NOBODY, TASK, answer, episode, op
from toy import Taker

from memrl.advantages.credit import Credit, give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.types import End, Episode, Group, Say, Task, TokenDecision, ViewLine
from memrl.recipes import recipe
from memrl.training.batch import TokenRow, make_batch, merge_equal, micro_batches
from memrl.training.build import build


def test_an_op_earns_what_comes_after_it_and_an_answer_its_own_reward():
    right = episode(([op(1)], 0.0), ([answer(5)], 1.0), ([op(0)], 0.0), ([answer(6)], 0.0))
    wrong = episode(([op(0)], 0.0), ([answer(7)], 0.0), ([op(0)], 0.0), ([answer(6)], 1.0))
    first, second = give_credit([Group(task=TASK, episodes=(right, wrong))], CreditConfig(), NOBODY)
    np.testing.assert_allclose(first.advantages, [0.0, 1.0, -1.0, -1.0])
    np.testing.assert_allclose(second.advantages, [0.0, -1.0, 1.0, 1.0])


def test_with_a_critic_an_op_is_judged_against_what_it_expects():
    class Sure(Taker):
        has_critic = True

        def values(self, offers):
            return np.arange(1.0, len(offers) + 1)  # 1 at the first decision, 2 at the second, 3 at the third

    agent = replace(NOBODY, controller=Sure())
    # Decisions at steps 0, 1 and 1; step 1 pays 1, step 2 (no decision) pays 4.
    one = episode(([op(1)], 0.0), ([op(1), op(0)], 1.0), ([answer(5)], 4.0))
    group = Group(task=TASK, episodes=(one, one))
    for lam, expected in ((1.0, [5 - 1, 5 - 2, 5 - 3]), (0.0, [0 + 2 - 1, 0 + 3 - 2, 5 - 3])):
        first, _ = give_credit([group], CreditConfig(name="gae", options={"gae_lambda": lam}), agent)
        assert first.advantages.tolist() == [*expected, 0.0]
    cut = replace(one, end=End.STEP_LIMIT)
    first, _ = give_credit(
        [Group(task=TASK, episodes=(cut, cut))], CreditConfig(name="gae", options={"gae_lambda": 0.0}), agent
    )
    assert first.advantages.tolist() == [1.0, 1.0, 5 + 3 - 3, 0.0]


def test_a_batch_knows_what_each_op_had_still_to_earn():
    one = episode(([op(1)], 0.0), ([op(1), op(0)], 1.0), ([answer(5)], 4.0))
    batch = make_batch(give_credit([Group(task=TASK, episodes=(one, one))], CreditConfig(), NOBODY))
    assert batch.ops is not None and batch.ops.to_go.tolist() == [5.0, 5.0, 5.0] * 2
    assert batch.ops.take(np.array([2])).to_go.tolist() == [5.0]


def test_an_answer_is_compared_only_with_those_that_could_read_the_same():
    def tried(seen: str, token: int, reward: float) -> Episode:
        made = episode(([answer(token)], reward))
        view = (ViewLine("text", "t1", "token", seen),)  # the toy reader answers from o0 alone
        return replace(made, steps=(replace(made.steps[0], view=view),))

    told = [("o0", 1.0), ("o0", 0.0), ("o9", 0.0), ("o9", 0.0), ("o0", 1.0)]
    group = Group(task=TASK, episodes=tuple(tried(seen, 5, reward) for seen, reward in told))
    credits = give_credit([group], CreditConfig(), NOBODY)
    assert [c.advantages.tolist() for c in credits] == [[0.5], [-1.0], [0.0], [0.0], [0.5]]


def test_siblings_that_part_and_meet_again_keep_their_later_rewards():
    def walk(middle: str, last: float) -> Episode:
        steps = episode(([op(1)], 0.0), ([op(1)], 0.0), ([answer(5)], last)).steps
        elsewhere = replace(steps[1], observation=replace(steps[1].observation, id=middle))
        return Episode(task=TASK, steps=(steps[0], elsewhere, steps[2]), end=End.DONE)

    group = Group(task=TASK, episodes=(walk("left", 0.0), walk("right", 1.0), walk("right", 0.0)))
    credits = give_credit([group], CreditConfig(), NOBODY)
    assert [c.advantages[1] for c in credits] == [0.0, 1.0, -1.0]


def test_broadcast_gives_every_decision_the_same():
    right = episode(([op(1)], 0.0), ([answer(5)], 1.0))
    wrong = episode(([op(0)], 0.0), ([answer(7)], 0.0))
    first, second = give_credit([Group(task=TASK, episodes=(right, wrong))], CreditConfig(name="broadcast"), NOBODY)
    assert first.advantages.tolist() == [1.0, 1.0] and second.advantages.tolist() == [-1.0, -1.0]


def test_an_environment_error_takes_no_part_in_the_baseline():
    right, wrong = episode(([answer(5)], 1.0)), episode(([answer(7)], 0.0))
    failed = episode(([answer(9)], 0.0), end=End.ENV_ERROR)
    credits = give_credit([Group(task=TASK, episodes=(right, wrong, failed))], CreditConfig(), NOBODY)
    assert [c.advantages.tolist() for c in credits] == [[1.0], [-1.0]]


def test_an_episode_that_became_more_rows_weighs_the_same():
    short = episode(([op(1)], 0.0), ([answer(5)], 1.0))
    long = episode(([op(0), op(0)], 0.0), ([answer(7)], 0.0))
    batch = make_batch(give_credit([Group(task=TASK, episodes=(short, long))], CreditConfig(), NOBODY))
    assert batch.ops is not None
    torch.testing.assert_close(batch.ops.weight, torch.tensor([0.5, 0.25, 0.25]))


def acted(count: int, task: Task = TASK) -> Episode:
    """An episode of so many actions in tokens, each different."""
    return replace(episode(*(([answer(10 * count + i)], 1.0) for i in range(count))), task=task)


def weights_in(credits: list[Credit]) -> dict[int, set[float]]:
    """Of each episode's actions, by how many it has."""
    rows = make_batch(credits).tokens["policy"]
    lengths = {
        10 * len(c.episode.steps) + i: len(c.episode.steps) for c in credits for i in range(len(c.episode.steps))
    }
    found: dict[int, set[float]] = {}
    for row in rows:
        found.setdefault(lengths[row.action_ids[0]], set()).add(round(row.advantage / row.count, 6))
    return found


def credited(*episodes: Episode) -> list[Credit]:
    """Every decision with an advantage of 1, so that what is left is its weight."""
    return [Credit(e, np.ones(len(e.steps)), np.ones(len(e.steps))) for e in episodes]


def test_one_action_and_ten_weigh_by_episode_where_the_task_sets_the_length_and_by_action_where_the_agent_does():
    """T22."""
    other = replace(TASK, seed=1)
    assert weights_in(credited(acted(1), acted(10, other))) == {1: {0.5}, 10: {0.05}}
    assert weights_in(credited(acted(1), acted(10))) == {1: {round(1 / 11, 6)}, 10: {round(1 / 11, 6)}}
    # Two tasks of two tries each: half of the loss is each one's, over 11 actions and over 4.
    assert weights_in(credited(acted(1), acted(10), acted(2, other), acted(2, other))) == {
        1: {round(1 / 22, 6)}, 10: {round(1 / 22, 6)}, 2: {1 / 8},
    }  # fmt: skip


def test_ops_weigh_alike_too_where_siblings_are_of_unlike_length():
    short, long = episode(([op(1)], 1.0)), episode(([op(0), op(0)], 0.0), ([op(1)], 0.0))
    batch = make_batch(give_credit([Group(task=TASK, episodes=(short, long))], CreditConfig(name="broadcast"), NOBODY))
    assert batch.ops is not None
    torch.testing.assert_close(batch.ops.weight, torch.full((4,), 0.25))


def test_answers_without_tokens_are_nobodys_rows():
    silent = TokenDecision(actor="policy", action=Say("a"), memory_hash="", prompt_ids=(), action_ids=(), logprobs=())
    right, wrong = episode(([silent], 1.0)), episode(([silent], 0.0))
    batch = make_batch(give_credit([Group(task=TASK, episodes=(right, wrong))], CreditConfig(), NOBODY))
    assert batch.tokens == {} and batch.num_token_decisions == 0 and batch.ops is None


def test_equal_answers_merge_and_keep_the_signs_of_their_advantages_apart():
    rows = [TokenRow(prompt_ids=(1,), action_ids=(2,), logprobs=(0.0,), advantage=a) for a in (0.5, 0.25, -0.5, 0.0)]
    [merged] = merge_equal(rows)
    assert (merged.advantage, merged.against, merged.count) == pytest.approx((0.75, -0.5, 4))
    [lower] = merge_equal(rows[2:])
    assert (lower.advantage, lower.against, lower.count) == pytest.approx((-0.5, 0.0, 2))
    [silent] = merge_equal(rows[3:])
    assert silent.silent and not lower.silent and not merged.silent


def test_micro_batches_hold_like_lengths_within_their_budget():
    rows = [TokenRow(prompt_ids=(1,) * n, action_ids=(2,), logprobs=(0.0,), advantage=1.0) for n in (9, 1, 9, 1, 1)]
    batches = micro_batches(rows, budget=20)
    assert [[row.length for row in batch] for batch in batches] == [[10, 10], [2, 2, 2]]


def test_an_unknown_estimator_is_one_clear_line():
    with pytest.raises(ConfigError, match=r"credit.name = 'psychic': choose from .*return_to_go"):
        build(recipe("tiny", credit={"name": "psychic"}))
