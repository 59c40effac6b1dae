"""Coin flips: nobody can learn them, nobody is examined in them, and the gates know."""

import numpy as np
import pytest

from memrl.contracts.types import Say, Task
from memrl.envs.memworld.coins import HALF, CoinFlips, Coins, is_coin
from memrl.envs.memworld.env import MemWorldTasks

THETA = {"horizon": 16, "objects": 2, "places": 6, "questions": 4, "delay": 2}


def words(text: str) -> int:
    return len(text.split())


def coin_task(task_source: CoinFlips, seed: int) -> Task:
    [cell] = [theta for theta in task_source.thetas().values() if isinstance(theta, Coins)]
    return Task(env=task_source.name, theta=cell, seed=seed, split="train")


def success(task_source: CoinFlips, task, kept) -> float:
    """Of a reader who has seen the told observations that ``kept`` says."""
    env, scores, seen = task_source.make(task), [], set()
    now = env.start()
    while now is not None:
        answer = None
        if now.is_question:
            answer = Say(task_source.read(task, now.id, frozenset(seen)))
        elif kept(now.step):
            seen.add(now.id)
        outcome = env.step(answer)
        scores += [outcome.verdict.score] if outcome.verdict else []
        now = outcome.next
    return float(np.mean(scores))


@pytest.mark.parametrize("kept", [lambda step: True, lambda step: False, lambda step: step % 2])
def test_success_is_one_half_whatever_is_kept(kept):
    task_source = CoinFlips(MemWorldTasks(THETA))
    scores = [success(task_source, coin_task(task_source, seed), kept) for seed in range(200)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.06)


def test_tries_that_keep_other_things_differ():
    task_source = CoinFlips(MemWorldTasks(THETA))
    task = coin_task(task_source, 3)
    assert len({success(task_source, task, lambda step, k=k: step % 7 != k) for k in range(7)}) > 1


def test_about_a_tenth_of_the_cells_flips_coins_and_the_target_stays_last():
    task_source = CoinFlips(MemWorldTasks(THETA))
    cells = task_source.thetas()
    assert sum(isinstance(theta, Coins) for theta in cells.values()) == 1 and 10 <= len(cells) <= 13
    assert list(cells)[-1] == "base" and not is_coin(task_source.held_out(0))


def test_the_gates_turn_coin_flips_away_and_their_json_returns():
    task_source = CoinFlips(MemWorldTasks(THETA))
    task_generator, task = task_source.task_generator(64, words), coin_task(task_source, 1)
    judged = task_generator.judge(task)
    assert not judged.accepted and judged.gate and judged.task is None
    assert task_generator.from_json(task_generator.to_json(task)) == task
    assert task_source.bounds(task, 64, words) == HALF
    drawn = [task_generator.fresh(np.random.default_rng(seed)) for seed in range(300)]
    assert np.mean([is_coin(one) for one in drawn]) == pytest.approx(0.1, abs=0.05)


def test_other_tasks_are_as_in_memworld():
    inner = MemWorldTasks(THETA)
    task_source, task = CoinFlips(inner), inner.task(5)
    assert success(task_source, task, lambda step: True) == 1.0
    assert task_source.bounds(task, 64, words) == inner.bounds(task, 64, words)
