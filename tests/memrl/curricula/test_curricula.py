"""Curricula: what they draw, what they learn, and that their state survives."""

from collections import Counter

import numpy as np
import pytest
from cells import CellSource

from memrl.contracts.types import End, Episode, Group, Observation, Step, Verdict
from memrl.curricula._draws import Draws
from memrl.curricula.bandit import Bandit, BanditOptions
from memrl.curricula.uniform import Uniform

CELLS = {"easy": 1, "right": 2, "hopeless": 3}


def draws(seed: int = 0, pool: int = 0) -> Draws:
    return Draws(CellSource(CELLS), seed, pool)


def group(task, *scores: float) -> Group:
    episodes = []
    for score in scores:
        observation = Observation(id="o0", step=0, content="?", wants_action=True, writable=False)
        verdict = Verdict(score=score, expected="x", category="c")
        step = Step(observation=observation, decisions=(), reward=score, verdict=verdict)
        episodes.append(Episode(task=task, steps=(step,), end=End.DONE))
    return Group(task=task, episodes=tuple(episodes))


def test_uniform_draws_every_cell_about_equally_often():
    tasks = Uniform(draws(), list(CELLS)).draw(3000)
    counts = Counter(task.cell for task in tasks)
    assert all(900 < counts[name] < 1100 for name in CELLS)
    assert all(task.theta == CELLS[task.cell] and task.split == "train" for task in tasks)


def test_a_pool_of_seeds_is_kept_to():
    assert {task.seed for task in Uniform(draws(pool=4), list(CELLS)).draw(200)} == {0, 1, 2, 3}


def test_the_bandit_goes_where_success_is_neither_certain_nor_hopeless():
    bandit = Bandit(draws(), BanditOptions(temperature=0.05, fresh=0.1))
    for _ in range(20):
        tasks = bandit.draw(12)
        wins = {"easy": (1, 1, 1, 1), "right": (1, 0, 1, 0), "hopeless": (0, 0, 0, 0)}
        bandit.observe([group(task, *wins[task.cell]) for task in tasks])
    counts = Counter(task.cell for task in bandit.draw(1000))
    assert counts["right"] > 800
    assert counts["easy"] > 10 and counts["hopeless"] > 10, "the fresh share keeps looking everywhere"


def test_the_shares_drawn_are_reported_once():
    uniform = Uniform(draws(), ["easy"])
    uniform.draw(5)
    assert uniform.metrics() == {"curriculum/easy": 1.0, "curriculum/right": 0.0, "curriculum/hopeless": 0.0}
    assert sum(uniform.metrics().values()) == 0.0


@pytest.mark.parametrize("make", [lambda d: Uniform(d, list(CELLS)), lambda d: Bandit(d, BanditOptions())])
def test_a_curriculum_taken_up_again_draws_what_it_would_have_drawn(make):
    first = make(draws())
    first.observe([group(task, 1.0, 0.0) for task in first.draw(7)])
    second = make(draws(seed=9))
    second.load_state_dict(first.state_dict())
    assert [(t.cell, t.seed) for t in first.draw(20)] == [(t.cell, t.seed) for t in second.draw(20)]
    assert np.isclose(sum(second.metrics().values()), 1.0)
