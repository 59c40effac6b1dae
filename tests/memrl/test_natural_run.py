"""The recipe "natural" in small: it reads a told story, learns, repeats to the byte, and resumes."""

from dataclasses import replace
from pathlib import Path

import memrl
from memrl.evaluate import evaluate
from memrl.recipes import recipe


def small(folder: Path, **changes):
    return recipe(
        "natural", steps=2, checkpoint_every=2, out=str(folder),
        env={"train_seeds": 4, "options": {"horizon": 16, "questions": 4, "delay": 2}},
        memory={"embedder": "hash", "read_budget": 40},
        policy={"options": {"tokenizer": ""}},
        rollout={"practice_tasks": 2, "group_size": 4},
        **changes,
    )  # fmt: skip


def test_a_stopped_run_goes_on_to_the_same_bytes_and_is_evaluated_beside_the_rules(tmp_path):
    whole = memrl.train(small(tmp_path / "whole"))
    half = memrl.train(replace(small(tmp_path / "half"), steps=1, schedule_steps=2))
    memrl.train(replace(small(half), schedule_steps=2), resume=half)
    assert (whole / "metrics.jsonl").read_bytes() == (half / "metrics.jsonl").read_bytes()
    report = evaluate(half, episodes=4)
    rows = {row.controller: row.success for row in report.rows}
    rules = ["bm25", "dense", "rrf", "late_interaction", "newest", "newest_dense", "dense_trusted"]
    assert list(rows) == ["scorer", "untrained", *rules, "evidence"]
    assert rows["evidence"] == 1.0
    [nothing] = evaluate(half, episodes=4, read_tokens=1, rows=["evidence"]).rows
    assert nothing.success == 0.0
    assert report.read_budget_tokens == 40
