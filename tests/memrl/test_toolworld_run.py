"""The recipe ``toolworld``, cut short: it trains, and its run is evaluated at another horizon."""

import memrl
from memrl.envs.toolworld.measure import count_calls
from memrl.evaluate import collect
from memrl.recipes import recipe

SMALL = {
    "steps": 1,
    "env": {"options": {"steps": 12, "jobs": 1, "delay": 3}, "train_seeds": 2},
    "warm_start": {"steps": 4, "demonstrations": 2},
    "rollout": {"tasks": 1, "group_size": 2},
}


def test_it_trains_and_plays_longer_tasks(tmp_path):
    folder = memrl.train(recipe("toolworld", out=str(tmp_path / "run"), **SMALL))
    report = memrl.evaluate(folder, episodes=2, horizon=20, rows=["own", "full_context"])
    assert {row.controller: len(row.by_episode) for row in report.rows} == {"scorer": 2, "full_context": 2}
    counts = count_calls(collect(folder, episodes=2))
    assert counts.made == 2 * 11 and 0 <= counts.invalid <= counts.made
