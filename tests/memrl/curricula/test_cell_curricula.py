"""Hand-made schedules, bandits on other scores, and replay: what they draw, and that their state survives."""

from collections import Counter

import numpy as np
import pytest
from cells import CellSource

from memrl.contracts.types import End, Episode, Group, Observation, Step, Verdict
from memrl.curricula._draws import Draws
from memrl.curricula.azr import AbsoluteZero, azr_reward
from memrl.curricula.bandit import Bandit, BanditOptions
from memrl.curricula.easy_to_hard import EasyToHard
from memrl.curricula.horizon_schedule import HorizonSchedule
from memrl.curricula.plr import SEEN_FIRST, Replay
from memrl.curricula.raw_variance import RawVariance, raw_variance

CELLS = {"a": 1, "b": 2, "c": 3, "d": 4}


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


def test_the_schedule_moves_up_at_fixed_shares_of_the_run():
    schedule = HorizonSchedule(draws(), steps=10)
    seen = []
    for _ in range(12):
        seen.append({task.cell for task in schedule.draw(20)})
        schedule.observe([])
    assert seen == [{"a"}] * 2 + [{"b"}] * 2 + [{"c"}] * 2 + [{"d"}] * 6


def test_a_schedule_of_one_cell_draws_that_cell_throughout():
    schedule = HorizonSchedule(Draws(CellSource({"only": 1}), 0), steps=1)
    for _ in range(2):
        assert {task.cell for task in schedule.draw(5)} == {"only"}
        schedule.observe([])


def test_easy_to_hard_goes_from_falling_to_rising_weights():
    course = EasyToHard(draws(), steps=1)
    first = Counter(task.cell for task in course.draw(4000))
    course.observe([])
    last = Counter(task.cell for task in course.draw(4000))
    assert first["a"] == pytest.approx(1600, abs=120) and first["d"] == pytest.approx(400, abs=120)
    assert last["a"] == pytest.approx(400, abs=120) and last["d"] == pytest.approx(1600, abs=120)


@pytest.mark.parametrize("kind", [Bandit, AbsoluteZero, RawVariance])
def test_where_the_whole_alone_is_judged_the_bandits_learn_from_that(kind):
    learns = kind(draws(), BanditOptions(fresh=0.0, temperature=0.05))
    for _ in range(6):
        for cell, successes in (("a", [1.0, 1.0]), ("b", [0.0, 1.0]), ("c", [0.0, 0.0]), ("d", [1.0, 1.0])):
            task = draws().task(cell, 0)
            blind = [Episode(task=task, steps=(), end=End.DONE, judged=one) for one in successes]
            learns.observe([Group(task=task, episodes=tuple(blind))])
    drawn = Counter(task.cell for task in learns.draw(200))
    assert drawn["b"] > 150, drawn


def test_scores_of_the_two_bandits():
    assert raw_variance(2, 8) == pytest.approx(0.1875)
    assert azr_reward(2, 8) == 0.75 and azr_reward(0, 8) == 0.0 and azr_reward(8, 8) == 0.0


@pytest.mark.parametrize(("bandit", "loved"), [(RawVariance, "b"), (AbsoluteZero, "c")])
def test_raw_variance_loves_coin_flips_and_absolute_zero_what_is_hardly_ever_solved(bandit, loved):
    wins = {"a": (1, 1, 1, 1), "b": (1, 0, 1, 0), "c": (1, 0, 0, 0), "d": (0, 0, 0, 0)}
    curriculum = bandit(draws(), BanditOptions(temperature=0.02, fresh=0.1))
    for _ in range(10):
        curriculum.observe([group(task, *wins[task.cell]) for task in curriculum.draw(12)])
    assert Counter(task.cell for task in curriculum.draw(500)).most_common(1)[0][0] == loved


def test_replay_goes_back_to_the_levels_whose_tries_differ_most():
    replay = Replay(draws(), 0)
    tasks = replay.draw(SEEN_FIRST)
    assert len({(task.cell, task.seed) for task in tasks}) == SEEN_FIRST, "none is replayed before enough were seen"
    replay.observe([group(task, 1, 0) if task.cell == "b" else group(task, 1, 1) for task in tasks])
    known = {(task.cell, task.seed) for task in tasks}
    again = [task for task in replay.draw(20) if (task.cell, task.seed) in known]
    assert 4 <= len(again) <= 16
    assert sum(task.cell == "b" for task in again) > len(again) / 2


@pytest.mark.parametrize(
    "make",
    [
        lambda d: HorizonSchedule(d, 3),
        lambda d: EasyToHard(d, 3),
        lambda d: RawVariance(d, BanditOptions()),
        lambda d: AbsoluteZero(d, BanditOptions()),
        lambda d: Replay(d, 0),
    ],
)
def test_each_goes_on_where_it_stopped(make):
    first = make(draws())
    for _ in range(2):
        first.observe([group(task, 1.0, 0.0) for task in first.draw(SEEN_FIRST)])
    second = make(draws(seed=9))
    second.load_state_dict(first.state_dict())
    assert [(t.cell, t.seed) for t in first.draw(20)] == [(t.cell, t.seed) for t in second.draw(20)]
    assert np.isclose(sum(second.metrics().values()), 1.0)
    assert not first.auxiliary_losses() and not first.drain_log()
