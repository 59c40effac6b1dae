"""The recipe "reading" on the suite's small streams: it runs, learns something, repeats to the byte, and evaluates."""

from dataclasses import replace
from pathlib import Path

import pytest

import memrl
from memrl.evaluate import evaluate
from memrl.recipes import recipe

SMALL = str(Path(__file__).parent / "streams" / "small.jsonl")


def small(folder: Path, **changes):
    return recipe(
        "reading", steps=2, checkpoint_every=2, out=str(folder),
        env={"options": {"data": SMALL, "questions": 4}},
        memory={"embedder": "hash", "read_budget": 30},
        policy={"options": {"tokenizer": ""}},
        rollout={"practice_tasks": 2, "group_size": 4},
        **changes,
    )  # fmt: skip


def test_two_runs_are_the_same_and_every_row_reads_within_the_budget(tmp_path):
    one, other = memrl.train(small(tmp_path / "one")), memrl.train(small(tmp_path / "other"))
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    report = evaluate(one)
    rows = {row.controller: row for row in report.rows}
    assert list(rows) == ["scorer", "untrained", "bm25", "dense", "rrf", "late_interaction", "evidence"]
    assert report.read_budget_tokens == 30
    assert rows["evidence"].success >= max(row.success for row in rows.values()) - 1e-9
    assert rows["evidence"].success > 0.8
    less = evaluate(one, read_tokens=1, rows=["rrf", "evidence"])
    assert [row.success for row in less.rows] == pytest.approx([0.0, 0.0], abs=0.2)  # unanswerable ones stay right


def test_a_run_that_was_stopped_goes_on_to_the_same_metrics(tmp_path):
    whole = memrl.train(small(tmp_path / "whole"))
    half = memrl.train(replace(small(tmp_path / "half"), steps=1, schedule_steps=2))
    memrl.train(replace(small(half), schedule_steps=2), resume=half)
    assert (whole / "metrics.jsonl").read_bytes() == (half / "metrics.jsonl").read_bytes()
