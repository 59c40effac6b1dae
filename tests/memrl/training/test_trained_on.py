"""Data that change under a run, and what training has seen and is asked for as if it were new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import memrl
from memrl.contracts.capabilities import fingerprint
from memrl.contracts.errors import ConfigError
from memrl.envs.tool_tasks.options import ToolTasksOptions
from memrl.envs.tool_tasks.tasks import ToolTasks
from memrl.evaluate import collect, evaluate
from memrl.recipes import recipe
from memrl.training.trained_on import TrainedOn, check_unseen

ROOMS = """
class Rooms:
    def __init__(self, price: int) -> None:
        self.price = price

    def cost(self, nights: int) -> int:
        'What so many nights cost.'
        return self.price * nights
"""
OWN = "def length(text: str) -> int:\n    '''Letters.'''\n    return len(text)\n"


class Kept:
    """A source that tells what it has."""

    def __init__(self, train: str, held_out: str) -> None:
        self._splits = {"train": train, "eval": held_out}

    def fingerprints(self, split: str) -> list[str]:
        return [fingerprint([one.lower()], [one]) for one in self._splits[split]]


def source(train: str, held_out: str) -> Any:
    return Kept(train, held_out)


def test_case_and_blanks_make_no_other_text_and_anything_else_does():
    assert fingerprint(["The  Lamp", "b"]) == fingerprint(["the lamp", "B"]) != fingerprint(["the lamp b"])
    one, other = (fingerprint(["a"], [judged]).split(".") for judged in "xy")
    assert one[0] == other[0] and one[1] != other[1]
    assert len(fingerprint(["\ud800"])) == 33


def test_the_same_data_go_on_and_changed_ones_do_not():
    kept = TrainedOn(source("abc", "de")).state_dict()
    TrainedOn(source("abc", "fg")).load_state_dict(kept)
    for changed, said in (("ab", "1 gone, 0 new"), ("abcx", "0 gone, 1 new"), ("acb", "another order")):
        with pytest.raises(ConfigError, match=rf"env\.options\.data = 'changed': .*{said}"):
            TrainedOn(source(changed, "de")).load_state_dict(kept)


def test_what_stands_in_both_splits_is_told_before_anything_is_trained():
    with pytest.raises(ConfigError, match="1 of the 2 that are held out were trained on"):
        TrainedOn(source("abc", "cd"))


def test_a_source_that_does_not_tell_is_not_looked_at():
    made: Any = object()
    assert TrainedOn(made).state_dict() == {"train": []}
    check_unseen(made, {"train": ["x"]})
    check_unseen(source("a", "b"), {})


def written(path: Path, count: int) -> None:
    turn = {"text": "How long is it?", "answers": ["3"]}
    lines = [{"id": f"t{i}", "turns": [{"text": f"Word {i} is abc."}, turn]} for i in range(count)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def test_a_file_that_shrank_is_seen_by_evaluation_and_by_a_resumed_run(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_lengths.py").write_text(OWN, encoding="utf-8")
    written(tmp_path / "tasks.jsonl", 10)
    config = recipe(
        "plain",
        env={"name": "tool_tasks", "options": {"data": "tasks.jsonl", "tools": ["own_lengths:length"]}},
        policy={"name": "pointer", "options": {}, "model": "tiny", "max_new_tokens": 2},
        memory={"token_budget": 24, "read_budget": 24, "embedder": "hash"},
        warm_start={"steps": 0}, rollout={"tasks": 1, "practice_tasks": 0, "group_size": 2},
        learner={"rereads": 0}, evaluation={"episodes": 1, "rows": ["none"]}, steps=1, out="run",
    )  # fmt: skip
    run = memrl.train(config)
    report = evaluate(run, episodes=64)
    assert report.episodes == 2, "there are two held-out tasks, and playing one again is no more evidence"
    written(tmp_path / "tasks.jsonl", 5)
    with pytest.raises(ConfigError, match="1 of the 1 that are held out were trained on"):
        evaluate(run)
    with pytest.raises(ConfigError, match="held out were trained on"):
        collect(run)
    assert len(collect(run, split="train")) == 1
    before = (run / "config.json").read_bytes()
    with pytest.raises(ConfigError, match="4 gone, 0 new"):
        memrl.train(recipe_of(run, steps=2), resume=run)
    assert (run / "config.json").read_bytes() == before and (run / "done.json").exists(), "all is as it was"


def test_tasks_that_their_state_alone_tells_apart_are_apart_and_an_answer_that_changed_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_rooms.py").write_text(ROOMS, encoding="utf-8")

    def tasks(answer: str = "yes", **more: Any) -> TrainedOn:
        turns = [{"text": "You run the hotel."}, {"text": "Is it cheap?", "answers": [answer], **more}]
        lines = [{"id": f"t{i}", "state": {"price": i}, "turns": turns} for i in range(6)]
        Path("tasks.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return TrainedOn(ToolTasks(ToolTasksOptions(data="tasks.jsonl", tools=("own_rooms:Rooms",))))

    kept = tasks().state_dict()
    tasks().load_state_dict(kept)
    with pytest.raises(ConfigError, match="5 gone, 5 new"):
        tasks("no").load_state_dict(kept)
    others = ToolTasks(ToolTasksOptions(data="tasks.jsonl", tools=("own_rooms:Rooms",), held_out=("t0",)))
    with pytest.raises(ConfigError, match="1 of the 1 that are held out were trained on"):
        check_unseen(others, kept)


def recipe_of(run: Path, steps: int) -> Any:
    from dataclasses import replace

    from memrl.training.run_folder import load_config

    return replace(load_config(run), steps=steps)
