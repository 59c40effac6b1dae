"""Memory written in words, by name of its paper: small runs end, write the same bytes twice and evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memrl.evaluate import evaluate
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.run_folder import load_run

SMALL: dict[str, Any] = {
    "steps": 2,
    "warm_start": {"steps": 20, "memory_tasks": 4},
    "rollout": {"tasks": 2, "group_size": 2},
    "evaluation": {"episodes": 1},
}
HYBRID = {
    "controller": {"name": "hybrid", "options": {"note_tokens": 12, "width": 4, "hidden": 8}, "max_ops": 1},
    "credit": {"name": "return_to_go"},
    "evaluation": {"episodes": 1, "rows": ("own", "untrained", "fifo")},
}
RUNS = {
    "memagent": ("overwrite", {}),
    "mem1": ("state", {}),
    "memory_r1": ("ops", {}),
    "overwrite": ("hybrid", HYBRID),
    "memory_r1 with the credit of Mem-alpha": ("ops", {"credit": {"name": "mem_alpha"}}),
    "memory_r1 with the credit of AgeMem": ("ops", {"credit": {"name": "age_mem"}}),
}


def trained(name: str, folder: Path) -> Path:
    return train(recipe(name.split()[0], out=str(folder), **{**SMALL, **RUNS[name][1]}))


@pytest.mark.parametrize("name", list(RUNS))
def test_it_runs_comes_back_and_plays_longer_texts(name: str, tmp_path: Path):
    run = trained(name, tmp_path / "run")
    assert load_run(run).config.controller.name == RUNS[name][0]
    report = evaluate(run, horizon=40)
    assert report.rows[0].controller == RUNS[name][0] and len(report.rows) > 1


@pytest.mark.parametrize("name", ["memory_r1", "overwrite"])
def test_the_second_run_writes_the_same_bytes(name: str, tmp_path: Path):
    one, other = (trained(name, tmp_path / place) for place in "ab")
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
