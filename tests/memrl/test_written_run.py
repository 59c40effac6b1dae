"""A run whose curriculum writes its own tasks: its log, its resumption byte for byte, and its yoked twin."""

import json
from collections import Counter
from pathlib import Path

from memrl.contracts.config import TrainConfig
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build
from memrl.training.run_folder import read_metrics


def config(folder: Path, name: str = "written", **curriculum: object) -> TrainConfig:
    return recipe(
        "tiny",
        out=str(folder),
        steps=3,
        checkpoint_every=1,
        policy={"trained": False},
        warm_start={"steps": 0},
        rollout={"tasks": 1, "practice_tasks": 5, "group_size": 2},
        curriculum={"name": name, **curriculum},
    )


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]


def test_a_run_tells_of_every_task_resumes_byte_for_byte_and_can_be_replayed(tmp_path: Path):
    whole = train(config(tmp_path / "whole"))
    visits = Counter(row["step"] for row in rows(whole) if row["accepted"])
    assert visits == {1: 6, 2: 6, 3: 6}
    assert {"variety", "curriculum/learnability", "reject/trackers"} <= read_metrics(whole)[-1].keys()

    cut = train(config(tmp_path / "cut"))
    (cut / "checkpoints" / "step-000003.pt").unlink()
    with (cut / "tasks.jsonl").open("a") as file:
        file.write('{"step": 3, "acc')
    train(config(tmp_path / "cut"), resume=cut)
    assert (cut / "tasks.jsonl").read_bytes() == (whole / "tasks.jsonl").read_bytes()
    assert (cut / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()

    yoked = build(config(tmp_path / "yoked", "yoked", options={"tasks_file": str(whole / "tasks.jsonl")})).curriculum
    task_generator = build(config(tmp_path / "again")).curriculum.task_generator  # pyright: ignore[reportAttributeAccessIssue]
    drawn = [task_generator.to_json(task) for task in yoked.draw(18)]
    assert drawn == [row["task"] for row in rows(whole) if row["accepted"]]
