"""The whole of self-training, run small: tasks written by a language model, lessons, anchors; resumed to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memrl.contracts.errors import ConfigError
from memrl.recipes import recipe
from memrl.reporting.task_report import read_task_log, summarise_tasks
from memrl.train import train
from memrl.training.build import build


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe("selftrain_tiny", out=str(tmp_path_factory.mktemp("whole") / "run")))


def test_tasks_are_written_judged_and_played(run: Path):
    rows = read_task_log(run)
    summary = summarise_tasks(rows)
    assert summary["steps"] == 4 and summary["accepted"] and summary["signatures"]
    assert "proposed" in {item["source"] for item in summary["sources"]}


def test_the_proposer_learns_and_the_watch_looks(run: Path):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # A step whose draws were all of other sources has nothing of its own to learn.
    entropies = [
        line["proposer/entropy"] for line in lines if line["curriculum/proposed"] or "proposer/entropy" in line
    ]
    assert entropies and all(0 < entropy <= 1 for entropy in entropies)
    assert [("anchor_success" in line) for line in lines] == [False, True, False, True]
    assert {line["alarm/verifiers"] for line in lines} == {0.0}
    assert all("alarm/variety" in line and "alarm/op_entropy" in line for line in lines)


def test_a_resumed_run_ends_like_an_uninterrupted_one(run: Path, tmp_path: Path):
    folder = train(recipe("selftrain_tiny", steps=3, out=str(tmp_path / "run")))
    train(recipe("selftrain_tiny", out=str(folder)), resume=folder)
    for name in ("metrics.jsonl", "tasks.jsonl"):
        assert (folder / name).read_bytes() == (run / name).read_bytes(), name


def test_the_small_network_has_weights_in_the_one_optimiser():
    parts = build(recipe("selftrain_tiny", curriculum={"proposer": "axes"}, reflection={"mode": "off"}))
    groups = parts.learner.state_dict()["optimizer"]["param_groups"]
    assert sorted(group["lr"] for group in groups)[-1] == 1e-2 and len(groups) == 3


def test_an_unknown_proposer_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"curriculum\.proposer = 'oracle': choose from axes, lm, none"):
        build(recipe("selftrain_tiny", curriculum={"proposer": "oracle"}))
