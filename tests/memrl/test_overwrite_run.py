"""The recipe ``overwrite``, small: it runs, its second run writes the same bytes, and it evaluates at other lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memrl.evaluate import evaluate
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build
from memrl.training.run_folder import load_run

SMALL: dict[str, Any] = {
    "steps": 2,
    "warm_start": {"steps": 30, "memory_tasks": 4},
    "rollout": {"tasks": 2, "group_size": 2},
    "evaluation": {"episodes": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe("overwrite", out=str(tmp_path_factory.mktemp("a") / "run"), **SMALL))


def test_the_second_run_writes_the_same_bytes(run: Path, tmp_path: Path) -> None:
    again = train(recipe("overwrite", out=str(tmp_path / "run"), **SMALL))
    assert (again / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert any(line["token_rows"] for line in lines) and not any(line["op_decisions"] for line in lines)


def test_a_run_that_embeds_nothing_comes_back_and_plays_longer_texts(run: Path) -> None:
    made, parts = load_run(run)
    assert made.recipe == "overwrite" and len(parts["texts"]["texts"]) == 0
    report = evaluate(run, episodes=1, horizon=56)
    assert report.env == "chunks" and report.horizon == 56
    assert [row.controller for row in report.rows] == ["overwrite", "none"]


def test_it_goes_on_from_its_last_step(run: Path, tmp_path: Path) -> None:
    once = train(recipe("overwrite", out=str(tmp_path / "run"), **{**SMALL, "steps": 1, "schedule_steps": 2}))
    train(recipe("overwrite", out=str(once), **{**SMALL, "schedule_steps": 2}), resume=once)
    assert (once / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()


def test_the_whole_recipe_can_be_built() -> None:
    parts = build(recipe("overwrite"))
    assert parts.agent.offers is None and parts.agent.controller.policy is parts.agent.policy  # pyright: ignore[reportAttributeAccessIssue]
    [task] = parts.curriculum.draw(1)
    assert (task.env, task.theta.horizon) == ("chunks", 28)
