"""The page, run small: the same seed writes the same bytes, and a resumed run goes on as if nothing had happened."""

import json

import pytest

from memrl.contracts.errors import ConfigError
from memrl.evaluate import collect, evaluate
from memrl.recipes import recipe
from memrl.reporting.trajectories import read_jsonl, to_jsonl
from memrl.train import train

FAST = {"warm_start": {"steps": 1}, "rollout": {"practice_tasks": 1, "group_size": 2}}


def metrics(folder) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(recipe("tiny", out=str(tmp_path_factory.mktemp("a") / "run"), **FAST))


def test_the_second_run_writes_the_same_bytes(run, tmp_path):
    again = train(recipe("tiny", out=str(tmp_path / "run"), **FAST))
    assert metrics(again) == metrics(run)
    lines = [json.loads(line) for line in metrics(run).splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["op_decisions"] > 0 for line in lines)


def test_another_seed_writes_others(run, tmp_path):
    assert metrics(train(recipe("tiny", seed=1, out=str(tmp_path / "run"), **FAST))) != metrics(run)


def test_a_resumed_run_ends_like_an_uninterrupted_one(run, tmp_path):
    folder = train(recipe("tiny", steps=1, out=str(tmp_path / "run"), **FAST))
    train(recipe("tiny", out=str(folder), **FAST), resume=folder)
    assert metrics(folder) == metrics(run)


@pytest.mark.parametrize("actor", ["controller", "policy"])
def test_either_actor_may_be_left_untrained(actor, tmp_path):
    alone = {actor: {"trained": False}, "rollout": {"practice_tasks": 0}}
    out = train(recipe("tiny", steps=1, out=str(tmp_path / "run"), **alone))
    [line] = [json.loads(text) for text in metrics(out).splitlines()]
    assert line["op_decisions"] > 0 and ("entropy" in line) == (actor != "controller")
    assert actor != "policy" or "policy_loss" not in line


def test_practice_may_come_first(tmp_path):
    first = {**FAST, "rollout": {**FAST["rollout"], "practice_first": 0.5}}
    out = train(recipe("tiny", steps=2, out=str(tmp_path / "run"), **first))
    alone, together = [json.loads(text) for text in metrics(out).splitlines()]
    assert alone["context_tokens"] == 0 and "success" not in alone
    assert together["context_tokens"] > 0 and "success" in together
    assert alone["op_decisions"] > 0 and "practice_success" in alone
    assert evaluate(out, episodes=1, rows=["own"]).rows[0].controller == "scorer"


def test_without_practice_the_policy_always_plays():
    config = recipe("tiny", steps=4, rollout={"practice_first": 0.5, "practice_tasks": 0})
    assert all(config.policy_plays(step) for step in (1, 2, 3, 4))
    config = recipe("tiny", steps=4, rollout={"practice_first": 0.5})
    assert [config.policy_plays(step) for step in (1, 2, 3, 4)] == [False, False, True, True]
    with pytest.raises(ConfigError, match=r"rollout\.practice_first = 1"):
        recipe("tiny", rollout={"practice_first": 1.0})


def test_a_warm_start_that_is_kept_gives_the_same_run(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRL_HOME", str(tmp_path / "home"))
    kept = {**FAST, "warm_start": {**FAST["warm_start"], "reuse": True}}
    first = train(recipe("tiny", out=str(tmp_path / "first"), **kept))
    [file] = (tmp_path / "home" / "warm-starts").iterdir()
    written = file.stat().st_mtime_ns
    second = train(recipe("tiny", out=str(tmp_path / "second"), **kept))
    assert metrics(first) == metrics(second) == metrics(run)
    assert file.stat().st_mtime_ns == written
    train(recipe("tiny", steps=1, seed=1, out=str(tmp_path / "other"), **kept))
    assert len(list(file.parent.iterdir())) == 2


def test_evaluation_has_all_rows_and_the_ends_of_the_scale(run):
    report = evaluate(run, episodes=2)
    assert [row.controller for row in report.rows] == [
        "scorer", "untrained", "none", "window", "fifo", "lru", "random", "similarity", "bm25_archive", "oracle"
    ]  # fmt: skip
    assert report.oracle == 1.0 and 0 < report.floor < 0.5
    assert set(report.to_json()) == {
        "env", "episodes", "horizon", "seed", "memory_budget_tokens", "read_budget_tokens", "rows", "own", "oracle",
        "floor", "greedy",
    }  # fmt: skip
    by_name = {row.controller: row for row in report.rows}
    assert by_name["none"].peak_context_tokens < by_name["fifo"].peak_context_tokens


def test_a_run_plays_for_a_file_as_it_is_evaluated(run, tmp_path):
    held_out = collect(run, episodes=2)
    [own] = evaluate(run, episodes=2, rows=["own"]).rows
    assert tuple(float(episode.success) for episode in held_out) == own.by_episode
    assert [len(episode.steps) for episode in held_out] == [12, 12]
    again = read_jsonl(to_jsonl(collect(run, episodes=2), tmp_path / "out.jsonl"))
    assert [[d.action for d in e.decisions] for e in again] == [[d.action for d in e.decisions] for e in held_out]
    sampled = collect(run, episodes=2, tries=3, greedy=False, split="train", seed=1)
    assert len(sampled) == 6 and {episode.task.split for episode in sampled} == {"train"}
    texts = {str([d.action for d in episode.decisions]) for episode in sampled}
    assert len(texts) == 6 and {episode.task.split for episode in held_out} == {"eval"}
    with pytest.raises(ConfigError, match="split = 'test': it is none of held_out, train"):
        collect(run, split="test")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="tries = 0"):
        collect(run, tries=0)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"env": "nowhere"}, "env.name = 'nowhere'"),
        ({"horizon": 0}, "horizon = 0"),
        ({"rows": ["fifo", "magic"]}, "rows = 'magic'"),
        ({"episodes": 0}, "episodes = 0"),
        ({"memory_tokens": 3}, "memory"),
    ],
)
def test_bad_input_names_the_setting_the_value_and_the_way_out(run, wrong, names):
    with pytest.raises(ConfigError, match=names):
        evaluate(run, **{"episodes": 1, **wrong})


def test_a_budget_too_small_for_one_fact_is_refused_before_training(tmp_path):
    with pytest.raises(ConfigError, match="too small"):
        train(recipe("tiny", out=str(tmp_path / "run"), memory={"token_budget": 4, "read_budget": 4}))
    assert not (tmp_path / "run").exists()
