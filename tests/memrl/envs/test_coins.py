"""Coin flips: nobody can learn them, nobody is examined in them, and the gates know."""

import numpy as np
import pytest

from memrl.contracts.types import Kind, Say, Task
from memrl.envs.memworld.coins import HALF, CoinFlips, Coins, is_coin
from memrl.envs.memworld.env import MemWorldFamily

THETA = {"horizon": 16, "objects": 2, "places": 6, "questions": 4, "delay": 2}


def words(text: str) -> int:
    return len(text.split())


def coin_task(family: CoinFlips, seed: int) -> Task:
    [cell] = [theta for theta in family.cells().values() if isinstance(theta, Coins)]
    return Task(env=family.name, theta=cell, seed=seed, split="train")


def success(family: CoinFlips, task, kept) -> float:
    """Of a reader who has seen the told observations that ``kept`` says."""
    env, scores, seen = family.make(task), [], set()
    now = env.start()
    while now is not None:
        answer = None
        if now.kind is Kind.ASK:
            answer = Say(family.read(task, now.id, frozenset(seen)))
        elif kept(now.step):
            seen.add(now.id)
        outcome = env.step(answer)
        scores += [outcome.verdict.score] if outcome.verdict else []
        now = outcome.next
    return float(np.mean(scores))


@pytest.mark.parametrize("kept", [lambda step: True, lambda step: False, lambda step: step % 2])
def test_success_is_one_half_whatever_is_kept(kept):
    family = CoinFlips(MemWorldFamily(THETA))
    scores = [success(family, coin_task(family, seed), kept) for seed in range(200)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.06)


def test_tries_that_keep_other_things_differ():
    family = CoinFlips(MemWorldFamily(THETA))
    task = coin_task(family, 3)
    assert len({success(family, task, lambda step, k=k: step % 7 != k) for k in range(7)}) > 1


def test_about_a_tenth_of_the_cells_flips_coins_and_the_target_stays_last():
    family = CoinFlips(MemWorldFamily(THETA))
    cells = family.cells()
    assert sum(isinstance(theta, Coins) for theta in cells.values()) == 1 and 10 <= len(cells) <= 13
    assert list(cells)[-1] == "base" and not is_coin(family.held_out(0, cells["coins_0"]))


def test_the_gates_turn_coin_flips_away_and_their_json_returns():
    family = CoinFlips(MemWorldFamily(THETA))
    workshop, task = family.workshop(64, words), coin_task(family, 1)
    judged = workshop.judge(task)
    assert not judged.accepted and judged.gate and judged.task is None
    assert workshop.from_json(workshop.to_json(task)) == task
    assert family.bounds(task, 64, words) == HALF
    drawn = [workshop.fresh(np.random.default_rng(seed)) for seed in range(300)]
    assert np.mean([is_coin(one) for one in drawn]) == pytest.approx(0.1, abs=0.05)


def test_other_tasks_are_as_in_memworld():
    inner = MemWorldFamily(THETA)
    family, task = CoinFlips(inner), inner.task(5)
    assert success(family, task, lambda step: True) == 1.0
    assert family.bounds(task, 64, words) == inner.bounds(task, 64, words)
